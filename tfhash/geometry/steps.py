"""The steps a piecewise-linear network is made of, and the plan that joins them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfhash.codes import Codes
from tfhash.geometry.constants import Constant
from tfhash.geometry.pieces import PiecewiseLinear
from tfhash.geometry.pixels import Choice, Local

Tensors = Sequence[Any]
Read = Callable[[], NDArray[Any]]


class Flat(NamedTuple):
    """`(rows @ weights) * scale + shift`; what is None is left out.

    Attributes
    ----------
    weights : function that gives float [n_in, n_out], in the precision they are kept in
    scale, shift : functions that give float [n_out]
    """

    weights: Read | None = None
    scale: Read | None = None
    shift: Read | None = None


@dataclass(frozen=True, eq=False)
class Affine:
    """Outputs that are an affine function of the inputs, example by example.

    Attributes
    ----------
    inputs, outputs : tuples of int
        Numbers of the values taken and made; value 0 is the model's input.
    apply : function of the input tensors that gives the output tensors
    linear : the same without the constant: what directional derivatives go through
    flat : what it does to flat rows, where that is simple to say
    local : what it does pixel by pixel, likewise
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    apply: Callable[[Tensors], Tensors]
    linear: Callable[[Tensors], Tensors]
    flat: Flat | None = None
    local: Local | None = None


@dataclass(frozen=True, eq=False)
class Activation:
    """Units: an activation function applied to each number of a value.

    Attributes
    ----------
    layer : int
        Number of the layer of its first kink; a second kink is the layer after.
    """

    name: str
    inputs: tuple[int]
    outputs: tuple[int]
    function: PiecewiseLinear
    shape: tuple[int, ...]
    layer: int = -1


@dataclass(frozen=True, eq=False)
class Max:
    """The largest (`sign` = 1) or smallest (-1) of several candidates, output by output.

    Attributes
    ----------
    candidates : function of the input tensors
        Gives the candidates, each of the output's shape: what the window holds at one position,
        for all windows. Linear.
    valid : for each candidate, bool [*shape] where it counts (padding does not), or None
    local : the pixels that are chosen from, where that is simple to say
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int]
    candidates: Callable[[Tensors], Tensors]
    valid: tuple[NDArray[Any] | None, ...]
    sign: int
    shape: tuple[int, ...]
    layer: int = -1
    local: Choice | None = None


@dataclass(frozen=True, eq=False)
class Opaque:
    """A step that is not followed: an error, unless it is a smooth one at the model's very end.

    Attributes
    ----------
    reason : why it is not followed
    is_head : softmax or the like: the class can be read off its input
    is_smooth : a function known to have no units that a code could be made of
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    reason: str
    is_head: bool = False
    is_smooth: bool = False


Step = Affine | Activation | Max | Opaque


class Layer(NamedTuple):
    """Units that switch: those of one activation function's kink, or the windows of a maximum.

    Attributes
    ----------
    name : str
        As `tfhash.Encoder.layer_names` has it; `"name>6"` for the kink at 6.
    n_units : int
    is_pattern : bool
        Whether its switches change the activation pattern; those of a maximum do not.
    """

    name: str
    n_units: int
    is_pattern: bool


def codes_of_layers(layers: Sequence[Layer], words: Sequence[NDArray[np.uint64]]) -> Codes:
    """Codes of the packed pattern [n, ...] of each layer whose switches change the pattern."""
    pattern = [layer for layer in layers if layer.is_pattern]
    parts = [
        Codes(of_layer, layer.n_units, [(layer.name, 0, layer.n_units)])
        for layer, of_layer in zip(pattern, words, strict=True)
    ]
    return Codes.concatenate(parts, axis=1)


@dataclass(frozen=True, eq=False)
class Plan:
    """A network as steps in an order in which they can be carried out.

    Attributes
    ----------
    layers : what the `layer` of a unit counts
    shapes : of the values, without the batch
    last_use : number of a value -> index of the last step that takes it
    logits : value that the class is read off, or None: the model's output, before softmax or
        sigmoid where it ends in one
    constants : what the steps read from the model's weights
    """

    steps: tuple[Affine | Activation | Max, ...]
    layers: tuple[Layer, ...]
    shapes: tuple[tuple[int, ...], ...]
    last_use: dict[int, int]
    logits: int | None
    constants: tuple[Constant, ...] = ()

    def forget(self) -> None:
        """Let go of the weights: they are read again at the next use."""
        for constant in self.constants:
            constant.forget()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.shapes[0]

    @property
    def has_maxima(self) -> bool:
        """Whether linear regions may be smaller than regions of one activation pattern."""
        return any(isinstance(step, Max) for step in self.steps)

    @property
    def has_classes(self) -> bool:
        """Whether classes can be read off: of one output, a vector of logits."""
        return self.logits is not None and len(self.shapes[self.logits]) == 1

    def up_to_units(self, region: str) -> tuple[Affine | Activation | Max, ...]:
        """The steps up to the last at which a region of this kind may end."""
        ends = Activation if region == "activation" else Activation | Max
        last = max(i for i, step in enumerate(self.steps) if isinstance(step, ends))
        return self.steps[: last + 1]

    def largest_step(self) -> int:
        """Numbers alive at once, for one example, in the step that needs most."""
        alive, most = {0}, 0
        for i, step in enumerate(self.steps):
            copies = len(step.valid) if isinstance(step, Max) else 1
            alive.update(step.outputs)
            needed = sum(size(self.shapes[number]) for number in alive)
            most = max(most, needed + copies * size(self.shapes[step.outputs[0]]))
            alive -= {number for number in alive if self.last_use.get(number, -1) <= i}
        return most


def size(shape: Sequence[int]) -> int:
    """Numbers in an array of this shape."""
    return prod(shape)


def check_classes(plan: Plan, model_name: str) -> None:
    """Raise ValueError unless the model's classes can be read off."""
    if not plan.has_classes:
        raise ValueError(
            "Expected a model with one output, a logit for each class. Received: "
            f"{model_name!r}, whose classes cannot be read off."
        )


def check_region(region: str) -> None:
    """Raise ValueError unless it is a kind of region."""
    if region not in ("activation", "linear"):
        raise ValueError(f"Expected region='activation' or 'linear'. Received: {region!r}.")
