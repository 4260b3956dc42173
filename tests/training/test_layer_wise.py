"""Layers by themselves, the first and the last of them, and maps of codes."""

import numpy as np
import pandas as pd
import pytest

from tfhash import Codes, cli, metrics, results
from tfhash.studies import drawing

SPANS = [("a", 0, 5), ("b", 5, 70), ("c", 70, 79)]


@pytest.fixture(scope="module")
def codes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    bits = (rng.random((90, 79)) < 0.3 + 0.4 * (rng.random((3, 79)) < 0.5)[y]).astype(np.uint8)
    return Codes.from_bits(bits[:60], SPANS), y[:60], Codes.from_bits(bits[60:], SPANS), y[60:]


def test_parts():
    got = [(p.kind, p.number, p.layers) for p in metrics.layer_parts(["a", "b", "c"])]
    assert got == [
        *(("single", 1, ("a",)), ("single", 2, ("b",)), ("single", 3, ("c",))),
        *(("first", 1, ("a",)), ("first", 2, ("a", "b")), ("first", 3, ("a", "b", "c"))),
        *(("last", 1, ("c",)), ("last", 2, ("b", "c")), ("last", 3, ("a", "b", "c"))),
    ]
    assert [p.kind for p in metrics.layer_parts(["a"], ["last"])] == ["last"]
    with pytest.raises(ValueError, match=r"single.*Received: 'middle'"):
        metrics.layer_parts(["a"], ["middle"])


def test_table_is_that_of_the_columns(codes):
    """Each row is what `encoding_properties` gives for those columns of the 0/1 matrix."""
    train, y, test, y_test = codes
    table = metrics.layer_wise(*codes)
    assert list(table["part"]) == ["single"] * 3 + ["first"] * 3 + ["last"] * 3
    a, b = train.to_bits(), test.to_bits()
    for row in table.itertuples():
        chosen = [s for s in SPANS if s[0] in row.layers.split("+")]
        columns = np.concatenate([np.arange(start, stop) for _, start, stop in chosen])
        assert row.n_bits == len(columns)
        expected = metrics.encoding_properties(a[:, columns], y, b[:, columns], y_test)
        for name in metrics.EncodingProperties.__dataclass_fields__:
            assert getattr(row, name) == getattr(expected, name), (row.layers, name)
    whole = table[table["layers"] == "a+b+c"]
    assert len(whole) == 2 and whole.iloc[0, 3:].equals(whole.iloc[1, 3:])


def test_some_of_it(codes):
    table = metrics.layer_wise(*codes, kinds=["last"], families=["redundancy"])
    assert table["number"].tolist() == [1, 2, 3]
    assert table["knn_accuracy"].isna().all() and table["train_redundancy_ratio"].notna().all()
    rng = np.random.default_rng(1)
    many = Codes.from_bits(
        rng.integers(0, 2, (4, 4), np.uint8), [(c, i, i + 1) for i, c in enumerate("abcd")]
    )
    table = metrics.layer_wise(many, [0, 1, 0, 1], many, [0, 1, 0, 1], families=["redundancy"])
    assert table["layers"].tolist()[7] == "a...d".replace("...", "+...+")


def test_layers_must_be_known(codes):
    train, y, test, y_test = codes
    bare = Codes.from_bits(train.to_bits())
    with pytest.raises(ValueError, match="layers are named"):
        metrics.layer_wise(bare, y, Codes.from_bits(test.to_bits()), y_test)
    with pytest.raises(ValueError, match=r"same layers. Received: \[a, b, c\] and \[\]"):
        metrics.layer_wise(train, y, Codes.from_bits(test.to_bits()), y_test)


def run(command, *flags):
    return cli.run(command, "A script.", [f"{command}.py", *map(str, flags)])


@pytest.mark.full
def test_commands(tmp_path, capsys):
    runs, figures = tmp_path / "runs", tmp_path / "figures"
    flags = ("--dataset=digits", "--repeat=1", "--epoch=2", "--widths=6", "--depth=3")
    measure = ("layer_wise_encoding_properties", *flags, "--load_path", runs)
    assert run(*measure) == 2
    assert "Train them first" in capsys.readouterr().err
    assert run("layer_wise_train", *flags, "--save_path", runs) == 0
    assert run(*measure, "--metrics=redundancy") == 0
    table = results.load_layer_wise(runs)
    assert sorted(set(table["epoch"])) == [0, 1, 2] and len(table) == 3 * 9
    assert set(table["layers"]) >= {"relu_1", "relu_1+relu_2", "relu_1+relu_2+relu_3"}
    assert set(table["width"]) == {6} and table["train_redundancy_ratio"].between(0, 1).all()
    # What is measured stays as it is; an epoch that is missing is added in its place.
    (file,) = runs.rglob("layer_wise.csv")
    whole = file.read_text()
    rows = pd.read_csv(file)
    rows[rows["epoch"] != 1].to_csv(file, index=False)
    assert run(*measure, "--metrics=redundancy") == 0
    assert file.read_text() == whole
    drawing.draw(runs, figures)
    names = {path.name for path in figures.iterdir()}
    assert {"figure_5_digits.png", "figure_5_digits.svg", "figure_5_digits.csv"} <= names
    behind = pd.read_csv(figures / "figure_5_digits.csv")
    mine = behind.query("part == 'first' and number == 2 and epoch == 1")
    mine = mine.set_index("property")["mean"]["train_redundancy_ratio"]
    theirs = table.query("part == 'first' and number == 2 and epoch == 1")
    assert mine == pytest.approx(theirs["train_redundancy_ratio"].item())
    assert behind["part"].drop_duplicates().tolist() == ["single", "first", "last"]


@pytest.mark.full
def test_tsne_keeps_classes_together():
    rng = np.random.default_rng(0)
    centers = rng.integers(0, 2, (3, 100), np.uint8)
    y = np.arange(150) % 3
    bits = centers[y] ^ (rng.random((150, 100)) < 0.05)
    places = metrics.hamming_tsne(bits, perplexity=5, max_iter=500)
    assert places.shape == (150, 2) and places.dtype == np.float32
    distances = ((places[:, None] - places[None]) ** 2).sum(2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(y[distances.argmin(1)] == y) > 0.95
    bits[:60] = centers[y[:60]]  # more equal codes than there are neighbors
    assert np.isfinite(metrics.hamming_tsne(bits, perplexity=5, max_iter=250)).all()
    with pytest.raises(ValueError, match=r"below a third of the 150 codes. Received: 50"):
        metrics.hamming_tsne(bits, perplexity=50)


def test_tsne_is_that_of_hamming_distances():
    from sklearn.manifold import TSNE

    from tfhash.metrics.tsne import _start

    rng = np.random.default_rng(0)
    centers = rng.integers(0, 2, (4, 64), np.uint8)
    bits = centers[rng.integers(0, 4, 61)] ^ (rng.random((61, 64)) < 0.1)
    # All are neighbors of each other, and counts divided by 64 lose no digit.
    settings = {"perplexity": 20, "max_iter": 250, "random_state": 0}
    start = _start(Codes.from_bits(bits), 0)
    theirs = TSNE(metric="hamming", init=start, **settings).fit_transform(bits)
    np.testing.assert_allclose(metrics.hamming_tsne(bits, **settings), theirs, atol=1e-3)


def test_tsne_neighbors_are_exact():
    from tfhash.metrics.tsne import _with_itself_first

    bits = np.random.default_rng(0).integers(0, 2, (40, 6), np.uint8)  # many are equal
    k = 7
    distances, indices = _with_itself_first(*metrics.hamming_knn(bits, bits, k))
    assert (indices[:, 0] == np.arange(40)).all() and (distances[:, 0] == 0).all()
    assert all(len(set(row)) == k for row in indices.tolist())
    every = (bits[:, None] != bits[None]).sum(2)
    assert (np.take_along_axis(every, indices, 1) == distances).all()
    assert (distances == np.sort(every, 1)[:, :k]).all()


@pytest.mark.full
def test_tsne_command(tmp_path, capsys):
    flags = ("--dataset=digits", "--width=8")
    assert run("tsne", *flags, "--load_path", tmp_path) == 2
    assert "run_layer_width_train_mlp.py --dataset digits --widths 8" in capsys.readouterr().err
    train = ("--dataset=digits", "--widths=8", "--repeat=1", "--epoch=1", "--save_path", tmp_path)
    assert run("layer_width_train", *train) == 0
    assert run("tsne", *flags, "--load_path", tmp_path, "--examples=60", "--perplexity=40") == 2
    assert "Expected a perplexity" in capsys.readouterr().err
    assert run("tsne", *flags, "--load_path", tmp_path, "--examples=60", "--perplexity=9") == 0
    table = pd.read_csv(tmp_path / "figures" / "figure_1_digits.csv")
    assert list(table.columns) == ["row", "x", "y", "label"] and len(table) == 60
    from tfhash import datasets

    data = datasets.load("digits")
    assert (data.y_test[table["row"]] == table["label"]).all()
    assert (tmp_path / "figures" / "figure_1_digits.png").is_file()
    assert run("tsne", *flags, "--model", tmp_path / "none.keras") == 2
    assert "no such file" in capsys.readouterr().err
