"""What twelve regularizers do to the last hidden layer and the error (Choi et al., Tables 6, 8).

tfhash run representations --sample_sizes=1000,5000,50000

trains, at each of the paper's six loss weights, five networks of each kind and measures the last
hidden layer of all of them; `--quick` trains at the stored weights alone. 56 networks are trained
side by side, the one with batch normalization apart. `tfhash draw` chooses the loss weights on the
validation data and writes the tables, the paper's numbers beside ours.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from tfhash.errors import InputError
from tfhash.runs.representation import (
    DROPOUT_RATE,
    OF_KERNELS,
    WITHOUT_WEIGHT,
)
from tfhash.studies.definition import Grid, Measured, Study, recipe_widths
from tfhash.studies.options import RepresentationOptions, SecondPaperOptions

MEASURES = tuple(
    Measured(measure=name) for name in ("accuracy", "validation", "characteristics", "information")
)


def sizes(options: SecondPaperOptions) -> Sequence[int | None]:
    """The sample sizes that are asked for; None, as by default, is all that is not held out."""
    available = options.available
    asked = options.sample_sizes or (available,)
    if asked[-1] > available:
        raise InputError(
            f"Expected sample sizes up to {available}, the training examples of "
            f"{options.dataset} but for those that are held out. Received: {asked[-1]}."
        )
    return [None if size == available else size for size in asked]


def conditions(study: str, options: RepresentationOptions) -> Sequence[Mapping[str, Any]]:
    """Each sample size, width and regularizer with each of its loss weights.

    `study` is the name that stored loss weights are looked up by.
    """
    found = []
    for size in sizes(options):
        for width in recipe_widths(options):
            for name in options.regularizers:
                for weight, normalized in _weights(study, name, size, width, options):
                    found.append(
                        {
                            "sample_size": size,
                            "width": width,
                            "regularizer": name,
                            "regularizer_weight": weight,
                            "regularizer_normalized": normalized,
                        }
                    )
    return found


def _weights(
    study: str, name: str, size: int | None, width: int, options: RepresentationOptions
) -> Sequence[tuple[float, bool]]:
    """Loss weights of a regularizer, each with whether the penalty is normalized."""
    if name in WITHOUT_WEIGHT:
        return [(0.0, False)]
    if name == "dropout":
        return [(DROPOUT_RATE, False)]
    if options.quick:
        from tfhash.runs.representation_tables import stored_choice

        return [stored_choice(study, options.dataset, name, size or options.available, width)]
    normalized = options.normalized and name not in OF_KERNELS
    return [(weight, normalized) for weight in options.loss_weights]


NAME = "representations"
STUDY = Study(
    name=NAME,
    grids=(
        Grid(
            # One axis, as --quick has other weights for each size and width.
            axes={"sample_size": partial(conditions, NAME)},
            measures=MEASURES,
        ),
    ),
    options=RepresentationOptions,
    figures=(
        "representations_table_6",
        "representations_table_8",
        "representations_figure_4",
        "representations_weights",
    ),
)
