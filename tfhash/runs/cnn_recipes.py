"""How convolutional networks are trained: as the paper says, and as its scripts do.

The paper (Appendix A) gives optimizer, batch size, epochs and rates. It names no augmentation and
no weight decay, so `paper` has none; the authors' scripts have both for CIFAR-10 and hold out the
last fifth of the training set. Neither gives SGD's momentum: 0.9 is that of He et al. (2016),
whose networks these are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tfhash.runs.recipes import look_up


@dataclass(frozen=True)
class CnnRecipe:
    """One way of training convolutional networks on one dataset.

    Attributes
    ----------
    name, dataset : str
        What it is called and what it is for.
    optimizer : str
        "adam" (0.9, 0.999) or "sgd".
    momentum : float
        Of SGD.
    epochs, batch_size : int
        Length of training and examples per step.
    learning_rate : float
        The rate in the beginning.
    decay, decay_every : float
        What the rate is multiplied by every so many epochs.
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
    optimizer: str
    epochs: int
    batch_size: int
    learning_rate: float = 0.01
    decay: float = 0.1
    decay_every: float = 1.0
    momentum: float = 0.0
    augment: bool = False
    l2: float = 0.0
    hold_out: float = 0.0


_MNIST = CnnRecipe("paper", "mnist", "adam", 500, 128, decay_every=100.0)
_CIFAR10 = CnnRecipe("paper", "cifar10", "sgd", 200, 64, decay_every=50.0, momentum=0.9)
# The paper does not use the digits: MNIST's recipe at a size that takes seconds.
_DIGITS = replace(_MNIST, dataset="digits", epochs=10, batch_size=32, decay_every=2.0)

CNN_RECIPES = {
    (p.name, p.dataset): p
    for p in (
        *(_MNIST, _CIFAR10, _DIGITS),
        *(replace(p, name="released", hold_out=0.2) for p in (_MNIST, _DIGITS)),
        replace(_CIFAR10, name="released", hold_out=0.2, augment=True, l2=5e-6),
    )
}


def cnn_recipe(name: str, dataset: str) -> CnnRecipe:
    """The recipe `name` ("paper" or "released") for convolutional networks on `dataset`.

    Raises
    ------
    InputError
        There is none of that name for that dataset.
    """
    return look_up(CNN_RECIPES, name, dataset)
