"""Measuring a sweep with two builds of tfhash side by side: this one and another checkout's.

python -m benchmarks.measuring_against --against FOLDER --data_dir FOLDER [--rounds 3] [--dataset D]

The layer-width networks of one repeat are trained for one epoch by the other build, whose
runs both read. Then the two take
turns with the command that loads them, encodes the training and the test set and measures all four
metrics and the networks' own accuracy, as a whole: starting Python and the framework is in it.
Printed are the seconds of each turn, the medians and their ratio (over 1: this build is faster),
and the largest difference of the numbers. MNIST: about 6 minutes on 2 cores.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent.parent


def script(checkout: Path, name: str, *flags: str) -> float:
    """Seconds that a script of a checkout takes."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, f"run_layer_width_{name}.py", "--repeat=1", "--epoch=1", *flags]
    started = time.perf_counter()
    subprocess.run(
        command, cwd=checkout / "run_scripts", env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - started


def values(root: Path) -> dict[str, float]:
    """All numbers beside the checkpoints under `root`."""
    found: dict[str, float] = {}
    for file in root.rglob("properties.json"):
        for epoch, measured in json.loads(file.read_text())["epochs"].items():
            at = f"{file.parent.relative_to(root)}, epoch {epoch}"
            found |= {f"{at}: {k}": v for k, v in measured.items()}
    return found


def main() -> None:
    """Train once, take turns, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", type=Path, required=True, help="the other checkout, built")
    parser.add_argument("--data_dir", help="folder of the published files")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    data = [f"--dataset={given.dataset}"]
    data += [f"--data_dir={Path(given.data_dir).resolve()}"] if given.data_dir else []
    sides = {"this": HERE, "other": given.against.resolve()}
    times: dict[str, list[float]] = {side: [] for side in sides}
    numbers: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder, "trained")
        script(sides["other"], "train_mlp", *data, f"--save_path={trained}")
        for _ in range(given.rounds):
            for side, checkout in sides.items():
                copy = Path(folder, side)
                shutil.copytree(trained, copy)
                seconds = script(checkout, "encoding_properties", *data, f"--load_path={copy}")
                times[side].append(seconds)
                numbers[side] = values(copy)
                print(f"{side}: {seconds:.1f} s", flush=True)
                shutil.rmtree(copy)
    ours, theirs = (statistics.median(times[side]) for side in sides)
    apart = max(abs(numbers["this"][k] - v) for k, v in numbers["other"].items())
    print(
        f"medians {ours:.1f} and {theirs:.1f} s, ratio {theirs / ours:.2f}; "
        f"{len(numbers['other'])} numbers, largest difference {apart:.2g}"
    )


if __name__ == "__main__":
    main()
