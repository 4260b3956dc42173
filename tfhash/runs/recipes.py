"""How the networks of each experiment are trained: as the paper says, and as its scripts do.

The paper is "Neural networks behave as hash encoders", Section 4 and Appendix A. The numbers of
"paper" are in the record of each dataset. The paper does not mention batch normalization for
CIFAR-10, which its scripts have: with it the paper's curves come out, and without it most of the
networks die in the first epoch at the rate it gives (the codes of all images become one), so
"paper" has it there (docs/reproduction.md). "released" is what the authors' scripts do where they
differ. Datasets that the paper does not use follow the same two recipes.

"representations" is how "On the statistical and information-theoretic characteristics of deep
network representations" trains on MNIST (Appendix D): five hidden layers of 100 units, Adam at a
constant rate of 0.0001, batches of 100, 50,000 examples and the other 10,000 for validation. It
does not say for how many epochs. "representations_cnn" is how it trains on CIFAR-10 and CIFAR-100:
one hidden layer of 128 units behind four convolutions, the last 10,000 examples for validation. It
adds them to the others again once the loss weights are chosen, which is not done here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from tfhash import datasets
from tfhash.datasets import MlpTraining
from tfhash.errors import InputError, did_you_mean, near_names

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Recipe(MlpTraining):
    """One way of training on one dataset: that of the dataset's record, and what goes beyond it.

    Attributes
    ----------
    name, dataset : str
        What it is called and what it is for.
    l2 : float
        Weight of the squared kernel weights in the loss.
    early_stopping : int or None
        Epochs without a lower training loss after which training stops.
    hold_out : float
        Share of the training set, from its end, that is not trained on.
    """

    name: str
    dataset: str
    l2: float = 0.0
    early_stopping: int | None = None
    hold_out: float = 0.0


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


_PAPER = [
    Recipe(name="paper", dataset=one.name, **vars(one.mlp)) for one in datasets.RECORDS.values()
]
_REPRESENTATIONS = [
    Recipe(
        name="representations",
        dataset=one.dataset,
        depth=5,
        widths=(100,),
        repeats=5,
        epochs=50,
        batch_size=100,
        learning_rate=1e-4,
        hold_out=1 / 6,
    )
    for one in _PAPER
]
_REPRESENTATIONS_CNN = [
    replace(
        one,
        name="representations_cnn",
        depth=1,
        widths=(128,),
        batch_size=500 if one.dataset == "cifar100" else one.batch_size,
        hold_out=1 / 5,
    )
    for one in _REPRESENTATIONS
]
_ALL = (*_PAPER, *map(_released, _PAPER), *_REPRESENTATIONS, *_REPRESENTATIONS_CNN)
RECIPES = {(p.name, p.dataset): p for p in _ALL}


def recipe(name: str, dataset: str) -> Recipe:
    """The recipe `name` for `dataset`.

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
            + did_you_mean(near)
        ) from None
