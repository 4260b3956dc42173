"""How the encoding properties depend on the number of training examples (Figures 4 and 9)."""

from collections.abc import Sequence

from tfhash.datasets import record
from tfhash.errors import InputError
from tfhash.studies.definition import Grid, Study
from tfhash.studies.layer_width import PROPERTIES
from tfhash.studies.options import MlpOptions
from tfhash.studies.training_time import WIDTHS


def sizes(options: MlpOptions) -> Sequence[int]:
    """The sample sizes that are asked for, or those of the grid that there are examples for."""
    available = options.available
    asked = options.sample_sizes
    if asked and asked[-1] > available:
        raise InputError(
            f"Expected sample sizes up to {available}, the training examples of "
            f"{options.dataset}. Received: {asked[-1]}."
        )
    return asked or [size for size in record(options.dataset).sample_sizes if size <= available]


def largest(options: MlpOptions) -> int:
    """Examples that an epoch goes through: all are trained for as many steps as the largest."""
    return min(options.available, record(options.dataset).sample_sizes[-1])


STUDY = Study(
    name="sample_size",
    grids=(
        Grid(
            axes={"sample_size": sizes, "width": WIDTHS},
            fixed={"epoch_size": largest},
            measures=PROPERTIES,
        ),
    ),
    encode_at_once=2048,
    figures={
        "digits": ("figure_4a", "figure_4b"),
        "mnist": ("figure_9a", "figure_9b"),
        "cifar10": ("figure_4a", "figure_4b"),
    },
)
