"""At inference, unchanged, deterministic: what that means, and how it is kept.

**At inference.** Codes are those of what `model.predict` computes: every layer in the model's
graph is called with `training=False`, also where the graph says `training=True`, and in nested
models likewise, as Keras 3 does it. Dropout, noise and augmentation are then the identity and
batch normalization uses its moving statistics. Only the code of a user's own `call` can insist
on `training=True`; then `predict` does what it says, and so does the encoder.

**Unchanged.** The model is called in a scope in which no Keras variable can be assigned to
(`unchanged`): weights, moving statistics, states of recurrent layers and seeds stay bit for
bit as they are. *Every batch is computed from the state that the model has*: a stateful recurrent
layer starts each batch from its present state, and a layer that draws from a seed draws the same
for each batch and in each call.

**Deterministic.** Rows do not depend on the rows they share a batch with: a short last batch is
filled up only where the model is made of operations known to keep rows apart
(`keeps_rows_apart`). Layers that draw random numbers at inference, or normalize with the
statistics of a batch, show themselves by the state they would assign, and are warned of by name;
where a layer cannot be looked into, the first batch of each encoding is computed twice.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.stateless_scope import get_stateless_scope
from numpy.typing import NDArray

from tfhash import graph
from tfhash.encoder.activations import THRESHOLDS, WITHOUT_SIGN

# Operations of keras.ops, besides activations, that never look from one row at another.
ELEMENTWISE = {
    *("absolute", "add", "cast", "clip", "divide", "exp", "log", "maximum", "minimum"),
    *("multiply", "negative", "power", "sqrt", "square", "subtract", "true_divide", "where"),
}


@contextlib.contextmanager
def unchanged() -> Iterator[set[int]]:
    """A scope in which assigning to a Keras variable changes nothing.

    Yields
    ------
    set of int
        After the scope: the ids of the variables that would have been assigned to.
    """
    outer = get_stateless_scope()
    scope = keras.StatelessScope()
    if outer is not None:  # JAX's values of the weights
        scope.state_mapping.update(outer.state_mapping)
    given = dict(scope.state_mapping)
    moved: set[int] = set()
    with scope:
        yield moved
    moved.update(
        key for key, value in scope.state_mapping.items() if given.get(key, scope) is not value
    )


def movers(model: keras.Model, moved: set[int]) -> tuple[list[str], list[str]]:
    """Names of the layers that are random, and of those with other state that a call would move.

    States of recurrent layers are in neither.
    """
    random, others, known = [], [], set()
    for layer in model._flatten_layers():
        seeds = {id(generator.state) for generator in layer._seed_generators}
        own = {id(v) for v in (*layer._trainable_variables, *layer._non_trainable_variables)}
        if isinstance(layer, keras.layers.RNN):  # which does not list its states among them
            own |= {id(state) for state in keras.tree.flatten(layer.states)}
        known |= seeds | own
        if seeds & moved:
            random.append(repr(layer.name))
        elif own & moved and not isinstance(layer, keras.layers.RNN):
            others.append(repr(layer.name))
    if moved - known:
        random.append("a layer that draws from Keras's global seeds")
    return random, others


def warn_of_movers(model: keras.Model, moved: set[int]) -> None:
    """Warn of layers whose results depend on more than the input row and the weights."""
    random, others = movers(model, moved)
    if random:
        warnings.warn(
            f"{model.name!r} is random at inference, in {', '.join(random)}: the codes are those "
            "of one draw, that of the model's present seeds, for each batch.",
            stacklevel=3,
        )
    if others:
        warnings.warn(
            f"{model.name!r} assigns to its variables at inference, in {', '.join(others)}, as "
            "batch normalization called with training=True does: codes then depend on the rows "
            "that share a batch. The variables are left as they are.",
            stacklevel=3,
        )


def keeps_rows_apart(operation: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call is known to compute each row from that row alone."""
    if not isinstance(operation, keras.Layer):
        kind = graph.kind(operation)
        return kind in ELEMENTWISE or kind in THRESHOLDS or kind in WITHOUT_SIGN
    if graph.is_composite(operation) or graph.is_foreign(operation) or kwargs.get("training"):
        return False
    axes = np.ravel(np.asarray(getattr(operation, "axis", None)))
    return 0 not in axes.tolist()


def warn_unless_repeated(
    first: NDArray[np.uint64],
    second: NDArray[np.uint64],
    spans: Sequence[tuple[str, int, int]],
    opaque: Sequence[str],
) -> None:
    """Warn where two passes over the same rows differ: by the layers that may be the reason."""
    differing = np.bitwise_or.reduce(first ^ second, axis=0)
    bits = np.unpackbits(differing.astype("<u8").view(np.uint8), bitorder="little")
    if bits.any():
        where = next(name for name, start, stop in spans if bits[start:stop].any())
        warnings.warn(
            f"Two passes over the same rows give different codes, from layer {where!r} on: one of "
            f"{', '.join(map(repr, opaque))} is random at inference. Encoding again will give "
            "other codes.",
            stacklevel=4,
        )
