"""Regularizers behind convolutions: the network, the study, Tables 4 and 9 of Choi et al."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfhash import cli, datasets, models, results, runs
from tfhash.datasets import Dataset, DatasetError
from tfhash.runs import representation_tables as tables
from tfhash.runs.paper import paper_representations
from tfhash.studies import study
from tfhash.studies.options import RepresentationCnnOptions


def specs_of(**asked) -> list[runs.RunSpec]:
    given = {"dataset": "cifar10", "path": Path("runs"), "repeat": 1, **asked}
    found = study("representations_cnn").specs(RepresentationCnnOptions(**given))
    return [one for one in found if isinstance(one, runs.RunSpec)]


def made_up(n_classes: int, n: int, shape: tuple[int, ...], name: str = "made_up") -> Dataset:
    """Every class has as many examples, its own mean color among them."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % n_classes
    x = rng.random((n, *shape), np.float32) / 2 + (labels / n_classes / 2).reshape(
        -1, *(1,) * len(shape)
    ).astype(np.float32)
    return Dataset(name, x, labels, x[: 2 * n_classes], labels[: 2 * n_classes], n_classes)


def test_the_network_is_that_of_table_7():
    model = models.convolutional((32, 32, 3), 128, 1, 10, seed=0)
    found = [
        (layer.filters, layer.kernel_size, layer.strides)
        for layer in model.layers
        if hasattr(layer, "filters")
    ]
    assert found == [(filters, (3, 3), (1, 1)) for filters in (32, 64, 128, 128)]
    names = [layer.name for layer in model.layers]
    assert names == [
        *("conv_1", "conv_2", "pool_2", "conv_3", "pool_3", "conv_4", "pool_4"),
        *("flatten", "dense_1", "relu_1", "logits"),
    ]
    assert model.get_layer("dense_1").kernel.shape == (4 * 4 * 128, 128)
    again, other = (models.convolutional((32, 32, 3), 128, 1, 10, seed=s) for s in (0, [0, 1]))
    for layer in ("conv_1", "conv_4", "dense_1"):
        kernel = np.asarray(model.get_layer(layer).kernel)
        assert np.array_equal(kernel, np.asarray(again.get_layer(layer).kernel))
        assert not np.array_equal(kernel, np.asarray(other.get_layer(layer).kernel))
    for shape in ((7, 8), (8, 8, 3, 1)):
        with pytest.raises(ValueError, match="at least 8 pixels"):
            models.convolutional(shape, 4, 1, 2)


def test_networks_of_the_study():
    specs = specs_of(sample_sizes=(1000, 5000))
    assert len({one.directory for one in specs}) == len(specs) == 2 * (9 * 6 + 3)
    one = specs[0]
    assert one.convolutions and one.fits_alone and one.last_layer == "relu_1"
    assert (one.width, one.depth, one.batch_size, one.learning_rate) == (128, 1, 100, 1e-4)
    assert round(50_000 * one.hold_out) == 10_000
    assert specs_of(dataset="cifar100")[0].batch_size == 500
    momentum = specs_of(optimizer="momentum", n_classes=4, regularizers=("l1w",))[0]
    assert (momentum.learning_rate, momentum.optimizer, momentum.n_classes) == (0.01, "momentum", 4)
    parts = momentum.directory.parts
    assert {"convolutions=True", "optimizer=momentum", "n_classes=4"} <= set(parts)
    with pytest.raises(runs.SpecError, match="optimizer among adam, momentum, rmsprop"):
        runs.RunSpec(**{**vars(one), "optimizer": "sgd"})


def test_classes_are_the_first_ones():
    data = made_up(5, 50, (8, 8))
    few = data.with_classes(3)
    assert few.n_classes == 3 and data.with_classes(3) is few
    assert len(few.x_train) == 30 and set(few.y_train) == set(few.y_test) == {0, 1, 2}
    np.testing.assert_array_equal(few.x_train, data.x_train[data.y_train < 3])
    for n in (1, 6):
        with pytest.raises(DatasetError, match="from 2 to 5 classes"):
            data.with_classes(n)


def rows_of(*networks: tuple[int, int, str, int, float]) -> pd.DataFrame:
    """As `last_epochs` gives them: sample size, width, optimizer, number of classes, error."""
    return pd.DataFrame(
        [
            {
                "sample_size": size or np.nan,
                "width": width,
                "optimizer": optimizer,
                "n_classes": n_classes or np.nan,
                "regularizer": "none",
                "regularizer_normalized": False,
                "regularizer_weight": 0.0,
                "repeat": 1,
                "epochs": 50,
                "metric": "accuracy",
                "split": split,
                "value": 1 - error,
            }
            for size, width, optimizer, n_classes, error in networks
            for split in ("train", "test", "validation")
        ]
    )


def test_conditions_are_called_as_in_the_papers_tables():
    networks = tables.networks(
        rows_of(
            (0, 128, "adam", 0, 0.25),
            (1000, 128, "adam", 0, 0.5),
            (0, 32, "adam", 0, 0.3),
            (0, 128, "rmsprop", 0, 0.3),
            (0, 128, "adam", 16, 0.4),
            (250, 32, "adam", 0, 0.6),
        )
    )
    of_10, of_100 = (
        tables.errors(networks, paper[paper["table"] == name], 128).set_index("condition")
        for paper in (paper_representations(),)
        for name in ("table_4", "table_9")
    )
    assert set(of_10.index) == {
        *("default", "data=1k", "width=32", "optimizer=rmsprop", "classes=16"),
        "width=32, data=250",
    }
    assert of_10["paper"].dropna().to_dict() == {
        "default": 26.64,
        "data=1k": 56.07,
        "width=32": 28.54,
        "optimizer=rmsprop": 28.52,
    }
    assert of_10.loc["default", "apart"] == pytest.approx((25 - 26.64) / 0.16)
    assert set(of_100["paper"].dropna().index) == {"default", "data=1k", "width=32", "classes=16"}


@pytest.mark.full
@pytest.mark.parametrize(
    ("dataset", "number", "shape", "names"),
    [
        ("cifar100", 9, (8, 8, 3), {"none": "Baseline", "cw_vr": "cw-VR"}),
        ("digits", 4, (8, 8), {"none": "Baseline", "bn": "BN"}),
    ],
)
def test_from_the_command_to_the_table(tmp_path, monkeypatch, dataset, number, shape, names):
    """On made-up images: CIFAR-100's are 100 classes, of which 16 are kept."""
    data = made_up(100 if dataset == "cifar100" else 10, 400, shape, dataset)
    monkeypatch.setattr(datasets, "load", lambda *args, **options: data)
    flags = [f"--dataset={dataset}", "--repeat=1", "--epoch=1", "--sample_sizes=20"]
    flags += ["--n_classes=16"] if dataset == "cifar100" else ["--optimizer=rmsprop"]
    flags += [f"--regularizers={','.join(names)}", "--widths=8", "--loss_weights=0.1"]
    program = ["tfhash", "run", "representations_cnn", *flags, f"--save_path={tmp_path}"]
    assert cli.tfhash(program) == 0
    table = results.load(tmp_path, history=False, stages=("encoding",))
    assert set(table["regularizer"]) == set(names) and set(table["width"]) == {8}
    assert (table.query("metric == 'stable_rank'")["value"] > 0).all()
    assert cli.tfhash(["tfhash", "draw", f"--load_path={tmp_path}"]) == 0
    written = pd.read_csv(tmp_path / f"figures/representations_table_{number}_{dataset}.csv")
    assert written["regularizer"].tolist() == list(names.values())
    (condition,) = set(written["condition"])
    other = "classes=16" if dataset == "cifar100" else "optimizer=rmsprop"
    assert condition == f"width=8, data=20, {other}"
    chosen = pd.read_csv(tmp_path / f"figures/representations_cnn_weights_{dataset}.csv")
    assert chosen["regularizer"].tolist() == list(names)
    assert set(chosen["study"]) == {"representations_cnn"} and set(chosen["sample_size"]) == {20}
    assert set(chosen["optimizer"]) == {"adam" if dataset == "cifar100" else "rmsprop"}
    assert set(chosen["n_classes"]) == {16 if dataset == "cifar100" else 0}
