"""Studies on a cluster: each group of runs is a task; what is done and who does it stay files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tfhash.datasets import Dataset
from tfhash.distributed.board import Board
from tfhash.distributed.cluster import joined
from tfhash.distributed.pool import TICK, Pool, Worker, cpus_for
from tfhash.machine import load_keras
from tfhash.runs import AnySpec, Runs
from tfhash.runs.trouble import log
from tfhash.studies import runner
from tfhash.studies import study as study_of
from tfhash.studies.definition import Study
from tfhash.studies.jobs import Job, Outcome, do, together
from tfhash.studies.networks import Networks
from tfhash.studies.options import Options
from tfhash.training.progress import ToldProgress, ToldWarnings, show_done

LET_GO_WITHIN = 20.0  # seconds: a run, by a worker whose driver is dead


def run(study: Study | str, options: Options, address: str | None = None) -> None:
    """Train the networks of a study that are missing, and measure what is missing of all.

    As `tfhash run STUDY`, each group of runs that are trained side by side a task of its own, with
    its share of the cluster's processors. Runs, their locks and results are the same files, so
    what a killed worker, node or driver has not finished is done by the same call again; networks
    and results are those of one machine, to the bit where the groups and the threads of one
    program are the same.

    Parameters
    ----------
    study : Study or str
        The study or its name in `STUDIES`.
    options
        What it takes: `STUDIES[name].options(path=...)`. `path`, and the files of the dataset,
        are shared by all nodes.
    address : str, optional
        As for `encode`.

    Raises
    ------
    InputError
        Nobody answers at the address, a node has other versions, or as on one machine.
    OSError
        A file cannot be read or written; what is finished is kept.
    ModuleNotFoundError
        Ray is not installed.
    """
    asked = study_of(study) if isinstance(study, str) else study
    options = replace(_with_whole_paths(options), workers=1)  # the cluster's are its own
    with joined(address) as ray, _Cluster(ray, options) as cluster:
        trainer = _ClusterTrainer(cluster, options.trainer)
        runner.run(asked, options, trainer, cluster.measure)


def _with_whole_paths(options: Options) -> Options:
    """The same options for workers whose working directory is another one."""
    names = ("path", "data_dir", "dataset_path", "mnist_path", "cifar10_path", "tensorboard")
    given = {name: getattr(options, name, None) for name in names}
    whole = {n: type(one)(Path(one).expanduser().resolve()) for n, one in given.items() if one}
    return replace(options, **whole)


class _Cluster:
    """The workers of one study, started when the number of its first tasks is known."""

    def __init__(self, ray: Any, options: Options) -> None:
        self._ray, self._options = ray, options
        self._pool: Pool | None = None
        self.board = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Board).remote()

    def pool(self, n_tasks: int) -> Pool:
        """The workers, with as many processors each as the first tasks leave them."""
        if self._pool is None:
            cpus = cpus_for(self._ray, n_tasks)
            self._pool = Pool(self._ray, _StudyWorker, self._options, self.board, cpus=cpus)
        return self._pool

    def news(self) -> tuple[dict[int, int], list[str]]:
        """What the workers have done so far, by task, and what they have said since."""
        found: tuple[dict[int, int], list[str]] = self._ray.get(self.board.news.remote())
        return found

    def measure(self, found: Sequence[Job], options: Options) -> Iterator[Outcome]:
        """A `Measurer`."""
        groups = together(found)
        pool = self.pool(len(groups))
        tasks = [(group,) for group in runner.shares(groups, pool.most)]
        for _, outcomes in pool.results("measure", tasks, self._say):
            yield from outcomes
        self._say()

    def _say(self) -> None:
        for line in self.news()[1]:
            log.warning("%s", line)

    def __enter__(self) -> _Cluster:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._pool is not None:
            self._pool.__exit__(*error)


@dataclass(frozen=True)
class _ClusterTrainer:
    """Trains each group of another trainer on the cluster. A `Trainer`."""

    cluster: _Cluster
    trainer: Any

    @property
    def unit(self) -> str:
        return getattr(self.trainer, "unit", "epoch")

    def work(self, spec: AnySpec, dataset: Dataset) -> int:
        """How much there is to do for a run, in `unit`."""
        amount: Callable[..., int] = getattr(self.trainer, "work", lambda spec, data: spec.epochs)
        return amount(spec, dataset)

    def __call__(
        self, specs: Sequence[AnySpec], dataset: Dataset, runs: Runs, progress: Any
    ) -> None:
        alone = getattr(self.trainer, "groups", lambda specs, dataset: [[one] for one in specs])
        groups = alone(specs, dataset)
        amounts = [sum(self.work(spec, dataset) for spec in group) for group in groups]
        finished: set[int] = set()

        def show() -> None:
            done, lines = self.cluster.news()
            for line in lines:
                progress.write(line)
            show_done(progress, amounts, done, finished)

        tasks = list(enumerate(groups))
        for i, _ in self.cluster.pool(len(groups)).results("train", tasks, show):
            finished.add(i)
            progress.set_description(f"{len(finished)} of {len(groups)} groups")
        show()


class _StudyWorker(Worker):
    """A process with the data of a study; `given` are the options and the board."""

    def load(self) -> None:
        load_keras()
        self._options, self._board = self.given
        self._dataset = self._options.load_dataset()
        self._networks = Networks()
        log.addHandler(ToldWarnings(self._board.say.remote))
        log.propagate = False

    def train(self, i: int, specs: Sequence[AnySpec]) -> None:
        """Train a group of runs, the task number `i`."""
        runs = Runs(self._options.path, self._options.tensorboard)
        tell, say = partial(self._board.count.remote, i), self._board.say.remote
        until = time.monotonic() + LET_GO_WITHIN
        left = list(specs)
        while left:
            progress: Any = ToldProgress(tell, say)
            self._options.trainer(left, self._dataset, runs, progress)
            left = [spec for spec in left if not runs.is_finished(spec)]
            if time.monotonic() > until:
                return
            time.sleep(TICK if left else 0)

    def measure(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Measure a group of runs."""
        until = time.monotonic() + LET_GO_WITHIN
        outcomes: dict[Any, Outcome] = {}
        left = list(jobs)
        while left:
            for one in do(left, self._dataset, self._options, self._networks):
                outcomes[one.path] = one
            left = [job for job in left if outcomes[job.path].elsewhere]
            if time.monotonic() > until:
                break
            time.sleep(TICK if left else 0)
        return list(outcomes.values())
