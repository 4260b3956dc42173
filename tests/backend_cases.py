"""Carries out every operation in whichever backend Keras is set to, measures the same networks in
it, and writes what it finds.

`test_backends.py` runs it in another backend than its own and compares. Weights come from NumPy,
for the backends draw others, and are float32, for JAX keeps no more.
"""

import sys

import keras
import numpy as np

import nets
import operation_cases
from tfhash import Encoder, geometry


def measured() -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for build in (nets.mlp, nets.conv, nets.residual, nets.pooled):
        net = build()
        before = net.get_weights()  # the tests share these networks
        rng = np.random.default_rng(0)
        for weight in net.weights:
            fan_in = max(1, int(np.prod(weight.shape[:-1])))
            drawn = (rng.normal(size=weight.shape) / np.sqrt(fan_in)).astype(np.float32)
            weight.assign(np.abs(drawn) + 0.5 if "variance" in weight.path else drawn)
        x, directions = nets.points(net, 5)
        ends = geometry.chords(net, x, directions)
        line = nets.regions_along(net, x[0], x[1])
        plane = geometry.plane_regions(net, x[0], directions[0], directions[1], 0.2)
        name = build.__name__
        found[f"{name} chords"] = np.stack([ends.lower, ends.upper])
        found[f"{name} units"] = np.stack([ends.lower_unit, ends.upper_unit])
        found[f"{name} diameters"] = geometry.stochastic_diameters(net, x)
        found[f"{name} breakpoints"] = line.breakpoints
        found[f"{name} areas"] = np.sort(plane.areas)
        many, _ = nets.points(net, 64)
        encoder = Encoder(net)
        found[f"{name} codes"] = encoder.encode(many).to_bits()
        outputs = encoder.activation_model.predict(many, verbose=0)
        parts = outputs if isinstance(outputs, list) else [outputs]
        found[f"{name} outputs"] = np.concatenate([part.reshape(64, -1) for part in parts], axis=1)
        net.set_weights(before)
    return found


if __name__ == "__main__":
    operation_cases.check()
    np.savez(sys.argv[1], backend=keras.backend.backend(), **measured())
