"""How the encoding properties depend on width, training steps and sample size together.

The activation hash phase chart of the paper's Section 5.6. An epoch here is a fixed number of
steps, whatever the sample's size, so that training time means the same for all networks.
"""

from collections.abc import Sequence
from dataclasses import replace

from tfhash.errors import InputError
from tfhash.studies.definition import Grid, Study, values_of_dataset
from tfhash.studies.layer_width import PROPERTIES
from tfhash.studies.options import MlpOptions

WIDTHS = {
    "digits": (3, 5, 7, 10, 15, 20, 40, 80),
    "mnist": (3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 80, 100),
    "cifar10": (10, 20, 40, 80, 120, 200),
}
SIZES = {
    "digits": (20, 50, 100, 200, 400, 800, 1400),
    "mnist": (30, 60, 100, 300, 600, 1000, 3000, 10000, 30000, 60000),
    "cifar10": (50, 200, 1000, 5000, 20000, 50000),
}
# Epochs of `STEPS` steps each: 0 is before training.
EPOCHS = {
    "digits": (0, 1, 3, 8, 20, 50, 120),
    "mnist": (0, 1, 2, 5, 10, 20, 50, 100, 200, 500),
    "cifar10": (0, 1, 3, 10, 30, 100),
}
STEPS = {"digits": (10,), "mnist": (20,), "cifar10": (100,)}


def _axis(
    name: str,
    values: dict[str, tuple[int, ...]],
    asked: tuple[int, ...] | None,
    options: MlpOptions,
) -> Sequence[int]:
    """The values asked for or the grid's: two at least, or nothing changes along the axis."""
    chosen = values_of_dataset(values, options.dataset, name) if asked is None else asked
    if len(chosen) < 2:
        raise InputError(
            f"Expected at least two {name}: a chart shows what changes along them. "
            f"Received: {','.join(map(str, chosen))}."
        )
    return chosen


def widths(options: MlpOptions) -> Sequence[int]:
    """The widths of the chart."""
    return _axis("widths", WIDTHS, options.widths, options)


def sizes(options: MlpOptions) -> Sequence[int]:
    """The sample sizes of the chart."""
    return _axis("sample_sizes", SIZES, options.sample_sizes, options)


def epoch_size(options: MlpOptions) -> int:
    """Examples that an epoch of `STEPS` steps goes through."""
    (steps,) = values_of_dataset(STEPS, options.dataset, "steps")
    return int(steps) * (options.batch_size or options.recipe.batch_size)


STUDY = Study(
    name="phase_chart",
    grids=(
        Grid(
            axes={"sample_size": sizes, "width": widths},
            fixed={"epoch_size": epoch_size},
            kept=EPOCHS,
            length="kept",
            measures=tuple(replace(one, at="every") for one in PROPERTIES),
        ),
    ),
    encode_at_once=2048,
    figures=("phase_chart",),
)
