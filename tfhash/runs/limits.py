"""What a dataset has room for, known before it is read and before anything is trained."""

from __future__ import annotations

import math
from typing import Any

from tfhash.datasets import record
from tfhash.datasets.dataset import n_kept
from tfhash.errors import InputError


def check_fits(spec: Any) -> None:
    """Raise InputError where a run asks for more examples, factors or classes than there are.

    Parameters
    ----------
    spec
        A `RunSpec` or `CnnSpec`.
    """
    known = record(spec.dataset)
    most = {
        "n_classes": (known.n_classes, "classes"),
        "n_factors": (math.prod(known.input_shape), "values in one input"),
    }
    if getattr(spec, "n_classes", None) is None:
        kept = n_kept(known.n_train, getattr(spec, "hold_out", 0.0))
        most["sample_size"] = (kept, "training examples but for those that are held out")
    for name, (number, what) in most.items():
        asked = getattr(spec, name, None)
        if asked is not None and asked > number:
            raise InputError(
                f"Expected {name} of at most {number}, the {what} of {spec.dataset}. "
                f"Received: {asked}."
            )
