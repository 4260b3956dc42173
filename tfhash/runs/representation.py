"""The regularizers of the second paper as the fields of a run's spec have them.

The paper is Choi et al., "On the statistical and information-theoretic characteristics of deep
network representations"; `tfhash.regularizers` has the penalties.
"""

from __future__ import annotations

# What is measured of the last hidden layer: of `tfhash.representation`'s `Characteristics`, and the
# bounds of its `mutual_information`.
STATISTICS = (
    *("amplitude", "covariance", "correlation", "absolute_covariance", "absolute_correlation"),
    *("sparsity", "dead_units", "stable_rank"),
)
BOUNDS = ("mi_x_lower", "mi_x_upper", "mi_y_lower", "mi_y_upper")
CHARACTERISTICS = (*STATISTICS, *BOUNDS)

# By name, as `tfhash.regularizers.NAMES`, in the paper's order: what the paper calls them.
TITLES = {
    "none": "Baseline",
    "l1w": "L1W",
    "l2w": "L2W",
    "dropout": "Dropout",
    "bn": "BN",
    "cr": "CR",
    "cw_cr": "cw-CR",
    "vr": "VR",
    "cw_vr": "cw-VR",
    "l1r": "L1R",
    "rr": "RR",
    "cw_rr": "cw-RR",
}
OF_KERNELS = ("l1w", "l2w")
WITHOUT_WEIGHT = ("none", "bn")
DROPOUT_RATE = 0.5  # not in the paper
# The loss weights that the paper chooses from, on validation data (Appendix D.1).
WEIGHTS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
