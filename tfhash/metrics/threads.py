"""How the kernels run: threads and instruction set."""

from tfhash import _native


def set_num_threads(n: int) -> None:
    """Let every later call use at most `n` threads; results do not depend on it.

    At start it is `TFHASH_NUM_THREADS`, else the processors this process may run on.
    Raises ValueError for `n < 1`.
    """
    _native.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads a call may use."""
    return _native.get_num_threads()


def isa() -> str:
    """The instruction set in use: "avx512", "avx2", "neon" or "scalar".

    The best the processor has, or what `TFHASH_ISA` asked for when tfhash was imported (an
    ImportError where that is absent). Results do not depend on it.
    """
    return _native.isa()
