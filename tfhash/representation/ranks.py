"""The stable rank of a covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tfhash.codes import real_array

SYMMETRIC = 1e-9  # share of the largest entry by which the two of a pair may differ
BLOCK = 1024  # rows that are looked at at once


def stable_rank(covariance: ArrayLike) -> float:
    """`||C||_F^2 / ||C||_2^2`, the numerator a sum, the denominator by the largest eigenvalue.

    Parameters
    ----------
    covariance : float64 [d, d]
        Symmetric, positive semidefinite.

    Returns
    -------
    float
        NaN where the matrix is 0. Up to 1,000 units all eigenvalues are computed; beyond, the
        largest by Lanczos's method, whose residual bounds its relative error: it is at most 1e-9.

    Raises
    ------
    ValueError
        Where it is no symmetric matrix of real numbers, or holds NaN or infinity.
    """
    from scipy.linalg import eigvalsh
    from scipy.sparse.linalg import eigsh

    covariance = np.asarray(real_array(covariance, "a covariance"), np.float64)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(
            f"Expected a covariance of shape [d, d]. Received shape: {covariance.shape}."
        )
    if not np.isfinite(covariance).all():
        raise ValueError("Expected a finite covariance. Received: NaN or infinity in it.")
    scale = float(np.abs(covariance).max(initial=0))
    if scale == 0:
        return float("nan")
    for start in range(0, len(covariance), BLOCK):
        rows = slice(start, start + BLOCK)
        apart = np.abs(covariance[rows] - covariance[:, rows].T)
        if apart.max() > SYMMETRIC * scale:
            row, column = divmod(int(apart.argmax()), len(covariance))
            row += start
            raise ValueError(
                "Expected a covariance, which is symmetric. Received: "
                f"{covariance[row, column]:g} at [{row}, {column}], "
                f"{covariance[column, row]:g} at [{column}, {row}]."
            )
    # The rank does not depend on the scale, and squares of very large or small numbers would.
    covariance = covariance / scale
    total, d = float(np.vdot(covariance, covariance)), len(covariance)
    if d <= 1000:
        largest = float(eigvalsh(covariance, subset_by_index=[d - 1, d - 1])[0])
    else:
        begin = np.random.default_rng(0).normal(size=d)
        values, vectors = eigsh(covariance, k=1, which="LA", v0=begin, tol=1e-12)
        largest = float(values[0])
        residual = np.linalg.norm(covariance @ vectors[:, 0] - largest * vectors[:, 0])
        if residual > 1e-9 * largest:
            largest = float(eigvalsh(covariance, subset_by_index=[d - 1, d - 1])[0])
    return total / largest**2
