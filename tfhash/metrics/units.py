"""How often each unit is on."""

import numpy as np
from numpy.typing import NDArray

from tfhash.codes import Codes

SLAB = 4096  # codes that are unpacked at once


def times_on(codes: Codes) -> NDArray[np.int64]:
    """How many of the codes have each bit, int64 [n_bits]."""
    counts = np.zeros(codes.n_bits, np.int64)
    for start in range(0, len(codes), SLAB):
        counts += codes[start : start + SLAB].to_bits().sum(axis=0, dtype=np.int64)
    return counts
