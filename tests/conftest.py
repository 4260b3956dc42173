"""What all tests have in common: nothing in them is left to chance or to the clock."""

import gc
import os
import random
import signal
import zlib
from collections.abc import Iterator

# Two processes run the tests. In each, threads of OpenMP would wait for one another without
# sleeping while the other process has their core: a t-SNE then takes five times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the wheels' own tests need some of the files only
    pass
else:
    # On a busy machine an example may take any time; the same examples come in every run.
    settings.register_profile(
        "tfhash",
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("tfhash")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also the tests that take long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests marked `full`, unless they are asked for."""
    if config.getoption("--full"):
        return
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        (left_out if item.get_closest_marker("full") else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_make_parametrize_id(val: object) -> str | None:
    """The names of tests hold no contents of files, which may hold the time."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


def pytest_configure() -> None:
    # In the background of a shell Python is told to ignore Ctrl-C: tests of it would never end.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is imported stays: garbage collectors need not go through it again.

    Keras collects garbage whenever a network is done with, and looking at all that TensorFlow,
    pandas and the like are made of takes half a second each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """The same random numbers in each run of a test, in whatever order tests run.

    Keras draws the seeds of new layers from Python's own generator: their weights follow.
    """
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what libraries draw from where no seed is given


@pytest.fixture
def float64() -> Iterator[None]:
    """Layers that are made in a test are of float64, their weights the same in each run."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy(policy)
