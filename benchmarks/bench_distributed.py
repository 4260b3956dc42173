"""What Ray costs on one machine, and what a second worker brings.

python -m benchmarks.bench_distributed --folder FOLDER [--epochs 2000] [--repeats 4] [--turns 2]
    [--what overhead efficiency]

Networks on scikit-learn's digits are trained and measured, each repeat a group. overhead: the
command `tfhash run layer_width` without and with `--ray=local`, start and end of all processes
included. efficiency: `distributed.run` on a cluster that is up, with 1 and with 2 workers of one
thread each, as T1 / (2 T2). Both are measured in turns, and the least of each is taken, in seconds
and in processor seconds of all processes that took part (Linux; sampled, so those of the last
quarter of a second of a process are missing). On a busy machine trust the latter: the efficiency of
processor seconds, C1 / C2, is that of as many free processors as there are workers.
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

SAMPLED_EVERY = 0.25  # seconds
MARK = "BENCH_DISTRIBUTED"  # a variable that all processes of one turn inherit

ON_A_CLUSTER = """
import sys, time
import ray
from tfhash import distributed
from tfhash.studies import study
workers, epochs, repeats, path = sys.argv[1:]
ray.init("local", num_cpus=int(workers), log_to_driver=False, include_dashboard=False)
options = study("layer_width").options(
    dataset="digits", epoch=int(epochs), repeat=int(repeats), path=path
)
start = time.perf_counter()
distributed.run("layer_width", options)
print("seconds", time.perf_counter() - start)
ray.shutdown()
"""


class Processors:
    """Within it, counts the processor seconds of all processes that have inherited a mark."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self._ticks: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    @property
    def seconds(self) -> float:
        """So far."""
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> "Processors":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        marked = f"{MARK}={self.mark}".encode()
        while not self._ended.wait(SAMPLED_EVERY):
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    if entry.name in self._ticks or marked in (entry / "environ").read_bytes():
                        of = (entry / "stat").read_text().rpartition(")")[2].split()
                        self._ticks[entry.name] = int(of[11]) + int(of[12])
                except OSError:  # it has ended
                    continue


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of a command; its own seconds where it prints them last."""
    with Processors() as processors:
        start = time.perf_counter()
        done = subprocess.run(
            command,
            check=True,
            env={**os.environ, MARK: processors.mark},
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.perf_counter() - start
    last = done.stdout.splitlines()[-1].split()
    return float(last[1]) if last[0] == "seconds" else seconds, processors.seconds


def in_turns(commands: dict[str, list[str]], folder: Path, turns: int) -> dict[str, list[float]]:
    """The least seconds and processor seconds of each command."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(turns):
        for name, command in commands.items():
            taken[name].append(measured(command))
            shutil.rmtree(folder / name)
            print(f"  {name}: %.1f s, %.1f processor s" % taken[name][-1], flush=True)
    return {name: [min(each) for each in zip(*all_, strict=True)] for name, all_ in taken.items()}


def overhead(given: argparse.Namespace) -> None:
    """Print the seconds of the command here and on Ray."""
    flags = ["--dataset=digits", f"--epoch={given.epochs}", f"--repeat={given.repeats}"]
    tool = [sys.executable, "-m", "tfhash", "run", "layer_width", *flags]
    commands = {
        name: [*tool, f"--save_path={given.folder / name}", *more]
        for name, more in (("here", []), ("ray", ["--ray=local"]))
    }
    least = in_turns(commands, given.folder, given.turns)
    for i, unit in enumerate(("s", "processor s")):
        here, there = least["here"][i], least["ray"][i]
        print(f"here {here:.1f} {unit}, on Ray {there:.1f} {unit}: {there / here:.2f} times")


def efficiency(given: argparse.Namespace) -> None:
    """Print the seconds of 1 and of 2 workers."""
    command = [sys.executable, "-c", ON_A_CLUSTER]
    commands = {
        str(n): [*command, *map(str, (n, given.epochs, given.repeats, given.folder / str(n)))]
        for n in (1, 2)
    }
    least = in_turns(commands, given.folder, given.turns)
    (one, one_cpu), (two, two_cpu) = least["1"], least["2"]
    print(f"1 worker {one:.1f} s, 2 workers {two:.1f} s: efficiency {one / (2 * two):.2f}")
    print(f"{one_cpu:.1f} and {two_cpu:.1f} processor s: efficiency {one_cpu / two_cpu:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="for the runs; emptied again")
    parser.add_argument("--epochs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--turns", type=int, default=2)
    choices = {"overhead": overhead, "efficiency": efficiency}
    parser.add_argument("--what", nargs="+", default=[*choices], choices=[*choices])
    asked = parser.parse_args()
    for what in asked.what:
        choices[what](asked)
