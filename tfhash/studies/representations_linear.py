"""Networks with a linear sixth hidden layer, which may be transformed at will (Choi, Table 2).

tfhash run representations_linear --repeat=1

`tfhash run representation_examples` then writes the table. The paper does not say which layer its
regularizers are on: here it is the sixth.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhash.runs.representation import DROPOUT_RATE
from tfhash.studies.definition import Grid, Measured, Study, recipe_widths
from tfhash.studies.options import RepresentationOptions
from tfhash.studies.representations import sizes

WEIGHTS = {"none": 0.0, "dropout": DROPOUT_RATE, "bn": 0.0}


def conditions(options: RepresentationOptions) -> Sequence[Mapping[str, Any]]:
    """The paper's three regularizers, or those of them that are asked for."""
    return [
        {"regularizer": name, "regularizer_weight": weight}
        for name, weight in WEIGHTS.items()
        if name in options.regularizers
    ]


def depths(options: RepresentationOptions) -> Sequence[int]:
    """A layer more than the paper's other networks have, or the depth that is asked for."""
    return (options.depth or options.recipe.depth + 1,)


STUDY = Study(
    name="representations_linear",
    grids=(
        Grid(
            axes={
                "sample_size": sizes,
                "width": recipe_widths,
                "depth": depths,
                "regularizer": conditions,
            },
            fixed={"last_activation": "linear"},
            measures=(Measured(measure="accuracy"),),
        ),
    ),
    options=RepresentationOptions,
    # Of penalties, which these networks have none of.
    without=("loss_weights", "quick", "normalized"),
    figures=(),
)
