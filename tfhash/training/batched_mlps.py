"""Many multi-layer perceptrons of different widths, computed side by side.

All of them read the same batch: their first layers are one wide matrix product. From the second
layer on, networks of similar width are stacked, narrower ones padded with units whose weights are
zero; for the logits also networks whose widths differ more, where that is asked for. Such units
give zero, get zero gradients and stay zero, also under batch normalization, Adam, L2 and clipping:
no mask is needed, and no network can disturb another.

Regularizers of the representation are on the last hidden layer, each network's own
(`batched_penalties`).

Activations are [units, batch] and kernels [units, inputs], the transpose of Keras's: the units of
one network then lie together in memory, and taking networks apart copies nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from tfhash.training.batched_penalties import NOTHING, Penalty, dropped, penalties
from tfhash.training.loss import cross_entropies
from tfhash.training.stacks import Segment, Stack, merged

# Keras's defaults for BatchNormalization.
BN_MOMENTUM, BN_EPSILON = 0.99, 1e-3


@dataclass(frozen=True)
class BatchedMLPs:
    """The arithmetic of networks side by side, and where the weights of each are.

    Weights are {"first": float32 [n_units, n_live], "rest": float32 [...]}, the kernels of all
    first layers and one flat vector of everything else. Statistics are {"dead": float32
    [n_units, n_inputs - n_live]}, the part of the first kernels that is not trained, and with
    batch normalization "moving": float32 [...].

    Attributes
    ----------
    widths : tuple of int
        Units per hidden layer of each network, not decreasing.
    depth, n_inputs, n_classes : int
        Hidden layers, inputs and logits of all of them.
    n_live : int
        The inputs after the first `n_live` are zero in all training examples: their weights, which
        get no gradient, are left alone, unless there is L2.
    norm_layers : tuple of int
        Hidden layers, from 1, with batch normalization before their ReLU.
    last_linear : bool
        No ReLU in the last hidden layer.
    l2, l2_logits, clip_norm : tuple of float
        Of each network: weight in the loss of the squared kernels of its hidden layers, and of its
        logits; what the norm of its gradients is clipped to; empty for no clipping of any.
    regularizers : tuple of Penalty
        Of each network, what regularizes its last hidden layer; empty for nothing in all.
    max_padding : float
        A network is stacked with narrower ones where that adds at most this share of units.
    logits_padding : float
        The same for the logits alone, beyond the stacks that `max_padding` makes.
    """

    widths: tuple[int, ...]
    depth: int
    n_inputs: int
    n_classes: int
    n_live: int
    norm_layers: tuple[int, ...] = ()
    last_linear: bool = False
    l2: tuple[float, ...] = field(default=())
    l2_logits: tuple[float, ...] = field(default=())
    clip_norm: tuple[float, ...] = field(default=())
    regularizers: tuple[Penalty, ...] = field(default=())
    max_padding: float = 0.0
    logits_padding: float = 0.0

    @cached_property
    def stacks(self) -> list[Stack]:
        """The networks, in stacks of similar width."""
        alone = [Stack(i, i + 1, width) for i, width in enumerate(self.widths)]
        return merged(alone, self.max_padding)

    @cached_property
    def logits_stacks(self) -> list[Stack]:
        """The networks, in stacks for the logits, each of one or more of `stacks`."""
        return merged(self.stacks, self.logits_padding)

    @property
    def n_units(self) -> int:
        """Units of the first layers of all networks, with padding."""
        return sum(len(stack) * stack.width for stack in self.stacks)

    def units(self, i: int) -> slice:
        """The units of network `i`'s first layer, as a slice of the first-layer units of all."""
        before = [s for s in self.stacks if s.stop <= i]
        stack = self.stacks[len(before)]
        start = sum(len(s) * s.width for s in before) + (i - stack.start) * stack.width
        return slice(start, start + self.widths[i])

    @cached_property
    def weights(self) -> list[Segment]:
        """The segments of the vector "rest", which holds all weights but the first kernels."""
        segments = [Segment(kind, 1, None, (self.n_units, 1)) for kind in self._columns(1)]
        for layer in range(2, self.depth + 2):
            last = layer > self.depth
            for stack in self.logits_stacks if last else self.stacks:
                units = self.n_classes if last else stack.width
                segments.append(Segment("kernel", layer, stack, (len(stack), units, stack.width)))
                kinds = self._columns(layer)
                segments += [Segment(k, layer, stack, (len(stack), units, 1)) for k in kinds]
        return segments

    def _columns(self, layer: int) -> list[str]:
        """The weights of a layer that are one number a unit."""
        return ["bias", "gamma", "beta"] if layer in self.norm_layers else ["bias"]

    @cached_property
    def statistics(self) -> list[Segment]:
        """The segments of the vector "moving", which holds the statistics."""
        segments = []
        for layer in self.norm_layers:
            for stack in self.stacks if layer > 1 else [None]:
                shape = (len(stack), stack.width, 1) if stack else (self.n_units, 1)
                segments += [Segment(kind, layer, stack, shape) for kind in ("mean", "variance")]
        return segments

    def logits(
        self, weights: Any, statistics: Any, x: Any, valid: Any = None, steps: Any = None
    ) -> tuple[Any, Any, list[Any]]:
        """Logits [n_models, n_classes, batch], new statistics and last hidden layers by stack.

        Inputs are [batch, n_live] where the others are zero, or [batch, n_inputs]. In training,
        `valid`, float32 [batch], is 1 for those that batch normalization looks at, and `steps` is
        what dropout draws from, as `Step.loss` has it. The last hidden layers, [networks, units,
        batch], are before dropout.
        """
        from keras import ops

        of = self._cut(weights["rest"], self.weights)
        moving = self._cut(statistics["moving"], self.statistics) if self.norm_layers else {}
        new: dict[Any, Any] = {}
        last_hidden: list[Any] = []

        def activate(z: Any, *key: Any) -> Any:
            if key[0] in self.norm_layers:
                mean, variance = moving[("mean", *key)], moving[("variance", *key)]
                if valid is not None:
                    now = _moments(z, valid)
                    new[("mean", *key)] = mean * BN_MOMENTUM + now[0] * (1 - BN_MOMENTUM)
                    new[("variance", *key)] = variance * BN_MOMENTUM + now[1] * (1 - BN_MOMENTUM)
                    mean, variance = now
                scale = ops.rsqrt(variance + BN_EPSILON) * of[("gamma", *key)]
                z = z * scale + (of[("beta", *key)] - mean * scale)
            return z if self.last_linear and key[0] == self.depth else ops.relu(z)

        z = ops.matmul(weights["first"], ops.transpose(x[:, : self.n_live]))
        if x.shape[1] > self.n_live:
            z = z + ops.matmul(statistics["dead"], ops.transpose(x[:, self.n_live :]))
        h = activate(z + of["bias", 1, None], 1, None)
        units = [len(stack) * stack.width for stack in self.stacks]
        for stack, part in zip(self.stacks, _split(h, units), strict=True):
            hidden = ops.reshape(part, (len(stack), stack.width, -1))
            for layer in range(2, self.depth + 1):
                z = ops.matmul(of["kernel", layer, stack], hidden) + of["bias", layer, stack]
                hidden = activate(z, layer, stack)
            last_hidden.append(hidden)
        last = self.depth + 1
        logits: list[Any] = []
        for wide in self.logits_stacks:
            parts = []
            for stack, hidden in zip(self.stacks, last_hidden, strict=True):
                if wide.start <= stack.start < wide.stop:
                    if steps is not None:
                        hidden = dropped(hidden, self._regularizers(stack), steps)
                    more = wide.width - stack.width
                    parts.append(ops.pad(hidden, ((0, 0), (0, more), (0, 0))))
            z = ops.matmul(of["kernel", last, wide], ops.concatenate(parts))
            logits.append(z + of["bias", last, wide])
        if self.norm_layers and valid is not None:
            flat = [new[s.kind, s.layer, s.stack] for s in self.statistics]
            moved = {"moving": ops.concatenate([ops.reshape(t, (-1,)) for t in flat])}
            return ops.concatenate(logits), moved, last_hidden
        return ops.concatenate(logits), {}, last_hidden

    def loss(
        self, weights: Any, statistics: Any, x: Any, y: Any, valid: Any, steps: Any
    ) -> tuple[Any, Any]:
        """Sum of all mean losses, without L2; (new statistics, measures). As `Step.loss`."""
        from keras import ops

        logits, moved, hidden = self.logits(weights, statistics, x, valid, steps)
        losses, right = (ops.sum(each * valid, axis=1) for each in self._score(logits, y))
        n = ops.sum(valid)
        added = self._of_kernels(weights) + self._of_representations(hidden, y, valid)
        measures = ops.stack([losses + n * (added + self._penalties(weights)), right])
        return ops.sum(losses / n + added), (moved, measures)

    def measure(self, weights: Any, statistics: Any, x: Any, y: Any) -> Any:
        """Measures at inference. As `Step.measure`."""
        from keras import ops

        losses, right = self._score(self.logits(weights, statistics, x)[0], y)
        if any(self.l2) or self.regularizers:
            added = self._penalties(weights) + self._of_kernels(weights)
            losses = losses + added[:, None]
        return ops.stack([losses, right])

    def gradients(self, gradients: Any, weights: Any) -> Any:
        """The gradients with L2's, clipped model by model. As `Step.gradients`."""
        from keras import ops

        if any(self.l2):
            gradients = {k: g + 2 * self._l2_of[k] * weights[k] for k, g in gradients.items()}
        if self.clip_norm:
            norms = ops.sqrt(self._sums_of_squares(gradients))
            limits = np.asarray(self.clip_norm, np.float32)
            # As Keras, which gives NaN for a norm that is not finite.
            scales = self._per_model(limits * ops.minimum(1 / norms, 1 / limits))
            gradients = {k: g * scales[k] for k, g in gradients.items()}
        return gradients

    def _regularizers(self, stack: Stack) -> tuple[Penalty, ...]:
        return self.regularizers[stack.start : stack.stop] or (NOTHING,) * len(stack)

    def _of_kernels(self, weights: Any) -> Any:
        """What regularizers of the last hidden kernel add to each loss, [n_models] or 0."""
        from keras import ops

        if not self.regularizers:
            return 0.0
        of = self._cut(weights["rest"], self.weights)
        return ops.concatenate(
            [
                penalties(self._regularizers(stack), kernel=of.get(("kernel", self.depth, stack)))
                for stack in self.stacks
            ]
        )

    def _of_representations(self, hidden: list[Any], y: Any, valid: Any) -> Any:
        """What regularizers of the last hidden layer add to each loss, [n_models] or 0."""
        from keras import ops

        if not self.regularizers:
            return 0.0
        return ops.concatenate(
            [
                penalties(
                    self._regularizers(stack),
                    z=z,
                    y=y,
                    valid=valid,
                    n=self.n_classes,
                    widths=self.widths[stack.start : stack.stop],
                )
                for stack, z in zip(self.stacks, hidden, strict=True)
            ]
        )

    def _score(self, logits: Any, y: Any) -> tuple[Any, Any]:
        """Each network's cross-entropies, and 1 for each right answer, [n_models, batch]."""
        from keras import ops

        losses = cross_entropies(logits, y)
        right = ops.equal(ops.argmax(logits, axis=1), ops.cast(y, "int32"))
        return losses, ops.cast(right, "float32")

    @staticmethod
    def _cut(vector: Any, segments: Sequence[Segment]) -> dict[Any, Any]:
        from keras import ops

        parts = _split(vector, [prod(segment.shape) for segment in segments])
        return {
            (segment.kind, segment.layer, segment.stack): ops.reshape(part, segment.shape)
            for segment, part in zip(segments, parts, strict=True)
        }

    def _penalties(self, weights: Any) -> Any:
        """What L2 adds to each network's loss, [n_models] or 0."""
        if not any(self.l2):
            return 0.0
        return self._sums_of_squares({k: np.sqrt(self._l2_of[k]) * w for k, w in weights.items()})

    def _sums_of_squares(self, tensors: Any) -> Any:
        """Sum of squares of what belongs to each network, [n_models]."""
        from keras import ops

        # Of the first layers by unit, then by network; of the others by network.
        units = _row_sums(ops.square(tensors["first"]))
        others: dict[tuple[str, int], list[Any]] = {}
        for (kind, layer, stack), tensor in self._cut(tensors["rest"], self.weights).items():
            if stack is None:
                units = units + ops.square(tensor)[:, 0]
            else:
                rows = ops.reshape(ops.square(tensor), (len(stack), -1))
                others.setdefault((kind, layer), []).append(_row_sums(rows))
        of_first = ops.segment_sum(units, self.owners["first"], len(self.widths))
        return of_first + sum(ops.concatenate(sums) for sums in others.values())

    def _per_model(self, values: Any) -> dict[str, Any]:
        """A value [n_models] for each network, spread over its weights."""
        from keras import ops

        spread = {name: ops.take(values, owners) for name, owners in self.owners.items()}
        spread["first"] = spread["first"][:, None]
        return spread

    @cached_property
    def _l2_of(self) -> dict[str, np.ndarray]:
        """The weight in the loss, float32, of the square of each weight."""
        of_layer = [np.asarray(self.l2, np.float32)] * self.depth
        of_layer.append(np.asarray(self.l2_logits, np.float32))
        owners, start = self.owners["rest"], 0
        rest = np.zeros(len(owners), np.float32)
        for segment in self.weights:
            stop = start + prod(segment.shape)
            if segment.kind == "kernel":
                rest[start:stop] = of_layer[segment.layer - 1][owners[start:stop]]
            start = stop
        return {"first": of_layer[0][self.owners["first"]][:, None], "rest": rest}

    @cached_property
    def owners(self) -> dict[str, np.ndarray]:
        """Number of the network, int32, of each row of "first" and each element of "rest"."""
        units = np.concatenate(
            [np.repeat(np.arange(s.start, s.stop), s.width) for s in self.stacks]
        ).astype(np.int32)
        rest = [
            units
            if segment.stack is None
            else np.repeat(
                np.arange(segment.stack.start, segment.stack.stop), prod(segment.shape[1:])
            )
            for segment in self.weights
        ]
        return {"first": units, "rest": np.concatenate(rest).astype(np.int32)}


def _split(tensor: Any, sizes: Sequence[int]) -> list[Any]:
    """`tensor` in parts of the given sizes; `keras.ops.split` does not take a single one."""
    from keras import ops

    return ops.split(tensor, np.cumsum(sizes)[:-1]) if len(sizes) > 1 else [tensor]


def _moments(z: Any, valid: Any) -> tuple[Any, Any]:
    """Mean and variance of `z` [..., batch] over the valid examples, [..., 1]."""
    from keras import ops

    n, valid = ops.sum(valid), valid[:, None]
    mean = ops.matmul(z, valid) / n  # as a product for the reason that `_row_sums` gives
    return mean, ops.matmul(ops.square(z - mean), valid) / n


def _row_sums(rows: Any) -> Any:
    """The sum of each row of [n, length].

    As a product with ones: on CPUs XLA's own sums along a long last axis go window by window, which
    takes several times as long.
    """
    from keras import ops

    return ops.matmul(rows, np.ones((rows.shape[1], 1), np.float32))[:, 0]
