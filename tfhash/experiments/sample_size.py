"""How the encoding properties depend on the number of training examples (Figures 4 and 9)."""

from __future__ import annotations

from tfhash.errors import InputError
from tfhash.experiments import stages
from tfhash.experiments.options import Options
from tfhash.experiments.training_time import WIDTHS
from tfhash.training import RunSpec

NAME = "sample_size"
SIZES = {
    "digits": (10, 20, 50, 100, 200, 500, 1000),
    "mnist": (*(10, 30, 60, 100, 300, 600, 1000, 2000, 3000, 6000, 10000, 20000, 30000, 60000),),
    "cifar10": (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 40000),
}
# Training examples before any are held out.
AVAILABLE = {"digits": 1433, "mnist": 60_000, "cifar10": 50_000}


def specs(options: Options) -> list[RunSpec]:
    """One run for each repeat, sample size and width.

    All are trained for as many steps as the largest sample of the grid takes.
    """
    recipe = options.recipe
    available = AVAILABLE[options.dataset]
    available -= round(available * recipe.hold_out)
    largest = min(available, SIZES[options.dataset][-1])
    sizes = options.sample_sizes or tuple(
        size for size in SIZES[options.dataset] if size <= largest
    )
    if sizes[-1] > available:
        raise InputError(
            f"Expected sample sizes up to {available}, the training examples of "
            f"{options.dataset}. Received: {sizes[-1]}."
        )
    return [
        options.spec(NAME, width=width, repeat=repeat, sample_size=size, epoch_size=largest)
        for repeat in options.repeats
        for size in sizes
        for width in options.widths or WIDTHS[options.dataset]
    ]


def encoding_properties(options: Options) -> None:
    """Measure the codes of all networks that are trained: of their own sample, and the test set."""
    stages.encoding_properties(specs(options), options)
