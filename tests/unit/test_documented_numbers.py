"""Numbers in docs/reproduction.md are those of the tables in figures/."""

import re
from pathlib import Path

import pytest

pandas = pytest.importorskip("pandas")
HOME = Path(__file__).parents[2]
TEXT = (HOME / "docs" / "reproduction.md").read_text()
COLUMNS = {
    "redundancy (test)": ("redundancy_ratio", "test"),
    "K-Means (test)": ("kmeans_accuracy", "test"),
    "K-NN": ("knn_accuracy", "test"),
    "logistic": ("logistic_accuracy", "test"),
    "the network (test)": ("accuracy", "test"),
}
ROWS = {
    "batch normalization": "batch_norm",
    "clipping to norm 1": "clipping",
    "L2 of 0.01": "l2",
    "0.1": 0.1,
    "0.2": 0.2,
    "0.3": 0.3,
}


def table_after(words):
    """The first table after some words, cell by cell, its rule left out."""
    rows = []
    for line in TEXT[TEXT.index(words) :].splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[0], rows[2:]


@pytest.mark.parametrize("name", ("table_8_mnist", "table_4_cifar10"))
def test_errors_of_the_second_paper(name):
    written = (HOME / "figures" / f"representations_{name}.md").read_text().strip()
    assert written in TEXT


def test_stored_loss_weights_are_the_chosen_ones():
    found = (HOME / "figures").glob("representations*_weights_*.csv")
    drawn = sorted(path for path in found if "_all_weights_" not in path.name)
    stored = pandas.read_csv(HOME / "tfhash" / "data" / "representation_weights.csv")
    chosen = pandas.concat(map(pandas.read_csv, drawn), ignore_index=True)
    pandas.testing.assert_frame_equal(stored, chosen)


@pytest.mark.parametrize(
    ("name", "n_rows"),
    [
        ("regularizers_shifts_digits", 3),
        ("regularizers_shifts_mnist", 3),
        ("label_noise_shifts_mnist", 3),
    ],
)
def test_shifts_of_the_first_paper(name, n_rows):
    table = pandas.read_csv(HOME / "figures" / f"{name}.csv")
    of = "condition" if "condition" in table else "label_noise"
    head, rows = table_after(f"figures/{name}.csv")
    rows = [row for row in rows if row[0] in ROWS]
    assert len(rows) == n_rows
    for title, *cells in rows:
        for column, cell in zip(head[1:], cells, strict=True):
            metric, split = COLUMNS[column]
            keys = (table[of] == ROWS[title]) & (table["metric"] == metric)
            (known,) = table[keys & (table["split"] == split)][["shift", "low", "high"]].to_numpy()
            given = [float(number) for number in re.findall(r"[-+]?\d+\.\d+", cell)]
            assert given == pytest.approx(known, abs=5.01e-4), (title, column)


def test_thresholds_of_the_phase_chart():
    """MNIST's, the digits' beside them, and CIFAR-10's."""
    known = {
        dataset: pandas.read_csv(HOME / "figures" / f"phase_chart_{dataset}_thresholds.csv")
        for dataset in ("mnist", "digits", "cifar10")
    }
    _, rows = table_after("**MNIST's chart**")
    assert len(rows) == len(known["mnist"]) == 4
    for row, (_, mnist), (_, digits) in zip(
        rows, known["mnist"].iterrows(), known["digits"].iterrows(), strict=True
    ):
        low, high = map(float, row[2].split(" to "))
        given = [float(row[1]), low, high, float(row[3])]
        wanted = [*mnist[["value", "low", "high"]], digits["value"]]
        assert given == pytest.approx(wanted, abs=5.01e-4), row[0]
    _, rows = table_after("**CIFAR-10's chart**")
    for row, (_, fitted) in zip(rows, known["cifar10"].iterrows(), strict=True):
        low, high = map(float, row[2].split(" to "))
        wanted = list(fitted[["value", "low", "high"]])
        assert [float(row[1]), low, high] == pytest.approx(wanted, abs=5.01e-4), row[0]


def test_errors_and_characteristics_of_transformed_networks():
    """What the text says of Tables 2 and 3."""
    third = pandas.read_csv(HOME / "figures" / "representations_table_3_mnist.csv")
    errors = dict(zip(third["network"], third["test_error"].round(2), strict=True))
    told = TEXT[TEXT.index("**Table 3**") : TEXT.index("**Table 2**")]
    assert f"the error is {errors['Identity']}%" in " ".join(told.split())
    assert errors["Random positive diagonal"] == errors["Identity"]
    for title in ("Ones with random positive diagonal", "Whitening"):
        assert f"{errors[title]}%" in told
    second = pandas.read_csv(HOME / "figures" / "representations_table_2_mnist.csv")
    second = second.set_index("network")
    for network in ("Baseline", "Dropout", "BN"):  # unchanged to the last digit
        rows = second.loc[[f"{network} (6th)", f"{network} (6th, whitened)"], "test_error"]
        assert rows.nunique() == 1
