"""Regions with facets and Chebyshev center, against relucent in one run; all of a cube or plane.

python -m benchmarks.bench_region [--peer_python PYTHON]

relucent brings Gurobi and has needs of its own: name the Python of an environment that it is
installed in (`pip install relucent`); without one, only tfhash is timed. Both get the same weights
and take turns; relucent's facets and centers are asked for as tfhash's are. Times are processor
times, the least of five turns (of all regions of a plane, three; of a cube, one): other work only
makes them longer.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import layers

from benchmarks.harness import HEADER, Row, use_threads
from tfhash import geometry

NETS = ((2, 16, 16, 1), (2, 32, 32, 1), (4, 16, 16, 1), (8, 16, 16, 1))
WIDTHS = (10, 14, 24, 40, 56, 80)
PLANES = ((2, 16, 16), (784, 100), (784, *[200] * 5), (784, *[100] * 10))
TURNS = 5

PEER = """
import json, os, sys
from collections import OrderedDict
import numpy as np
import relucent
with np.load(sys.argv[1]) as file:
    weights = [file[name] for name in sorted(file.files)]
widths = [weights[0].shape[0], *(w.shape[1] for w in weights[::2])]
net = relucent.mlp(widths)
linear = [layer for name, layer in net.layers.items() if name.startswith("fc")]
for layer, kernel, bias in zip(linear, weights[::2], weights[1::2]):
    layer.weight, layer.bias = kernel.T.copy(), bias.reshape(np.shape(layer.bias)).copy()
start = sum(os.times()[:4])
found = relucent.Complex(net)
found.bfs(max_polys=int(sys.argv[2]), nworkers=1, verify=False, verbose=0)
n = facets = 0
for cell in found:
    n, facets = n + 1, facets + len(cell.shis)
    cell.center
print(json.dumps([n, facets / n, sum(os.times()[:4]) - start]))
"""


def dense(*widths: int) -> keras.Model:
    """Dense layers with ReLU, and biases of their own."""
    keras.utils.set_random_seed(0)
    biases = keras.initializers.RandomNormal(stddev=0.3)
    hidden = [layers.Dense(width, "relu", bias_initializer=biases) for width in widths[1:-1]]
    return keras.Sequential([keras.Input(widths[:1]), *hidden, layers.Dense(widths[-1])])


def ours(model: keras.Model, n: int) -> tuple[int, float, float]:
    """Regions, facets of each, and seconds, of a walk with facets and centers."""
    x = np.full(model.input_shape[1:], 0.1)
    start = time.process_time()
    found = geometry.explore(model, x, n, bounds=(-1e3, 1e3))
    facets = 0
    for region in found.regions:
        facets += len(region.facets)
        region.center.sum()
    return len(found), facets / len(found), time.process_time() - start


def theirs(model: keras.Model, n: int, python: str) -> tuple[int, float, float]:
    """The same of relucent's."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.npz"
        arrays = {f"{i:02}": w.astype(np.float64) for i, w in enumerate(model.get_weights())}
        np.savez(file, **arrays)
        command = [python, "-c", PEER, str(file), str(n)]
        made = subprocess.run(command, capture_output=True, text=True, check=True)
    n_found, facets, seconds = json.loads(made.stdout.splitlines()[-1])
    return n_found, facets, seconds


def walks(python: str | None) -> Iterator[Row]:
    """Time for a region, of each network."""
    for widths in NETS:
        model = dense(*widths)
        ours(model, 5)
        mine, peer = [], []
        for _ in range(TURNS):
            n, facets, seconds = ours(model, 300)
            mine.append(seconds / n)
            if python is not None:
                n_theirs, facets_theirs, seconds = theirs(model, 30, python)
                peer.append(seconds / n_theirs)
        note = f"{1 / min(mine):.0f} regions/s of {facets:.1f} facets"
        if peer:
            note += f"; relucent {1 / min(peer):.1f} of {facets_theirs:.1f}"
        name = "-".join(map(str, widths))
        yield Row(
            f"a region with facets and center, {name}",
            "relucent",
            min(mine),
            min(peer) if peer else float("nan"),
            50 if peer else None,
            note,
        )


def boxes() -> Iterator[Row]:
    """All regions of a cube: processor time for each, as their number grows."""
    for width in WIDTHS:
        model = dense(3, width, width, 2)
        geometry.box_regions(model, (-0.01, 0.01))
        start = time.process_time()
        n = geometry.box_regions(model, (-4, 4)).n_regions
        seconds = time.process_time() - start
        name = f"a region of all of a cube, 3-{width}-{width}-2"
        yield Row(name, "", seconds / n, float("nan"), None, f"{n} regions")


def planes() -> Iterator[Row]:
    """All regions of a window of a plane: processor time for each, the least of three turns."""
    for n, *widths in PLANES:
        keras.utils.set_random_seed(0)
        hidden = [layers.Dense(w, "relu", kernel_initializer="he_normal") for w in widths]
        model = keras.Sequential([keras.Input((n,)), *hidden, layers.Dense(10)])
        a, b, c = np.random.default_rng(0).normal(size=(3, n))
        times = []
        for _ in range(3):
            start = time.process_time()
            found = geometry.plane_regions(model, a, b - a, c - a, (-0.5, 1.5, -0.5, 1.5))
            times.append(time.process_time() - start)
        name = f"a region of all of a plane, {n} inputs, {len(widths)} x {widths[0]} units"
        note = f"{found.n_regions} regions, {min(times):.3f} s"
        yield Row(name, "", min(times) / found.n_regions, float("nan"), None, note)


def wide() -> Iterator[Row]:
    """One region of a network with as many inputs as an image, in its box."""
    model = dense(784, 100, 10)
    rng = np.random.default_rng(0)
    x = rng.uniform(size=784) * (rng.uniform(size=784) < 0.2)
    for part in ("map and inequalities", "facets and center too"):
        times = []
        for _ in range(TURNS + 1):
            start = time.process_time()
            region = geometry.region(model, x, bounds=(0, 1))
            if part != "map and inequalities":
                len(region.facets), region.radius
            times.append(time.process_time() - start)
        note = f"{len(region.units)} inequalities"
        yield Row(f"784-100-10, {part}", "", min(times), float("nan"), None, note)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer_python", help="a Python that has relucent")
    given = parser.parse_args()
    use_threads(1)
    print(f"1 thread, Python {sys.version.split()[0]}")
    print(HEADER)
    for rows in (wide(), walks(given.peer_python), planes(), boxes()):
        for row in rows:
            print(row, flush=True)
