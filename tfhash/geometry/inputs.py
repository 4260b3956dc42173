"""A model's inputs: as users give them and get them back, and joined in one array."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash import graph
from tfhash.codes import real_array
from tfhash.errors import shape_of_rows
from tfhash.model_inputs import named_parts, names_of, struct_of

Shape = tuple[int, ...]
# An array; of a model with several inputs, a list or a dict with an array for each.
Points = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]


@dataclasses.dataclass(frozen=True, eq=False)
class InputSpace:
    """The space that the points of a model are in: all of its inputs together.

    Several inputs are flattened and joined in one array, in the order of `model.inputs`.

    Attributes
    ----------
    struct : symbolic tensors, in the structure in which the model takes its inputs
    names : list of str
        Of the inputs: their keys where the model takes a dict.
    shapes : tuple of tuple of int
        Of the inputs, without the batch.
    """

    struct: Any
    names: list[str]
    shapes: tuple[Shape, ...]

    @property
    def shape(self) -> Shape:
        """Of one point as an array: that of the input, or (n, 1) of the n numbers of several.

        So they are n pixels of one channel, of which each input takes its own.
        """
        return self.shapes[0] if len(self.shapes) == 1 else (self.size, 1)

    @property
    def size(self) -> int:
        """Numbers in a point."""
        return sum(map(prod, self.shapes))

    def points(
        self,
        x: Points,
        what: str = "x",
        axes: Sequence[int] = (1,),
        n_points: int | None = None,
    ) -> NDArray[Any]:
        """Points as one array, [..., *shape].

        Parameters
        ----------
        x : Points
        what : as errors name them
        axes : sequence of int
            How many axes there may be before those of an input: none for one point.
        n_points : int or None
            How many points there are to be, where it is not one.

        Raises
        ------
        ValueError
            Where there is not an array for each input; where one is not of its shape, or not of
            real numbers, or not finite.
        """
        return self._joined(self.parts(x, what), what, axes, "of shape", n_points)

    def point(self, x: Points, what: str = "x") -> NDArray[np.float64]:
        """One point, float64 [size]; raises as `points`."""
        return self.points(x, what, (0,)).astype(np.float64).ravel()

    def point_of_batch(self, x: Points, what: str = "x") -> NDArray[np.float64]:
        """One point, float64 [size], given alone or as a batch of one; raises as `points`."""
        parts = [
            part[0] if part.shape == (1, *shape) else part
            for part, shape in zip(
                (real_array(part, what) for part in self.parts(x, what)), self.shapes, strict=True
            )
        ]
        joined = self._joined(parts, what, (0,), "to be one input, of shape")
        return joined.astype(np.float64).ravel()

    def _joined(
        self,
        parts: Sequence[Any],
        what: str,
        axes: Sequence[int],
        of_shape: str,
        n_points: int | None = None,
    ) -> NDArray[Any]:
        given = [
            _checked(part, what + self._named(name), shape, axes, of_shape, n_points)
            for part, name, shape in zip(parts, self.names, self.shapes, strict=True)
        ]
        if len(given) == 1:
            return given[0]
        leading = [a.shape[: a.ndim - len(s)] for a, s in zip(given, self.shapes, strict=True)]
        if any(each != leading[0] for each in leading):
            received = dict(zip(self.names, (a.shape for a in given), strict=True))
            raise ValueError(
                f"Expected {what} with as many points for each input. Received shapes: {received}."
            )
        rows = [a.reshape(*leading[0], prod(s)) for a, s in zip(given, self.shapes, strict=True)]
        return np.concatenate(rows, axis=-1)[..., None]

    def numbers(self, x: Any) -> NDArray[np.float64]:
        """Float64 [size]: a number for each one of a point's.

        Parameters
        ----------
        x
            A number for all, or one for each input or array of its shape, as points are given.

        Raises
        ------
        ValueError
            Where they are no real numbers, or not of the shapes.
        """
        is_number = not isinstance(x, Mapping | list | tuple) and real_array(x, "an end").ndim == 0
        parts = [x] * len(self.names) if is_number else self.parts(x, "an end")
        return np.concatenate(
            [
                np.broadcast_to(real_array(part, "an end"), shape).astype(np.float64).ravel()
                for part, shape in zip(parts, self.shapes, strict=True)
            ]
        )

    def split(self, rows: NDArray[np.float64]) -> Any:
        """Points [..., size] as the model takes them: [..., ...input shape] for each input."""
        ends = np.cumsum([prod(shape) for shape in self.shapes])[:-1]
        parts = [
            part.reshape(*rows.shape[:-1], *shape)
            for part, shape in zip(np.split(rows, ends, axis=-1), self.shapes, strict=True)
        ]
        return parts[0] if len(parts) == 1 else self.packed(parts)

    def packed(self, parts: Sequence[Any]) -> Any:
        """Something for each input in the structure in which the model takes them."""
        return keras.tree.pack_sequence_as(self.struct, list(parts))

    def parts(self, x: Any, what: str) -> list[Any]:
        """What is given for each input.

        Raises
        ------
        ValueError
            Where it is not as many.
        """
        if isinstance(x, Mapping):
            return named_parts(x, self.struct)
        if len(self.names) == 1:
            return [x]
        if not isinstance(x, list | tuple) or len(x) != len(self.names):
            is_list = isinstance(x, list | tuple)
            received = f"a {type(x).__name__}" + (f" of {len(x)}" if is_list else "")
            raise ValueError(
                f"Expected {what} as a list or dict of {len(self.names)} arrays, one for each of "
                f"the inputs {self.names}. Received: {received}."
            )
        return list(x)

    def _named(self, name: str) -> str:
        return f" for input {name!r}" if len(self.names) > 1 else ""


def input_space(model: Any, x: Any = None, what: str = "x") -> InputSpace:
    """What a model takes.

    Parameters
    ----------
    model : keras.Model
    x : Points, optional
        From which sizes are taken that the model leaves open.

    Raises
    ------
    ValueError
        Where it is no built Keras model; where it takes its inputs as several arguments; where it
        leaves sizes open that the points do not have.
    """
    graph.check_built(model)
    struct = None if _takes_several(model) else struct_of(model)
    if struct is None:
        raise ValueError(
            "Expected a model that takes its inputs as one argument: an array, a list or a dict. "
            f"Received: {model.name!r} of class {type(model).__name__}, whose `call` takes "
            "several, or that does not tell what it was built with. Wrap it: "
            "keras.Model([a, b], model(a, b)), with a = keras.Input(...) and so on."
        )
    symbols = keras.tree.flatten(struct)
    space = InputSpace(struct, names_of(struct), tuple(tuple(s.shape[1:]) for s in symbols))
    if not any(None in shape for shape in space.shapes):
        return space
    parts = space.parts(x, what) if x is not None else [()] * len(symbols)
    closed = [
        _closed(model, shape, real_array(part, what).shape, space._named(name))
        for shape, part, name in zip(space.shapes, parts, space.names, strict=True)
    ]
    return dataclasses.replace(space, shapes=tuple(closed))


def _takes_several(model: keras.Model) -> bool:
    """Whether a model's `call` is a user's that takes more than one argument without a default."""
    if graph.is_traceable(model):
        return False
    parameters = inspect.signature(model.call).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    return len(set(needed) - {"mask", "training"}) > 1


def _checked(
    x: Any, what: str, shape: Shape, axes: Sequence[int], of_shape: str, n_points: int | None
) -> NDArray[Any]:
    """What is given for one input, as `InputSpace.points` takes it; raises as it does."""
    array = real_array(x, what)
    n_axes = array.ndim - len(shape)
    fits = n_axes in axes and array.shape[n_axes:] == shape
    if not fits or (n_axes and n_points not in (None, len(array))):
        expected = _shapes_with(axes, shape, n_points)
        raise ValueError(f"Expected {what} {of_shape} {expected}. Received shape: {array.shape}.")
    check_finite(array, what, n_axes)
    return array


def check_finite(array: NDArray[Any], what: str, n_axes: int = 1) -> None:
    """Raise ValueError, with the row, where an array with `n_axes` of points is not finite."""
    if array.dtype.kind != "f" or (array.size < 10_000 and np.isfinite(array).all()):
        return
    rows = array if n_axes else array[None]
    for start in range(0, len(rows), 1024):  # no mask as large as the input
        finite = np.isfinite(rows[start : start + 1024])
        if not finite.all():
            where = f", row {start + int(np.argwhere(~finite)[0, 0])}" if n_axes else ""
            raise ValueError(f"Expected {what} to be finite. Received: NaN or infinity{where}.")


def _closed(model: Any, shape: tuple[int | None, ...], points: Shape, which: str) -> Shape:
    """A shape with the sizes that it leaves open taken from that of points."""
    if None not in shape:
        return tuple(size or 0 for size in shape)
    given = points[len(points) - len(shape) :]
    if len(points) < len(shape):
        raise ValueError(
            f"Expected points of shape {(None, *shape)}{which}, from which to take the sizes that "
            f"{model.name!r} leaves open. Received shape: {points}."
        )
    return tuple(there if size is None else size for size, there in zip(shape, given, strict=True))


def _shapes_with(axes: Sequence[int], shape: Shape, n_points: int | None) -> str:
    """The shapes of arrays with so many axes before those of an input, as messages say them."""
    kinds = {
        0: str(shape),
        1: shape_of_rows(shape) if n_points is None else str((n_points, *shape)),
        2: f"({', '.join(map(str, ('n_paths', 'n', *shape)))})",
    }
    return " or ".join(kinds[n] for n in axes)
