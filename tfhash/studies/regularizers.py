"""What regularizers of the training do to the encoding properties (Figures 6 and 10)."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhash.errors import InputError
from tfhash.runs.conditions import CONDITIONS
from tfhash.studies.definition import Grid, Study, recipe_widths
from tfhash.studies.layer_width import PROPERTIES
from tfhash.studies.options import MlpOptions


def conditions(options: MlpOptions) -> Sequence[Mapping[str, Any]]:
    """The paper's conditions, whatever the dataset.

    Raises
    ------
    InputError
        Batch normalization is asked for: it is one of the conditions.
    """
    if options.batch_norm is not None:
        raise InputError(
            "Expected no batch_norm: networks with and without batch normalization are trained and "
            f"compared. Received: {options.batch_norm}."
        )
    return list(CONDITIONS.values())


STUDY = Study(
    name="regularizers",
    grids=(Grid(axes={"condition": conditions, "width": recipe_widths}, measures=PROPERTIES),),
    encode_at_once=2048,
    without=("batch_norm",),  # one of the conditions
    figures=("figure_6", "figure_10", "regularizers_shifts"),
)
