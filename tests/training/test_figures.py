"""Figures: drawn from the tables alone, the paper's curves beside ours."""

import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from test_results import PROPERTIES, make_run

from tfhash import figures, phases, results
from tfhash.datasets import NAMES
from tfhash.errors import InputError
from tfhash.figures import style
from tfhash.figures.phase_chart import place
from tfhash.studies import STUDIES, drawing, study

WIDTHS = (3, 30, 60, 100)


@pytest.fixture
def runs(tmp_path):
    root = tmp_path / "runs"
    for width in WIDTHS:
        for repeat in (1, 2):
            make_run(root, width=width, repeat=repeat, shift=0.01 * repeat)
    return root


def dashed(line):
    return line.get_linestyle() == "--"


def kinds(*x_names):
    # Those of the geometry are in test_geometry_experiments.
    own = ("layer_width", "training_time", "sample_size")
    return [k for k in figures.FIGURES if k.x_name in x_names and k.experiment in own]


@pytest.mark.parametrize("kind", kinds("width"), ids=lambda kind: kind.name)
def test_what_is_drawn(runs, kind):
    table = results.last_epoch(results.load(runs, history=False))
    ours = results.curves(results.summary(table), "width")
    paper = results.paper_curves()
    paper = paper[(paper["figure"] == kind.paper) & (paper["dataset"] == "mnist")]
    caption = figures.Caption("MNIST", "1 hidden layer", "ours", "theirs")
    (axes,) = kind.draw(ours, paper, caption).axes
    mine = [line for line in axes.get_lines() if not dashed(line)]
    theirs = [line for line in axes.get_lines() if dashed(line) and len(line.get_xdata())]
    drawn = {round(float(line.get_ydata()[0]), 6) for line in mine}
    expected = {
        round(PROPERTIES[name] + 0.015, 6)
        for (metric, split) in kind.curves
        for name in (f"{split}_{metric}", metric)
        if name in PROPERTIES
    }
    assert drawn == expected
    assert all(line.get_xdata().tolist() == list(WIDTHS) for line in mine)
    assert len(axes.collections) == len(mine)  # a band each
    with_paper = set(zip(paper["metric"], paper["split"], strict=True)) & set(kind.curves)
    assert len(theirs) == len(with_paper)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ours", "theirs"]
    colors = [line.get_color() for line in mine]
    assert len(set(colors)) == len(colors)


@pytest.mark.parametrize("kind", kinds("epoch", "sample_size"), ids=lambda kind: kind.name)
def test_a_panel_for_each_metric_and_a_color_for_each_width(kind):
    drawn_for = [
        d for d in ("mnist", "cifar10") if kind.name in study(kind.experiment).figures_of(d)
    ]
    (dataset,) = drawn_for
    paper = results.paper_curves()
    paper = paper[(paper["figure"] == kind.paper) & (paper["dataset"] == dataset)]
    assert len(paper) and set(paper["x_name"]) == {kind.x_name}
    assert set(zip(paper["metric"], paper["split"], strict=True)) <= set(kind.curves)
    series = sorted(set(paper["series"]), key=lambda name: (len(name), name))
    ours = pd.DataFrame(
        [
            (metric, split, name, x, (i + x) / 5000, np.nan, 1)
            for metric, split in kind.curves
            for i, name in enumerate(series)
            for x in (10, 100, 200)
        ],
        columns=["metric", "split", "series", "x", "mean", "std", "n"],
    )
    figure = kind.draw(ours, paper, figures.Caption("MNIST", "1 hidden layer", "ours", "theirs"))
    assert len(figure.axes) == len(kind.curves)
    for axes, (metric, split) in zip(figure.axes, kind.curves, strict=True):
        mine = [line for line in axes.get_lines() if not dashed(line)]
        assert [line.get_ydata()[0] for line in mine] == [
            (i + 10) / 5000 for i in range(len(series))
        ]
        assert len({line.get_color() for line in mine}) == len(series)
        theirs = [line for line in axes.get_lines() if dashed(line) and len(line.get_xdata())]
        there = ((paper["metric"] == metric) & (paper["split"] == split)).any()
        assert len(theirs) == (len(series) if there else 0)
        assert axes.get_title(loc="left") and axes.get_xscale() in ("log", "symlog")
    legend = figure.axes[0].get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["ours", "theirs"]


def test_one_repeat_and_no_paper(tmp_path):
    make_run(tmp_path, dataset="digits", width=5)
    make_run(tmp_path, dataset="digits", width=10)
    table = results.last_epoch(results.load(tmp_path, history=False))
    ours = results.curves(results.summary(table), "width")
    caption = figures.Caption("Digits", "", "ours", "")
    (axes,) = figures.FIGURES[0].draw(ours, results.paper_curves().iloc[:0], caption).axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["ours"]


@pytest.mark.full
def test_draw_writes_figures_and_their_tables(runs, tmp_path, capsys):
    out = tmp_path / "figures"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a layout that does not fit is only a warning
        drawing.draw(runs, out)
    text = capsys.readouterr().out
    names = ["figure_2a_mnist", "figure_2b_mnist"]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        ["deviations.csv", *(f"{name}{end}" for name in names for end in (".png", ".svg", ".csv"))]
    )
    for name in names:
        image = matplotlib.image.imread(out / f"{name}.png")
        assert image.shape[1] > 800 and len(np.unique(image.reshape(-1, 4), axis=0)) > 100
        assert ET.parse(out / f"{name}.svg").getroot().tag.endswith("svg")
    table = pd.read_csv(out / "figure_2a_mnist.csv")
    row = table[(table["split"] == "train") & (table["x"] == 30)].iloc[0]
    assert row["mean"] == pytest.approx(0.515) and row["n"] == 2
    assert row["std"] == pytest.approx(0.01 / np.sqrt(2), abs=1e-6)
    paper = results.paper_curves().query("figure == 'fig2a' and split == 'train' and x == 30")
    assert row["paper"] == pytest.approx(paper.query("dataset == 'mnist'")["y"].item(), abs=1e-6)
    deviations = pd.read_csv(out / "deviations.csv")
    assert set(deviations["figure"]) == set(names)
    assert f"{deviations['mean_difference'].iloc[0]:.3f}" in text
    assert text.endswith(f"2 figures are in {out}\n")


def test_draw_says_what_is_left_out(tmp_path, capsys):
    run = make_run(tmp_path / "runs")
    values = {"train_redundancy_ratio": 0.5, "test_accuracy": 0.9}
    (run / "properties.json").write_text(
        '{"epochs": {"30": ' + str(values).replace("'", '"') + "}}"
    )
    drawing.draw(tmp_path / "runs", tmp_path / "figures")
    text = capsys.readouterr().out
    assert "Left out figure_2b of mnist: no accuracy or kmeans_accuracy" in text
    assert "Left out figure_8a, figure_8b: no training_time runs under" in text
    assert "Left out of figure_2a_mnist: redundancy_ratio (test) is not measured" in text
    assert "1 figure is in" in text


def test_some_figures_of_one_dataset(tmp_path, capsys):
    make_run(tmp_path / "runs")
    make_run(tmp_path / "runs", dataset="digits")
    out = tmp_path / "figures"
    drawing.draw(tmp_path / "runs", out, ["mnist"], ["figure_2a", "figure_3a"])
    text = capsys.readouterr().out
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {"figure_2a_mnist.png"} and "figure_2b" not in text
    assert "Left out figure_3a: it is drawn for other datasets than mnist." in text
    # What deviations.csv says of the others stays there.
    drawing.draw(tmp_path / "runs", out, ["mnist"], ["figure_2b"])
    drawing.draw(tmp_path / "runs", out, ["mnist"], ["figure_2b"])
    deviations = pd.read_csv(out / "deviations.csv")
    assert set(deviations["figure"]) == {"figure_2a_mnist", "figure_2b_mnist"}
    assert len(deviations) == len(deviations.drop_duplicates(["figure", "metric", "split"]))
    with pytest.raises(InputError, match=r"Received: figure_2z\. Did you mean figure_2"):
        drawing.draw(tmp_path / "runs", out, None, ["figure_2z"])
    with pytest.raises(InputError, match=r"Expected runs on cifar10 .* Received: runs on digits"):
        drawing.draw(tmp_path / "runs", out, ["cifar10"])


def test_every_figure_of_a_study_is_drawn_by_something():
    named = {name for one in STUDIES.values() for d in NAMES for name in one.figures_of(d)}
    assert named == set(drawing.DRAWINGS)
    for kind in figures.FIGURES:
        makers = [one for one in STUDIES.values() if kind.name in str(one.figures)]
        assert [one.directory for one in makers] == [kind.experiment]


@pytest.mark.full
def test_settings_are_not_mixed(tmp_path):
    root = tmp_path / "runs"
    make_run(root, width=10)
    make_run(root, width=20)
    make_run(root, width=10, depth=3)
    make_run(root, dataset="digits", width=10)
    drawing.draw(root, tmp_path / "figures")
    names = {path.stem for path in (tmp_path / "figures").glob("figure_2a*.csv")}
    assert names == {
        *("figure_2a_mnist_depth=1", "figure_2a_mnist_depth=3", "figure_2a_digits"),
    }
    other = pd.read_csv(tmp_path / "figures" / "figure_2a_mnist_depth=3.csv")
    assert other["paper"].isna().all()  # the paper has one hidden layer


def test_figures_folder_in_the_way(runs, tmp_path):
    (tmp_path / "figures").write_text("a file")
    with pytest.raises(InputError, match="Expected a folder that can be written at"):
        drawing.draw(runs, tmp_path / "figures")


def test_a_notebook_shows_a_figure_without_pyplot(runs):
    table = results.last_epoch(results.load(runs, history=False))
    caption = figures.Caption("MNIST", "1 hidden layer", "ours", "theirs")
    ours, paper = results.curves(results.summary(table), "width"), results.paper_curves()
    figure = kinds("width")[0].draw(ours, paper, caption)
    assert figure._repr_png_().startswith(b"\x89PNG")
    pairs = pd.DataFrame(
        [("l2", "knn_accuracy", "test", 10, 1, 0.5, 0.6)],
        columns=["condition", "metric", "split", "width", "repeat", "x", "y"],
    )
    chart = phases.shipped_chart("digits").points
    for one in (
        figures.figure_6(pairs.assign(metric="logistic_accuracy"), caption),
        figures.figure_10(pairs, caption),
        figures.phase_chart(chart, caption),
        place(chart, 0.1, 0.9),
    ):
        assert isinstance(one, style.Figure)


def test_with_and_without_have_the_same_ticks():
    """The line y = x is the diagonal of a square panel."""
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"x": rng.uniform(0.27, 0.7, 16), "y": rng.uniform(0.3, 0.75, 16)})
    pairs = pairs.assign(condition="batch_norm", metric="kmeans_accuracy", split="test")
    (axes,) = figures.figure_10(pairs, figures.Caption("MNIST", "", "", "")).axes
    assert axes.get_xticks().tolist() == axes.get_yticks().tolist()
    assert axes.get_aspect() == 1
    texts = [label.get_text() for label in axes.get_xticklabels()]
    assert "40%" in texts and not any("." in text for text in texts)


def test_the_gallery_has_every_figure():
    gallery = Path("docs/gallery.md").read_text(encoding="utf-8")
    for picture in Path("figures").glob("*.png"):
        assert f"{{figure}} ../figures/{picture.name}" in gallery
