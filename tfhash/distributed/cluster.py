"""The Ray cluster: joined, checked to be of one version, and given tasks that survive workers."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from types import FunctionType
from typing import Any

from tfhash import metrics, progress
from tfhash._extras import named_if_missing
from tfhash.errors import InputError

LOCAL = "local"
ANSWERS_WITHIN = 5.0  # seconds
SETTINGS = b"\x04"  # the type of a frame
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + SETTINGS + b"\0\0\0\0\0"
RETRIES = 20  # of a task whose worker or node is killed
ENDED_WITHIN = 2.0  # seconds
AHEAD = 4  # tasks for each CPU, of those whose results wait to be taken


def load_ray() -> Any:
    """The module. Raises ModuleNotFoundError, which names the extra, where it is not installed."""
    with named_if_missing("tfhash.distributed"):
        import ray
    return ray


@contextmanager
def joined(address: str | None) -> Iterator[Any]:
    """Within it, this process is the driver of a cluster whose nodes have the same versions.

    Parameters
    ----------
    address : str or None
        "HOST:PORT" of a cluster; "local" for this machine alone. None for the cluster that
        this process has joined already (`ray.init`), else this machine. A cluster that was joined
        before stays joined.

    Yields
    ------
    module
        Ray.

    Raises
    ------
    InputError
        Nobody answers at the address, a node has another version of tfhash, Keras, its backends,
        NumPy, Python or Ray, or this process has joined another cluster.
    """
    ray = load_ray()
    was_joined = ray.is_initialized()
    if was_joined:
        _check_joined(ray, address)
    else:
        options = {"log_to_driver": False, "logging_level": "ERROR"}
        if address in (None, LOCAL):
            address = LOCAL
            options["include_dashboard"] = False
            # By default Ray's workers give way to every other process of the machine.
            os.environ.setdefault("RAY_worker_niceness", "0")
        else:
            _check_answers(str(address))
        try:
            ray.init(address, **options)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _refused(str(address), error) from error
    try:
        if was_joined or address != LOCAL:
            check_versions(versions(), _versions_of_nodes(ray))
        yield ray
    finally:
        if not was_joined:
            ray.shutdown()


def versions() -> dict[str, str]:
    """What must be the same on all machines for results to be."""
    import sys
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    try:
        import tfhash

        found["tfhash"] = tfhash.__version__
    except ImportError:
        found["tfhash"] = "none"
    for package in ("keras", "numpy", "tensorflow", "jax", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def check_versions(ours: Mapping[str, str], theirs: Mapping[str, Mapping[str, str]]) -> None:
    """Raise InputError where a node of `theirs` has another version than `ours`; it is named."""
    for node, found in theirs.items():
        for package, here in ours.items():
            there = found.get(package, "none")
            if there != here:
                raise InputError(
                    f"Expected {package} {here} on every node, as here. Received: {package} "
                    f"{there} on node {node}. Install the same versions on all nodes."
                )


def tasks(
    ray: Any,
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    description: str,
) -> Iterator[Any]:
    """What `function` gives for each of `arguments`, in their order, computed by the cluster.

    Few tasks run ahead of the one whose result is taken next, so memory holds few results, however
    many tasks there are. A task whose worker or node is killed is done again. The first error of a
    task, in their order, is raised here, and no more are begun.
    """
    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_on_one_thread)
    ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    left = iter(arguments)
    begun: deque[Any] = deque()
    try:
        with progress.bar(None, description, "task", total=len(arguments)) as bar:
            while True:
                for each in islice(left, ahead - len(begun)):
                    begun.append(remote.remote(function, *each))
                if not begun:
                    return
                result = ray.get(begun[0])
                begun.popleft()
                bar.update()
                yield result
    except ray.exceptions.RayTaskError as error:
        raise cause_of(error) from None
    finally:
        if begun and ray.is_initialized():  # an error elsewhere may have left the cluster before
            _let_end(ray, list(begun))


def _let_end(ray: Any, references: list[Any]) -> None:
    """Wait a little for tasks that nobody wants any more; others run on, and are few.

    They are not canceled: Ray may end the driver where a task finishes while it is canceled.
    """
    done, _ = ray.wait(references, num_returns=len(references), timeout=ENDED_WITHIN)
    for reference in done:
        with suppress(ray.exceptions.RayError):
            ray.get(reference)  # Ray prints every error that nobody has asked for


def cause_of(error: Exception) -> Exception:
    """The error that a task has raised, out of the one that Ray makes of it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error


def _on_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """A task has one CPU; another number of threads would take those of other tasks."""
    metrics.set_num_threads(1)
    return function(*arguments)


def _versions_of_nodes(ray: Any) -> dict[str, dict[str, str]]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"]]
    # Sent as code, with nothing around it: a node may have no tfhash, or one without this module.
    asked = ray.remote(num_cpus=0)(FunctionType(versions.__code__, {}, "versions"))
    found = [
        asked.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote()
        for node in alive
    ]
    versions_of = {}
    for node, reference in zip(alive, found, strict=True):
        name = f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"
        try:
            versions_of[name] = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise cause_of(error) from None
        except ray.exceptions.RayError:
            continue  # it was lost meanwhile
    return versions_of


def _check_answers(address: str) -> None:
    host, port = _host_and_port(address)
    if not host or not port.isdigit():
        raise InputError(
            f"Expected an address such as 10.0.0.1:6379, or local. Received: {address}."
        )
    try:
        with socket.create_connection((host, int(port)), ANSWERS_WITHIN) as connection:
            if os.environ.get("RAY_USE_TLS", "0") in ("", "0"):
                # Ray itself tries for minutes where something else answers. It speaks gRPC, whose
                # first frame is HTTP/2's settings.
                connection.sendall(HTTP2_PREFACE)
                if connection.recv(9, socket.MSG_WAITALL)[3:4] != SETTINGS:
                    raise _nobody(address, "an answer that is none of Ray")
    except (OSError, OverflowError) as error:
        raise _nobody(address, str(error)) from None


def _check_joined(ray: Any, address: str | None) -> None:
    """Raise InputError where this process has joined another cluster than the one asked for."""
    if address is None:
        return
    joined_at = ray.get_runtime_context().gcs_address
    if address == LOCAL:
        here = ray.util.get_node_ip_address()
        is_that = all(n["NodeManagerAddress"] == here for n in ray.nodes() if n["Alive"])
    else:
        is_that = _resolved(address) == _resolved(joined_at)
    if not is_that:
        raise InputError(
            f"Expected the cluster {address}. Received: a process that has joined the one at "
            f"{joined_at}. Call ray.shutdown() first, or leave address out."
        )


def _host_and_port(address: str) -> tuple[str, str]:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    return host, port


def _resolved(address: str) -> tuple[str, str]:
    host, port = _host_and_port(address)
    try:
        return socket.gethostbyname(host), port
    except OSError:
        return host, port


def _refused(address: str, error: Exception) -> InputError:
    why = " ".join(str(error).split())
    if "Version mismatch" in why:
        return InputError(
            f"Expected the Ray and Python of the cluster at {address}. Received: {why} Install the "
            "same versions here."
        )
    return _nobody(address, why)


def _nobody(address: str, why: str) -> InputError:
    return InputError(
        f"Expected a Ray cluster that answers at {address}. Received: {why}. Start one with "
        "`ray start --head`, or give the address 'local'."
    )
