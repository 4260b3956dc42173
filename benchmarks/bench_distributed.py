"""What Ray costs on one machine, and what a second worker brings.

python -m benchmarks.bench_distributed --folder FOLDER [--epochs 2000] [--repeats 4]
    [--what overhead efficiency]

Networks on scikit-learn's digits are trained and measured, each repeat a group. overhead: the
command `tfhash run layer_width` without and with `--ray=local`, start and end of all processes
included. efficiency: `distributed.run` on a cluster that is
up, with 1 and with 2 workers of one thread each, as T1 / (2 T2).
"""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path


def overhead(folder: Path, flags: list[str]) -> None:
    """Print the seconds of the command here and on Ray, twice in turns."""
    taken: dict[str, list[float]] = {"here": [], "ray": []}
    for _ in range(2):
        for name, more in (("here", []), ("ray", ["--ray=local"])):
            command = [sys.executable, "-m", "tfhash", "run", "layer_width", *flags, *more]
            start = time.perf_counter()
            subprocess.run([*command, f"--save_path={folder / name}"], check=True)
            taken[name].append(time.perf_counter() - start)
            shutil.rmtree(folder / name)
    here, there = min(taken["here"]), min(taken["ray"])
    print(f"here {here:.1f} s, on Ray {there:.1f} s: {there / here:.2f} times")


def efficiency(folder: Path, epochs: int, repeats: int) -> None:
    """Print the seconds of 1 and of 2 workers."""
    import ray

    from tfhash import distributed
    from tfhash.studies import study

    taken = {}
    for workers in (1, 2):
        ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False)
        path = folder / str(workers)
        options = study("layer_width").options(
            dataset="digits", epoch=epochs, repeat=repeats, path=path
        )
        start = time.perf_counter()
        distributed.run("layer_width", options)
        taken[workers] = time.perf_counter() - start
        ray.shutdown()
        shutil.rmtree(path)
    share = taken[1] / (2 * taken[2])
    print(f"1 worker {taken[1]:.1f} s, 2 workers {taken[2]:.1f} s: efficiency {share:.2f}")


def run(given: argparse.Namespace) -> None:
    """Measure what is asked for."""
    if "overhead" in given.what:
        flags = ["--dataset=digits", f"--epoch={given.epochs}", f"--repeat={given.repeats}"]
        overhead(given.folder, flags)
    if "efficiency" in given.what:
        efficiency(given.folder, given.epochs, given.repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="for the runs; emptied again")
    parser.add_argument("--epochs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument(
        "--what", nargs="+", default=["overhead", "efficiency"], choices=["overhead", "efficiency"]
    )
    run(parser.parse_args())
