"""All studies, by name.

Names and titles are here; a study's own module is loaded when the study is asked for, so that
`tfhash --help` need not load them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from tfhash.errors import unknown_name

if TYPE_CHECKING:
    from tfhash.studies.definition import Study

# A study is the `STUDY` of the module of its name. What it shows, in one line.
TITLES = {
    "layer_width": "encoding properties against the width of the hidden layers",
    "training_time": "encoding properties over training",
    "sample_size": "encoding properties against the number of training examples",
    "layer_wise": "encoding properties of single layers, of the first k and of the last k",
    "diameters": "stochastic activation diameters, by width and over training",
    "region_density": "linear regions between examples and in a plane, over training",
    "random_data": "random inputs shown to networks, and networks trained on random inputs",
    "label_noise": "encoding properties of networks trained with wrong labels",
    "regularizers": "encoding properties of networks trained with regularizers and without",
    "phase_chart": "encoding properties against width, training steps and sample size together",
    "representations": "characteristics of the last hidden layer under twelve regularizers",
    "representations_linear": "networks whose last hidden layer is linear",
    "representations_cnn": "errors behind convolutions under twelve regularizers",
    "representation_factors": "regularizers on inputs of few and of many independent factors",
    "cnn": "encoding properties of the paper's convolutional networks",
}


class _Studies(Mapping[str, "Study"]):
    """From names to studies, each loaded when it is looked up."""

    def __getitem__(self, name: str) -> Study:
        if name not in TITLES:
            raise KeyError(name)
        found: Study = import_module(f"tfhash.studies.{name}").STUDY
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(TITLES)

    def __len__(self) -> int:
        return len(TITLES)


STUDIES = _Studies()


def study(name: str) -> Study:
    """The study `name`.

    Raises
    ------
    InputError
        There is none of that name; near ones are named.
    """
    if name not in TITLES:
        raise unknown_name("a study", name, TITLES)
    return STUDIES[name]
