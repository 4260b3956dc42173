"""The packages beyond the base install, and the extras of tfhash that bring them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# Keras runs on one of three backends; `tensorflow` is the one it takes by default.
EXTRAS = {
    "keras": ("tensorflow", "jax", "torch"),
    "tensorflow": ("tensorflow",),
    "jax": ("jax",),
    "torch": ("torch",),
    "absl": ("studies",),
    "jinja2": ("report",),
    "matplotlib": ("studies",),
    "pandas": ("studies",),
    "ray": ("ray",),
}


@contextmanager
def named_if_missing(user: str) -> Iterator[None]:
    """Within it, an import of a package that is not installed names the extra that brings it.

    Parameters
    ----------
    user : str
        What needs the package, as a reader knows it: `"tfhash.geometry"`.

    Raises
    ------
    ModuleNotFoundError
        With the same `name`, where a package of `EXTRAS` is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        choices = " or ".join(f"pip install 'tfhash[{extra}]'" for extra in EXTRAS[package])
        raise ModuleNotFoundError(
            f"Expected the package {package!r}, which {user} needs. Received: an environment "
            f"without it. Install it with {choices}.",
            name=package,
        ) from error
