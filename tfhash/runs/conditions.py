"""The conditions of the regularizers' study, and which of them a run was trained under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# By name, fields of `RunSpec`: L2 of the hidden kernels alone, all gradients clipped together.
CONDITIONS: dict[str, dict[str, Any]] = {
    "none": {"batch_norm": False, "l2": 0.0, "l2_layers": "hidden", "clip_norm": None},
    "batch_norm": {"batch_norm": True, "l2": 0.0, "l2_layers": "hidden", "clip_norm": None},
    "l2": {"batch_norm": False, "l2": 0.01, "l2_layers": "hidden", "clip_norm": None},
    "clipping": {"batch_norm": False, "l2": 0.0, "l2_layers": "hidden", "clip_norm": 1.0},
}


def condition_of(row: pd.Series) -> str | None:
    """Name of the condition that a row of `results.load` was trained under, or None."""
    import pandas as pd

    for name, fields in CONDITIONS.items():
        if all(
            pd.isna(row[key]) if value is None else row[key] == value
            for key, value in fields.items()
        ):
            return name
    return None
