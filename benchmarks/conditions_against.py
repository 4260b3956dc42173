"""Training Figure 6's four conditions with two builds side by side: this one and another checkout.

python -m benchmarks.conditions_against --against FOLDER --data_dir FOLDER [--rounds 3]

MNIST, 23 widths; none, batch normalization, L2 of 0.01, gradients clipped to norm 1. This build
gets all 92 networks at once, and shares them among processes; the other one a condition after the
other. Each trains 5 epochs and 15, in processes that take turns: the seconds of an epoch are a
tenth of the difference, without compiling and the start of processes, which the time of 15 epochs
has too; loading Keras and the data are in neither. Printed are both and the processor seconds of
an epoch, their medians and ratios (over 1: this build is faster). 12 minutes a round on 2 cores.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent.parent
EPOCHS = 5, 15
CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {"batch_norm": True},
    {"l2": 0.01},
    {"clip_norm": 1.0},
)


def child(data_dir: str | None, at_once: bool, epochs: int) -> None:
    """Print the seconds and the processor seconds of all four conditions."""
    import keras  # noqa: F401

    from tfhash import datasets, metrics, training

    old: Any = training  # version 0.1.0 has it all there, and calls a recipe a protocol
    try:
        from tfhash import runs

        make, known = runs.RunSpec.from_recipe, runs.recipe("paper", "mnist")
    except ImportError:
        make, known = old.RunSpec.from_protocol, old.protocol("paper", "mnist")
    data = datasets.load("mnist", data_dir)
    groups = [
        [
            make(known, experiment=f"condition{i}", width=w, repeat=1, epochs=epochs, **fields)
            for w in known.widths
        ]
        for i, fields in enumerate(CONDITIONS)
    ]
    start = time.perf_counter(), _processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        if at_once:
            parallel = training.ParallelTrainer(workers=metrics.get_num_threads())
            training.train(list(chain(*groups)), data, folder, parallel)
        else:
            for group in groups:
                training.train(group, data, folder)
    print(time.perf_counter() - start[0], _processor_seconds() - start[1])


def _processor_seconds() -> float:
    """Of this process and of those that it has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measured(checkout: Path, side: str, data: list[str]) -> np.ndarray:
    """Seconds and processor seconds of an epoch, and seconds of the longer training."""
    found = []
    for epochs in EPOCHS:
        done = subprocess.run(
            [sys.executable, __file__, f"--child={side}", f"--epochs={epochs}", *data],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            check=True,
            capture_output=True,
            text=True,
        )
        found.append([float(one) for one in done.stdout.splitlines()[-1].split()])
    short, long = np.array(found)
    return np.array([*(long - short) / (EPOCHS[1] - EPOCHS[0]), long[0]])


def main() -> None:
    """Take turns and print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", type=Path, help="the other checkout, its kernels compiled")
    parser.add_argument("--data_dir", help="folder of the published files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=("together", "apart"), help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.data_dir, given.child == "together", given.epochs)
        return
    if given.against is None:
        parser.error("--against: Expected a checkout of tfhash. Received: none.")
    data = [f"--data_dir={Path(given.data_dir).resolve()}"] if given.data_dir else []
    sides = {"together": HERE, "apart": given.against.resolve()}
    times: dict[str, list[np.ndarray]] = {side: [] for side in sides}
    for _ in range(given.rounds):
        for side, checkout in sides.items():
            times[side].append(measured(checkout, side, data))
            epoch, busy, all_of_it = times[side][-1]
            print(
                f"{side}: {epoch:.2f} s an epoch of 92 networks, processors {busy:.2f} s; "
                f"{EPOCHS[1]} epochs and the start {all_of_it:.0f} s",
                flush=True,
            )
    ours, theirs = (np.median(times[side], axis=0) for side in sides)
    what = ("an epoch", "processor seconds of an epoch", f"{EPOCHS[1]} epochs and the start")
    for name, our, their in zip(what, ours, theirs, strict=True):
        print(f"median of {name} {our:.2f} and {their:.2f}, ratio {their / our:.2f}")


if __name__ == "__main__":
    main()
