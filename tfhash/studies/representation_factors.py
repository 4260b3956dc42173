"""Does a regularizer help where the data has few independent factors (Choi et al., Figures 2, 3)?

tfhash run representation_factors --dataset=mnist
tfhash run representation_factors --dataset=gaussian_factors

trains networks on inputs of a known number of factors, the first principal components of images or
made-up Gaussian ones, with L1R (for sparsity) or RR (for rank) at each of the paper's six loss
weights and without. 13 networks are trained side by side. L1R is divided by the number of units:
as Table 5 has it, it sums over the batch too and leaves nothing to be learned
(docs/reproduction.md).
"""

from tfhash.runs.representation import WEIGHTS
from tfhash.studies.definition import Grid, Measured, Study, recipe_widths
from tfhash.studies.options import FactorOptions
from tfhash.studies.representations import sizes

# By regularizer, whether its penalty is divided.
NORMALIZED = {"l1r": True, "rr": False}
PAPERS = (10, 50, 100, 250, 500)  # numbers of factors


def conditions(options: FactorOptions) -> list[dict[str, object]]:
    """No regularizer, then each of the two at each weight."""
    names = ("regularizer", "regularizer_weight", "regularizer_normalized")
    found: list[tuple[object, ...]] = [("none", 0.0, False)]
    for name, normalized in NORMALIZED.items():
        found += [(name, weight, normalized) for weight in WEIGHTS]
    return [dict(zip(names, one, strict=True)) for one in found]


STUDY = Study(
    name="representation_factors",
    grids=(
        Grid(
            axes={
                "n_factors": {
                    "digits": (5, 10, 20, 40),
                    "mnist": PAPERS,
                    "gaussian_factors": PAPERS,
                    "cifar10": PAPERS,
                },
                "sample_size": sizes,
                "width": recipe_widths,
                "regularizer": conditions,
            },
            measures=(
                Measured(measure="accuracy"),
                Measured(measure="characteristics"),
            ),
        ),
    ),
    options=FactorOptions,
    figures=("representations_figure_2", "representations_figure_3"),
)
