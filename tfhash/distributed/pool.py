"""Workers of a cluster: processes that load what they need once, then do one task after another."""

from __future__ import annotations

import contextlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

from tfhash import metrics
from tfhash.distributed.cluster import cause_of
from tfhash.machine import backend_name, backend_variables

LOST_IN_A_ROW = 20  # workers, before one is taken for what its task does to it
TICK = 1.0  # seconds


class Worker:
    """What runs in the process of a worker. Subclasses have `load`, and methods that are tasks.

    Parameters
    ----------
    threads : int
        How many it may use.
    backend : str
        The name of the driver's backend of Keras.
    """

    def __init__(self, threads: int, backend: str, *given: Any) -> None:
        # TensorFlow reads these when it is loaded, which is in `load`.
        os.environ.update(backend_variables(backend, threads))
        metrics.set_num_threads(threads)
        self.given = given

    def load(self) -> None:
        """Load what all tasks need; its errors reach the driver as those of tasks do."""
        raise NotImplementedError


class Pool:
    """Workers on all nodes, each started when there is a task for it.

    A worker that is lost, alone or with its node, hands its task to the others and is replaced
    where there is room. Leaving the `with` block ends all of them.

    Parameters
    ----------
    ray : module
    kind : subclass of Worker
    *given
        What each worker is made with.
    cpus : int
        Of each; its threads.
    """

    def __init__(self, ray: Any, kind: type[Worker], *given: Any, cpus: int = 1) -> None:
        self._ray = ray
        there = ray.cluster_resources()
        # Where nodes have accelerators, those nodes do the work, each worker with one.
        gpus = 1 if there.get("GPU") else 0
        self.most = max(1, int(there["GPU"] if gpus else there.get("CPU", 1) // cpus))
        self._class = ray.remote(num_cpus=cpus, num_gpus=gpus)(kind)
        self._given = (cpus, backend_name(), *given)
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int | None]] = {}  # task by number; None: it is loading

    def results(
        self,
        method: str,
        tasks: Sequence[tuple[Any, ...]],
        tick: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Any]]:
        """What a method gives for each of `tasks`, with the task's number, as soon as it is done.

        `tick` is called at least once a second. An error of a task is raised here.
        """
        waiting = deque(range(len(tasks)))
        left = len(tasks)
        lost: Counter[int | None] = Counter()  # times a worker was lost with a task, or loading
        while left:
            while waiting and self._idle:
                worker, i = self._idle.pop(), waiting.popleft()
                self._busy[getattr(worker, method).remote(*tasks[i])] = worker, i
            self.start(len(waiting))
            done, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=TICK)
            tick()
            for reference in done:
                worker, number = self._busy.pop(reference)
                try:
                    result = self._ray.get(reference)
                except self._ray.exceptions.RayTaskError as error:
                    raise cause_of(error) from None
                except self._ray.exceptions.RayError:  # killed, alone or with its node; no memory
                    with contextlib.suppress(Exception):  # it may only be out of reach
                        self._ray.kill(worker)
                    lost[number] += 1
                    if lost[number] > LOST_IN_A_ROW:
                        raise
                    if number is not None:
                        waiting.appendleft(number)
                    continue
                self._idle.append(worker)
                if number is None:
                    lost[None] = 0
                else:
                    left -= 1
                    yield number, result

    def start(self, wanted: int) -> None:
        """Have up to `wanted` workers that are loading, of `most` in all.

        `results` calls it; a call before is for workers that later tasks will need.
        """
        loading = sum(number is None for _, number in self._busy.values())
        for _ in range(min(wanted - loading, self.most - len(self._busy) - len(self._idle))):
            worker = self._class.remote(*self._given)
            self._busy[worker.load.remote()] = worker, None

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            self._ray.kill(worker)


def cpus_for(ray: Any, n_tasks: int) -> int:
    """CPUs for each of some tasks: their share of the cluster's, and no more than a node has."""
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    nodes = [int(cpus) for cpus in nodes if cpus >= 1] or [1]
    return max(1, min(min(nodes), sum(nodes) // max(1, n_tasks)))
