"""How convolutional networks are trained: as the paper says, and as its scripts do.

The paper (Appendix A) gives optimizer, batch size, epochs and rates. It names no augmentation and
no weight decay, so `paper` has none; the authors' scripts have both for CIFAR-10 and hold out the
last fifth of the training set. Neither gives SGD's momentum: 0.9 is that of He et al. (2016),
whose networks these are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tfhash import datasets
from tfhash.datasets import CnnTraining
from tfhash.runs.recipes import look_up


@dataclass(frozen=True, kw_only=True)
class CnnRecipe(CnnTraining):
    """One way of training convolutional networks on one dataset, over that of its record.

    Attributes
    ----------
    name, dataset : str
        What it is called and what it is for.
    augment : bool
        Whether training images are rotated by up to 15 degrees, shifted by up to 10% each way and
        flipped left to right, at random.
    l2 : float
        Weight of the squared kernel weights in the loss.
    hold_out : float
        Share of the training set, from its end, that is not trained on.
    """

    name: str
    dataset: str
    augment: bool = False
    l2: float = 0.0
    hold_out: float = 0.0


def _released(paper: CnnRecipe) -> CnnRecipe:
    held_out = replace(paper, name="released", hold_out=0.2)
    if datasets.family(paper.dataset) == "cifar10":
        return replace(held_out, augment=True, l2=5e-6)
    return held_out


_PAPER = [
    CnnRecipe(name="paper", dataset=one.name, **vars(one.cnn)) for one in datasets.RECORDS.values()
]
CNN_RECIPES = {(p.name, p.dataset): p for p in (*_PAPER, *map(_released, _PAPER))}


def cnn_recipe(name: str, dataset: str) -> CnnRecipe:
    """The recipe `name` ("paper" or "released") for convolutional networks on `dataset`.

    Raises
    ------
    InputError
        There is none of that name for that dataset.
    """
    return look_up(CNN_RECIPES, name, dataset)
