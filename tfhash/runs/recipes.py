"""How the networks of each experiment are trained: as the paper says, and as its scripts do.

The paper is "Neural networks behave as hash encoders", Section 4 and Appendix A. It does not give
MNIST's constant learning rate; 0.001 reproduces its curves, 0.01 does not. Nor does it mention
batch normalization for CIFAR-10, which its scripts have: with it the paper's curves come out, and
without it most of the networks die in the first epoch at the rate it gives (the codes of all images
become one), so "paper" has it there (docs/reproduction.md). "released" is what the authors' scripts
do where they differ. The digits, which the paper does not use, follow the same
two recipes at a size that takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tfhash.errors import InputError, near_names

R = TypeVar("R")


@dataclass(frozen=True)
class Recipe:
    """One way of training on one dataset, with Adam (0.9, 0.999) throughout.

    Attributes
    ----------
    name, dataset : str
        What it is called and what it is for.
    depth : int
        Hidden layers of the networks.
    widths : tuple of int
        Units per hidden layer, one network each.
    repeats : int
        Networks of each kind, from different seeds.
    epochs, batch_size : int
        Length of training and examples per step.
    learning_rate : float
        Adam's rate in the first epoch.
    decay : float
        What the rate is multiplied by every `decay_every` epochs; 1 keeps it constant.
    decay_every : int
        Epochs from one decay to the next.
    batch_norm : bool
        Batch normalization before each ReLU.
    l2 : float
        Weight of the squared kernel weights in the loss.
    early_stopping : int or None
        Epochs without a lower training loss after which training stops.
    hold_out : float
        Share of the training set, from its end, that is not trained on.
    """

    name: str
    dataset: str
    depth: int
    widths: tuple[int, ...]
    repeats: int
    epochs: int
    batch_size: int
    learning_rate: float
    decay: float = 1.0
    decay_every: int = 1
    batch_norm: bool = False
    l2: float = 0.0
    early_stopping: int | None = None
    hold_out: float = 0.0


_MNIST_WIDTHS = (
    *(3, 7, 10, 15, 20, 23, 27, 30, 33, 37, 40, 43, 47, 50, 53, 57, 60, 65, 70, 75, 80, 90, 100),
)

_PAPER = (
    Recipe("paper", "digits", 1, (3, 5, 7, 10, 15, 20, 30, 40, 60, 80), 3, 40, 32, 0.003),
    Recipe("paper", "mnist", 1, _MNIST_WIDTHS, 5, 2000, 128, 0.001),
    # The scripts count the units of all 5 layers, 50 to 1000; width is per layer everywhere here.
    Recipe("paper", "cifar10", 5, tuple(range(10, 201, 10)), 10, 200, 64, 0.01, 0.1, 20, True),
)


def _released(paper: Recipe) -> Recipe:
    return replace(
        paper,
        name="released",
        repeats=10,
        epochs=200,
        batch_size=64,
        learning_rate=0.01,
        decay=0.1,
        decay_every=20,
        batch_norm=True,
        l2=1e-6,
        early_stopping=10,
        hold_out=0.2,
    )


RECIPES = {(p.name, p.dataset): p for p in (*_PAPER, *map(_released, _PAPER))}


def recipe(name: str, dataset: str) -> Recipe:
    """The recipe `name` ("paper" or "released") for `dataset`.

    Raises
    ------
    InputError
        There is none of that name for that dataset.
    """
    return look_up(RECIPES, name, dataset)


def look_up(recipes: Mapping[tuple[str, str], R], name: str, dataset: str) -> R:
    """What `recipes` has for (`name`, `dataset`), or InputError with what there is."""
    try:
        return recipes[(name, dataset)]
    except KeyError:
        names, datasets = (sorted({key[i] for key in recipes}) for i in (0, 1))
        near = [*near_names(name, names), *near_names(dataset, datasets)]
        raise InputError(
            f"Expected a protocol among {', '.join(names)} and a dataset among "
            f"{', '.join(datasets)}. Received: protocol {name!r}, dataset {dataset!r}."
            + (f" Did you mean {' or '.join(near)}?" if near else "")
        ) from None
