"""Converts between the weights of single networks and the arrays of many side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.training.batched_mlps import BatchedMLPs
from tfhash.training.stacks import Segment

if TYPE_CHECKING:
    import keras

# By (kind, layer), layers from 1: kernel, bias, gamma, beta, and the statistics mean and variance.
Tensors = dict[tuple[str, int], np.ndarray]
STATISTICS = ("mean", "variance")


def variables(model: keras.Model, depth: int) -> dict[tuple[str, int], Any]:
    """The Keras variables of a network that `RunSpec.build_model` built."""
    found: dict[tuple[str, int], Any] = {}
    for layer in range(1, depth + 2):
        dense = model.get_layer(f"dense_{layer}" if layer <= depth else "logits")
        found["kernel", layer], found["bias", layer] = dense.kernel, dense.bias
    for norm in model.layers:
        # "batch_norm_5", or "dense_5_bn" where it is put in as a regularizer.
        number = re.fullmatch(r"batch_norm_(\d+)|dense_(\d+)_bn", norm.name)
        if number:
            layer = int(number[1] or number[2])
            found["gamma", layer], found["beta", layer] = norm.gamma, norm.beta
            found["mean", layer], found["variance", layer] = norm.moving_mean, norm.moving_variance
    return found


@dataclass(frozen=True)
class WeightLayout:
    """Where the weights of each network are.

    Attributes
    ----------
    networks : BatchedMLPs
        The networks, by width.
    inputs : numpy.ndarray
        int64 [n_inputs], the inputs in the order in which the networks take them.
    """

    networks: BatchedMLPs
    inputs: np.ndarray

    def weights(self, models: Sequence[Tensors]) -> dict[str, np.ndarray]:
        """The arrays "first" and "rest" with the weights (or moments of them) of all models."""
        networks = self.networks
        first = np.zeros((networks.n_units, networks.n_live), np.float32)
        rest = _empty(networks.weights)
        for i, model in enumerate(models):
            live = self.inputs[: networks.n_live]
            first[networks.units(i)] = model["kernel", 1][live].T
            for segment, view in _views(networks, networks.weights, rest, i):
                view[...] = model[segment.kind, segment.layer]
        return {"first": first, "rest": rest}

    def statistics(self, models: Sequence[Tensors]) -> dict[str, np.ndarray]:
        """The arrays "dead" and, with batch normalization, "moving" of all models."""
        networks = self.networks
        dead = np.zeros((networks.n_units, networks.n_inputs - networks.n_live), np.float32)
        moving = _empty(networks.statistics)
        for i, model in enumerate(models):
            dead[networks.units(i)] = model["kernel", 1][self.inputs[networks.n_live :]].T
            for segment, view in _views(networks, networks.statistics, moving, i):
                view[...] = model[segment.kind, segment.layer]
        return {"dead": dead, **({"moving": moving} if networks.statistics else {})}

    def take(self, arrays: Mapping[str, np.ndarray], i: int) -> Tensors:
        """The tensors of network `i`, cut out of those arrays of the four that are given."""
        networks = self.networks
        kernel = np.zeros((networks.n_inputs, networks.widths[i]), np.float32)
        kernel[self.inputs[: networks.n_live]] = arrays["first"][networks.units(i)].T
        if "dead" in arrays:
            kernel[self.inputs[networks.n_live :]] = arrays["dead"][networks.units(i)].T
        found = {("kernel", 1): kernel}
        for name, segments in (("rest", networks.weights), ("moving", networks.statistics)):
            if name in arrays:
                for segment, view in _views(networks, segments, arrays[name], i):
                    found[segment.kind, segment.layer] = view.copy()
        return found


def _empty(segments: Sequence[Segment]) -> np.ndarray:
    return np.zeros(sum(int(np.prod(segment.shape)) for segment in segments), np.float32)


def _views(
    networks: BatchedMLPs, segments: Sequence[Segment], flat: np.ndarray, i: int
) -> Iterator[tuple[Segment, np.ndarray]]:
    """The part of each segment that belongs to network `i`, without padding, as Keras shapes it."""
    width = networks.widths[i]
    start = 0
    for segment in segments:
        size = int(np.prod(segment.shape))
        whole = flat[start : start + size].reshape(segment.shape)
        start += size
        if segment.stack is None:
            yield segment, whole[networks.units(i), 0]
        elif segment.stack.start <= i < segment.stack.stop:
            mine = whole[i - segment.stack.start]
            units = networks.n_classes if segment.layer > networks.depth else width
            yield segment, mine[:units, :width].T if segment.kind == "kernel" else mine[:units, 0]
