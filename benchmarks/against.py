"""Two builds of tfhash side by side: this one and that of another checkout.

python -m benchmarks.against --against FOLDER [--rounds 7] [--work codes|geometry]

Processes of the two take turns, since machines are shared and noisy; each does every piece of work
a few times and reports the least processor time of one. Printed are the medians over the rounds,
their ratio (over 1: this build is faster) and the ratio of the least times. Codes take a minute or
two, geometry a minute a round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

REPEATS = 3
SECONDS = 0.1  # at least, of each piece of work: short ones are repeated more often


def codes_works() -> dict[str, Callable[[], object]]:
    """What is timed of codes and their metrics, by name."""
    from tfhash import Codes, metrics

    rng = np.random.default_rng(0)

    def codes(n: int, n_bits: int) -> Codes:
        return Codes.from_bits(rng.integers(0, 2, (n, n_bits), np.uint8))

    few, many, wide = codes(20_000, 128), codes(400_000, 60), codes(4000, 1000)
    labels = np.arange(4000) % 10
    repeated = many[rng.integers(0, 100_000, 400_000)]
    activations = rng.normal(size=(4000, 1000)).astype(np.float32)
    return {
        "hamming_knn, 20,000 x 128 bits": lambda: metrics.hamming_knn(few, few[:2000], 9),
        "hamming_knn, 4,000 x 1,000 bits": lambda: metrics.hamming_knn(wide, wide[:1000], 9),
        "region_ids, 400,000 x 60 bits": lambda: metrics.region_ids(many),
        "region_ids, the same with repeats": lambda: metrics.region_ids(repeated),
        "region_ids, 4,000 x 1,000 bits": lambda: metrics.region_ids(wide),
        "CodeKMeans, 20,000 x 128 bits": lambda: metrics.CodeKMeans(
            10, n_init=1, random_state=0
        ).fit(few),
        "CodeLogisticRegression, 4,000 x 1,000 bits": lambda: metrics.CodeLogisticRegression().fit(
            wide, labels
        ),
        "from_activations, 4,000 x 1,000": lambda: Codes.from_activations(activations),
    }


def geometry_works() -> dict[str, Callable[[], object]]:
    """What is timed of planes and lines through networks with initial weights, by name."""
    import keras
    from keras import layers

    from tfhash import geometry

    rng = np.random.default_rng(0)
    starts, ends = rng.random((2, 200, 784))
    found: dict[str, Callable[[], object]] = {}
    for name, n_inputs, widths in (
        ("2-16-16", 2, [16] * 2),
        ("784-100", 784, [100]),
        ("784-50x5", 784, [50] * 5),
        ("784-200x5", 784, [200] * 5),
        ("784-100x10", 784, [100] * 10),
    ):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((n_inputs,)), *[layers.Dense(w, activation="relu") for w in widths]]
        )
        a, b, c = starts[:3, :n_inputs]
        found[f"plane_regions, {name}"] = partial(
            geometry.plane_regions, model, a, b - a, c - a, (-0.5, 1.5, -0.5, 1.5)
        )
        if n_inputs > 2:
            found[f"line_regions, {name}, 200 lines"] = partial(
                geometry.line_regions, model, starts, ends
            )
        if name == "784-100":
            found[f"line_regions, {name}, 1 line"] = partial(
                geometry.line_regions, model, starts[:1], ends[:1]
            )
    return found


WORKS = {"codes": codes_works, "geometry": geometry_works}


def least_times(of: str) -> dict[str, float]:
    """Processor seconds of each piece of work in this process, the least of a few turns."""
    found = {}
    for name, work in WORKS[of]().items():
        work()
        times: list[float] = []
        while len(times) < REPEATS or sum(times) < SECONDS:
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        found[name] = min(times)
    return found


def measure(checkout: Path, of: str) -> dict[str, float]:
    """What `least_times` gives in a process that imports the tfhash of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TFHASH_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--child", f"--work={of}"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Take turns and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", type=Path, help="the other checkout, its kernels compiled")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", choices=list(WORKS), default="codes")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(least_times(given.work)))
        return
    if given.against is None or not (given.against / "tfhash").is_dir():
        parser.error(f"--against: Expected a checkout of tfhash. Received: {given.against}.")
    sides = (Path(__file__).parent.parent, given.against.resolve())
    rounds = [[measure(side, given.work) for side in sides] for _ in range(given.rounds)]
    print(f"{'work':<45} {'this':>9} {'other':>9}  medians  least")
    for name in rounds[0][0]:
        ours, theirs = ([turn[side][name] for turn in rounds] for side in (0, 1))
        medians = statistics.median(ours), statistics.median(theirs)
        print(
            f"{name:<45} {1e3 * medians[0]:>6.1f} ms {1e3 * medians[1]:>6.1f} ms"
            f"  {medians[1] / medians[0]:>6.3f} {min(theirs) / min(ours):>6.3f}"
        )


if __name__ == "__main__":
    main()
