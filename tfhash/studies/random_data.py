"""What uniform random inputs do to codes, and to training (Figure 2f and Table 5)."""

from tfhash.studies.definition import Grid, Measured, Study

# Networks that are trained on the images, and shown random data (the paper's for MNIST).
SHOWN = Grid(
    axes={"width": {"digits": (10, 20, 40), "mnist": (40, 50, 60), "cifar10": (10, 20, 40, 80)}},
    kept={
        "digits": (0, 1, 2, 3, 5, 10, 20, 30, 40),
        "mnist": (*range(11), 30, 60, 100),
        "cifar10": (*range(11), 20, 30, 40, 60, 80, 100, 120, 140, 160, 180, 200),
    },
    length="at_most_kept",
    measures=(Measured(measure="random_redundancy", at="every"),),
)
# Networks that are trained on random data with the images' labels.
TRAINED = Grid(
    fixed={"width": 100, "inputs": "uniform"},
    kept={"digits": (0, 10, 30, 40), "mnist": (0, 100, 300, 500), "cifar10": (0, 100, 200)},
    length="at_most_kept",
    measures=(Measured(measure="fit", at="every"),),
)

STUDY = Study(
    name="random_data",
    grids=(SHOWN, TRAINED),
    figures=("figure_2f", "table_5"),
)
