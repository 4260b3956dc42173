"""Pictures of representations are drawn from tables."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")
from matplotlib.patches import StepPatch  # noqa: E402

from tfhash import figures  # noqa: E402
from tfhash.figures import style  # noqa: E402


def test_histogram_has_one_outline_a_class():
    table = pd.DataFrame(
        [(label, i, i + 1, 3 * i + label) for label in (0, 1) for i in range(4)],
        columns=["label", "left", "right", "count"],
    )
    (axes,) = figures.unit_histogram(table, "title").axes
    outlines = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    assert len(outlines) == len(axes.patches)
    drawn = [outline.get_data() for outline in outlines]
    assert [values.tolist() for values, _, _ in drawn] == [[0, 3, 6, 9], [1, 4, 7, 10]]
    assert drawn[0][1].tolist() == [0, 1, 2, 3, 4]


def test_scatter_has_all_points():
    table = pd.DataFrame({"label": [0, 1, 0], "first": [1.0, 2, 3], "second": [4.0, 5, 6]})
    (axes,) = figures.unit_scatter(table).axes
    points = np.concatenate([part.get_offsets() for part in axes.collections])
    assert sorted(points.tolist()) == [[1, 4], [2, 5], [3, 6]]


def test_characteristics_by_layer():
    table = pd.DataFrame({"sparsity": [0.1, 0.5], "amplitude": [2.0, 3.0]}, index=["a", "b"])
    figure = figures.characteristics_by_layer(table, ["sparsity", "amplitude"])
    drawn = [np.asarray(axes.lines[0].get_ydata()).tolist() for axes in figure.axes]
    assert drawn == [[0.1, 0.5], [2, 3]]
    with pytest.raises(ValueError, match="rank"):
        figures.characteristics_by_layer(table, ["rank"])


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0.3, 0.4, 0.7], ["30%", "40%", "70%"]),
        ([0.0, 0.02, 0.1], ["0%", "2%", "10%"]),
        ([0.0, 0.025, 0.05], ["0.0%", "2.5%", "5.0%"]),
        ([-1e-17, 0.2, 0.30000000000000004], ["0%", "20%", "30%"]),
        ([0.9999, 1.0], ["99.99%", "100.00%"]),
        ([], []),
    ],
)
def test_percent_has_the_decimals_that_ticks_need(ticks, texts):
    assert style.PercentTicks().format_ticks(ticks) == texts


def test_shares_are_read_as_percent_and_others_as_numbers():
    table = pd.DataFrame({"sparsity": [0.1, 0.5], "amplitude": [2.0, 3.0]}, index=["a", "b"])
    shares, others = figures.characteristics_by_layer(table, ["sparsity", "amplitude"]).axes
    rows = [(m, 10, w, 0.5, np.nan) for m in ("stable_rank", "accuracy") for w in (0.0, 1.0)]
    curves = pd.DataFrame(rows, columns=["metric", "n_factors", "weight", "mean", "std"])
    caption = figures.Caption("MNIST", "", "", "")
    rank, accuracy = figures.by_weight(curves, ("stable_rank", "accuracy"), caption).axes
    formatters = [one.yaxis.get_major_formatter() for one in (shares, others, rank, accuracy)]
    texts = [one.format_ticks([1.0])[0] for one in formatters]
    assert [text.endswith("%") for text in texts] == [True, False, False, True]


@pytest.mark.parametrize("table", (np.eye(2), pd.DataFrame({"sparsity": [0.5]})))
def test_what_is_no_table_of_units_is_refused(table):
    for draw in (figures.unit_histogram, figures.unit_scatter):
        with pytest.raises(ValueError, match=r"columns label.*unit_tables gives it"):
            draw(table)


def test_numbers_of_inputs_are_whole():
    bins = pd.DataFrame([(0, 0.0, 1.0, 1)], columns=["label", "left", "right", "count"])
    (axes,) = figures.unit_histogram(bins).axes
    assert all(float(tick).is_integer() for tick in axes.get_yticks())


def test_units_by_regularizer_is_two_panels_each():
    names = ["Baseline", "CR"]
    bins = pd.DataFrame(
        [(name, 0, i, i + 1, i + len(name)) for name in names for i in range(3)],
        columns=["regularizer", "label", "left", "right", "count"],
    )
    points = pd.DataFrame({"regularizer": names, "label": 0, "first": [1, 3], "second": [2, 4]})
    axes = figures.units_by_regularizer(bins, points).axes
    assert [one.get_title(loc="left") for one in axes[:2]] == names
    outlines = [one.patches[0] for one in axes[:2]]
    drawn = [one.get_data()[0].tolist() for one in outlines if isinstance(one, StepPatch)]
    assert drawn == [[8, 9, 10], [2, 3, 4]]
    spots = [np.asarray(one.collections[0].get_offsets()) for one in axes[2:]]
    assert [one.tolist() for one in spots] == [[[1, 2]], [[3, 4]]]


def test_information_has_both_bounds_and_the_error():
    bounds = ["mi_x_lower", "mi_x_upper", "mi_y_lower", "mi_y_upper"]
    table = pd.DataFrame({name: [i + 1.0, i + 2.0] for i, name in enumerate(bounds)})
    table = table.assign(regularizer=["Baseline", "CR"], test_error=[3.0, 2.5])
    correlations = pd.DataFrame({"bound": bounds, "correlation": 0.5, "n": 2})
    axes, error = figures.information(table, correlations).axes
    drawn = [np.asarray(line.get_ydata()).tolist() for line in axes.lines]
    assert drawn == [table[name].tolist() for name in bounds]
    assert np.asarray(error.lines[0].get_ydata()).tolist() == [3.0, 2.5]
    assert error.yaxis.get_major_formatter().format_ticks([2.5, 3.0]) == ["2.5%", "3.0%"]
    # The grid is that of the left axis alone.
    assert [any(line.get_visible() for line in one.get_ygridlines()) for one in (axes, error)] == [
        *(True, False)
    ]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Baseline", "CR"]
