"""Training Figure 6's four conditions with two builds side by side: this one and another checkout.

python -m benchmarks.conditions_against --against FOLDER --data_dir FOLDER [--rounds 3]

MNIST, 23 widths; none, batch normalization, L2 of 0.01, gradients clipped to norm 1. This build
gets all 92 networks at once; the other one a condition after the other. The seconds of an epoch are
the median of all but the first one of ten, which holds what is compiled; of programs that train
after one another, the sum. Processes of the two take turns. Printed are seconds
and processor seconds, their medians and ratios (over 1: this build is faster). 7 minutes a round on
2 cores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent.parent
EPOCHS = 10  # of 469 steps: enough for the program that long trainings have
CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {"batch_norm": True},
    {"l2": 0.01},
    {"clip_norm": 1.0},
)


def child(data_dir: str | None, at_once: bool) -> None:
    """Print the seconds and the processor seconds of an epoch of all four conditions."""
    from tqdm import tqdm

    from tfhash import datasets, training

    old: Any = training  # version 0.1.0 has it all there, and calls a recipe a protocol
    try:
        from tfhash import runs

        make, known = runs.RunSpec.from_recipe, runs.recipe("paper", "mnist")
    except ImportError:
        make, known = old.RunSpec.from_protocol, old.protocol("paper", "mnist")
    data = datasets.load("mnist", data_dir)
    ends: list[tuple[float, float, float]] = []
    update = tqdm.update

    def noted(self: Any, n: float = 1) -> Any:
        """Both builds report once an epoch, how many networks it trained."""
        ends.append((n, time.perf_counter(), time.process_time()))
        return update(self, n)

    tqdm.update = noted
    groups = [
        [
            make(known, experiment=f"condition{i}", width=w, repeat=1, epochs=EPOCHS, **fields)
            for w in known.widths
        ]
        for i, fields in enumerate(CONDITIONS)
    ]
    total, counted = np.zeros(2), 0.0
    for group in [list(chain(*groups))] if at_once else groups:
        ends.clear()
        with tempfile.TemporaryDirectory() as folder:
            training.train(group, data, folder)
        reports = np.array([end for end in ends if end[0]])
        for start in range(0, len(reports), EPOCHS):  # each program reports all its epochs
            program = reports[start : start + EPOCHS]
            total += np.median(np.diff(program[:, 1:], axis=0), axis=0)
            counted += program[0, 0]
    assert counted == len(list(chain(*groups))), counted
    print(*total)


def main() -> None:
    """Take turns and print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", type=Path, help="the other checkout, its kernels compiled")
    parser.add_argument("--data_dir", help="folder of the published files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=("together", "apart"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.data_dir, given.child == "together")
        return
    if given.against is None:
        parser.error("--against: Expected a checkout of tfhash. Received: none.")
    data = [f"--data_dir={Path(given.data_dir).resolve()}"] if given.data_dir else []
    sides = {"together": HERE, "apart": given.against.resolve()}
    times: dict[str, list[list[float]]] = {side: [] for side in sides}
    for _ in range(given.rounds):
        for side, checkout in sides.items():
            done = subprocess.run(
                [sys.executable, __file__, f"--child={side}", *data],
                env={**os.environ, "PYTHONPATH": str(checkout)},
                check=True,
                capture_output=True,
                text=True,
            )
            times[side].append([float(one) for one in done.stdout.splitlines()[-1].split()])
            seconds, busy = times[side][-1]
            work = "an epoch of 92 networks"
            print(f"{side}: {seconds:.2f} s {work}, processors {busy:.2f} s", flush=True)
    ours, theirs = (np.median(times[side], axis=0) for side in sides)
    for name, our, their in zip(("seconds", "processor seconds"), ours, theirs, strict=True):
        print(f"medians of {name} {our:.2f} and {their:.2f}, ratio {their / our:.2f}")


if __name__ == "__main__":
    main()
