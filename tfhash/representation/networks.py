"""Networks that give the same outputs from another representation (Choi et al., Section 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from tfhash import graph, rebuilding
from tfhash.codes import real_array
from tfhash.encoder.checks import check_weights
from tfhash.representation import affine as maps
from tfhash.representation.affine import Affine, Array, NotPossible
from tfhash.representation.refitting import refit

WEIGHTED = (keras.layers.Dense, *maps.CONVOLUTIONS)
# What may stand between a layer of weights and the representation.
PASSED = (keras.layers.BatchNormalization, keras.layers.Activation, keras.layers.ReLU)


def identical_output_network(
    model: keras.Model, layer: Any, transform: ArrayLike, shift: ArrayLike | None = None
) -> keras.Model:
    """A network whose representation is `Q (z - m)` and whose outputs are the model's own.

    Theorem 1: of a linear layer, for any invertible Q and any m. Theorem 2: of a ReLU layer, for a
    positive diagonal matrix with its rows permuted, and no shift. Units of a convolution are its
    channels. The layers behind may be dense ones and convolutions, which absorb Q's inverse;
    between them may stand dropout, pooling, flattening, padding, penalties of
    `tfhash.regularizers`, further ReLUs and batch normalization, as far as Q passes them.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional, built. It is left as it is.
    layer : str, int or keras.Layer
        A Dense layer or a convolution (not in groups, its channels last), with or without a ReLU of
        its own; or a ReLU that follows one; or a batch normalization that follows one without a
        ReLU, and is folded into it.
    transform : float [d, d]
        Q, of column vectors; or [d], the diagonal of it.
    shift : float [d], optional
        m.

    Returns
    -------
    keras.Model
        Functional, its layers named as the model's. At inference its outputs are the model's up to
        the rounding of its weights, times the condition number of Q. Batch normalization is as it
        was at inference alone: where it was folded it is to be trained from there on.

    Raises
    ------
    ValueError
        Where Q is singular, of another shape, has entries beyond the weights' precision, or is no
        permuted positive diagonal matrix for a ReLU layer; where a layer on the way cannot take it:
        the layer is named, with the reason; where weights are NaN or infinite.
    """
    new, source, after = _copied(model, layer, _has_shift(shift))
    matrix, moved = _checked(transform, shift, _units_of(source))
    rectified = any(maps.is_relu(one) for one in (source, *after))
    if rectified and (moved.any() or not maps.is_permuted_positive(matrix)):
        if maps.is_permuted_positive(matrix):
            unit = int(np.flatnonzero(moved)[0])
            which, came = "a shift of 0", f"{moved[unit]:g} at unit {unit}"
        else:
            which = (
                "a positive diagonal matrix with its rows permuted (one entry > 0 in each row and "
                "column, all others 0)"
            )
            came = maps.not_permuted_positive(matrix)
        raise ValueError(
            f"Expected {which}, as layer {getattr(layer, 'name', layer)!r} is a ReLU layer "
            f"(Theorem 2). Received: {came}: the outputs would change. comparable_network takes "
            "any invertible matrix and any shift, and fits the weights behind it anew."
        )
    _transform(new, source, after, matrix, moved)
    return new


def comparable_network(
    model: keras.Model,
    layer: Any,
    transform: ArrayLike,
    x: Any = None,
    y: ArrayLike | None = None,
    shift: ArrayLike | None = None,
) -> keras.Model:
    """A network of comparable performance with `relu(Q (h - m))` for `relu(h)` (Section 3.2).

    The layer's weights take Q and those behind it the inverse, as if there were no ReLU. Where `x`
    is given, the weights of the dense layer behind are then fitted anew: without `y` so that its
    outputs before the activation are nearest to the old network's (least squares); with `y`, where
    that layer is the last, from there on by the cross entropy of the labels.

    Parameters
    ----------
    model, layer, transform, shift
        As for `identical_output_network`; Q is any invertible matrix.
    x : optional
        Inputs, for instance those it was trained on.
    y : int [n] or [n, 1], optional
        Their classes, the numbers of the units that score them: the last layer gives logits or a
        softmax.

    Returns
    -------
    keras.Model

    Raises
    ------
    ValueError
        Where Q is singular, of another shape or has entries beyond the weights' precision, where
        `y` is given without `x` or has other labels than the last layer's classes, where a layer on
        the way cannot take the transform, or what is behind is no single dense layer.
    """
    if y is not None and x is None:
        raise ValueError("Expected x, the inputs of the labels y. Received: y alone.")
    new, source, after = _copied(model, layer, _has_shift(shift))
    matrix, moved = _checked(transform, shift, _units_of(source))
    consumers = _transform(new, source, after, matrix, moved, beyond_relu=True)
    if x is not None:
        if len(consumers) != 1 or not isinstance(consumers[0], keras.layers.Dense):
            raise ValueError(
                "Expected one dense layer behind the representation, to fit its weights anew. "
                f"Received: {[one.name for one in consumers]}: give no x to leave them."
            )
        refit(model, new, consumers[0].name, x, y)
    return new


def _has_shift(shift: ArrayLike | None) -> bool:
    return shift is not None and bool(np.any(real_array(shift, "a shift")))


def _copied(model: keras.Model, layer: Any, shifted: bool) -> tuple[Any, Any, list[Any]]:
    """A copy of the model, the layer in it that has the weights, and what follows up to `layer`."""
    target = rebuilding.layer_of(model, layer)
    check_weights(model)
    path = [target]
    while True:
        own = graph.is_composite(path[0]) and not graph.gives_inputs_back(path[0])
        if isinstance(path[0], WEIGHTED) and not own:
            break
        before = _before(model, path[0])
        if own or not (isinstance(path[0], PASSED) or graph.gives_inputs_back(path[0])):
            before = None
        if before is None:
            of_its_own = ", with a call of its own" if own else ""
            raise ValueError(
                "Expected a dense layer, a convolution, or a batch normalization or ReLU that "
                f"follows one. Received: {target.name!r} of class {type(target).__name__}"
                f"{of_its_own}."
            )
        path.insert(0, before)
    folds = any(isinstance(one, keras.layers.BatchNormalization) for one in path)

    def clone(old: keras.Layer) -> keras.Layer:
        if (
            isinstance(old, WEIGHTED)
            and not old.use_bias
            and (shifted or (folds and old is path[0]) or _follows_normalization(model, old))
        ):
            # Of zeros, whatever the layer's own initializer is: it had no bias until now.
            return rebuilding.with_config(old, use_bias=True, bias_initializer="zeros")
        return rebuilding.with_config(old)

    new = rebuilding.copied(model, clone)
    source, *after = (rebuilding.layer_of(new, one.name) for one in path)
    return new, source, after


def _before(model: keras.Model, layer: Any) -> Any:
    """The layer whose output a layer takes; None where it takes several, or is called so often."""
    calls = graph.calls_of(model, layer)
    if len(calls) != 1 or len(calls[0].input_tensors) != 1:
        return None
    operation = calls[0].input_tensors[0]._keras_history.operation
    return operation if isinstance(operation, keras.Layer) else None


def _follows_normalization(model: keras.Model, layer: Any) -> bool:
    before = _before(model, layer)
    while before is not None and not isinstance(before, WEIGHTED):
        if isinstance(before, keras.layers.BatchNormalization):
            return True
        before = _before(model, before)
    return False


def _units_of(source: Any) -> int:
    return int(source.kernel.shape[-1])


def _checked(transform: ArrayLike, shift: ArrayLike | None, d: int) -> tuple[Array, Array]:
    matrix = real_array(transform, "a transform").astype(np.float64)
    if matrix.ndim == 1:
        matrix = np.diag(matrix)
    if matrix.shape != (d, d):
        raise ValueError(
            f"Expected a transform of shape {(d, d)}, or its diagonal {(d,)}. Received shape: "
            f"{np.shape(transform)}."
        )
    if not np.isfinite(matrix).all():
        raise ValueError("Expected a finite transform. Received: NaN or infinity in it.")
    rank = int(np.linalg.matrix_rank(matrix / max(np.abs(matrix).max(), 1e-300)))
    scaled = maps.is_permuted_positive(matrix)  # invertible however small some entries are
    if rank < d and not scaled:
        raise ValueError(
            f"Expected an invertible transform. Received: one of rank {rank} of {d}: what it loses "
            "no weights behind it can bring back."
        )
    moved = np.zeros(d) if shift is None else real_array(shift, "a shift").astype(np.float64)
    if moved.shape != (d,) or not np.isfinite(moved).all():
        raise ValueError(
            f"Expected a finite shift of shape {(d,)}. Received: {moved.shape}, "
            f"{'finite' if np.isfinite(moved).all() else 'with NaN or infinity'}."
        )
    return matrix, moved


def _transform(
    new: Any, source: Any, after: list[Any], matrix: Array, shift: Array, beyond_relu: bool = False
) -> list[Any]:
    """Change the weights of `new`; returns the layers that absorbed the inverse."""
    calls = _Calls(new)
    for one in (source, *after):
        if not (maps.is_linear(one) or maps.is_relu(one)):
            raise ValueError(
                f"Expected a linear layer or a ReLU layer. Received: {one.name!r} with another "
                "activation."
            )
    for one in (source, *after[:-1]):
        if after:
            calls.check_inside(one)
        behind = list(calls.after(one))
        if after and len(behind) != 1:
            raise ValueError(
                f"Expected that {one.name!r} feeds {after[-1].name!r} alone. Received: it also "
                f"feeds {[other.name for other in behind]}: transform it itself."
            )
    for i, one in enumerate(after):
        if isinstance(one, keras.layers.BatchNormalization):
            bent = [before.name for before in (source, *after[:i]) if maps.is_relu(before)]
            if bent:
                raise ValueError(
                    "Expected a batch normalization of a layer without a ReLU, to be folded into "
                    f"it. Received: {one.name!r} behind the ReLU of {bent[-1]!r}: transform that "
                    "layer itself."
                )
            with _named(one):
                maps.fold(one, source)
    inverse = np.linalg.inv(matrix).astype(np.float64)
    if maps.is_permuted_positive(matrix):
        inverse = np.where(matrix.T > 0, inverse, 0)  # exactly
    largest = np.abs([matrix, inverse]).max()
    if not largest <= maps.largest_factor(source.kernel):
        raise ValueError(
            f"Expected a transform with entries, and entries of its inverse, up to "
            f"{maps.largest_factor(source.kernel):.0e}, as weights of {source.kernel.dtype} hold "
            f"them. Received: one of {largest:g}."
        )
    with _named(source):
        maps.transformed(source, matrix, shift)
    first = after[-1] if after else source
    return _carry(calls, first, Affine(inverse, shift), 1, beyond_relu)


@contextlib.contextmanager
def _named(layer: Any) -> Iterator[None]:
    """Name the layer in the error where the transform is not possible."""
    try:
        yield
    except NotPossible as error:
        raise ValueError(
            f"layer {layer.name!r}: Expected a layer that can take the transform. Received: "
            f"{type(layer).__name__}: {error}."
        ) from None


def _carry(calls: _Calls, layer: Any, affine: Affine, positions: int, lenient: bool) -> list[Any]:
    """Carry the map from the output of a layer to all the weights that absorb it."""
    calls.check_inside(layer)
    consumers: list[Any] = []
    for one in calls.after(layer):
        try:
            if calls.of(one) > 1:
                raise NotPossible("it is called more than once")
            if len(calls.before(one)) != 1:
                raise NotPossible(
                    "it joins the representation with another, which would have to be changed too"
                )
            if graph.gives_inputs_back(one):
                consumers += _carry(calls, one, affine, positions, lenient)
            elif graph.is_composite(one):
                raise NotPossible("it has a call of its own, which may do anything")
            elif isinstance(one, WEIGHTED):
                maps.absorb(one, affine, positions)
                consumers.append(one)
            elif isinstance(one, keras.layers.Flatten):
                maps.check_channels_last(one)
                count = int(np.prod(one.output.shape[1:])) // len(affine.matrix)
                consumers += _carry(calls, one, affine, count, lenient)
            elif lenient and maps.is_relu(one):
                consumers += _carry(calls, one, affine, positions, False)
            else:
                if positions > 1 and isinstance(one, keras.layers.BatchNormalization):
                    raise NotPossible("it normalizes a flattened representation")
                consumers += _carry(calls, one, maps.through(one, affine), positions, lenient)
        except NotPossible as error:
            raise ValueError(
                f"layer {one.name!r}: Expected layers that the transform can be carried through, "
                f"to weights that take its inverse. Received: {type(one).__name__}: {error}."
            ) from None
    return consumers


class _Calls:
    """Which layers of a Functional model take what others give."""

    def __init__(self, model: Any) -> None:
        self._outputs = {id(tensor) for tensor in keras.tree.flatten(model.outputs)}
        self._calls: list[tuple[Any, list[Any], list[Any]]] = []
        for nodes in model._nodes_by_depth.values():
            for node in nodes:
                self._calls.append((node.operation, list(node.input_tensors), list(node.outputs)))

    def after(self, layer: Any) -> Iterator[Any]:
        """The layers that take the layer's output, once for each call."""
        given = {id(t) for one, _, outputs in self._calls if one is layer for t in outputs}
        for one, inputs, _ in self._calls:
            if any(id(tensor) in given for tensor in inputs):
                yield one

    def before(self, layer: Any) -> list[Any]:
        """All that is given to the layer."""
        return [t for one, inputs, _ in self._calls if one is layer for t in inputs]

    def of(self, layer: Any) -> int:
        """How often the layer is called."""
        return sum(one is layer for one, _, _ in self._calls)

    def check_inside(self, layer: Any) -> None:
        """Raise ValueError where the model gives the layer's output out."""
        given = [t for one, _, outputs in self._calls if one is layer for t in outputs]
        if any(id(tensor) in self._outputs for tensor in given):
            raise ValueError(
                f"layer {layer.name!r}: Expected a representation inside the network. Received: "
                "one that the model gives out, so that its outputs would change."
            )
