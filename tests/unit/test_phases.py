"""Regimes, thresholds and shifts, on charts whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

from tfhash.errors import InputError
from tfhash.phases import (
    AXES,
    REGIMES,
    Thresholds,
    bootstrap,
    chart_points,
    fit_thresholds,
    held_out,
    regimes,
)
from tfhash.phases.shipped import Chart
from tfhash.phases.thresholds import agreement, intervals
from tfhash.runs.shifts import pairs, shifts

WIDTHS = (4, 8, 16, 32, 64, 128, 256)


def points(noise=0.001, seeds=3):
    """Networks that improve with width, are then at rest, whatever else."""
    rng = np.random.default_rng(0)
    rows = []
    for i, width in enumerate(WIDTHS):
        for steps in (0, 10, 20):
            for size in (50, 100):
                for repeat in range(1, seeds + 1):
                    rows.append(
                        {
                            "width": width,
                            "steps": steps,
                            "sample_size": size,
                            "repeat": repeat,
                            "redundancy": max(0.8 - 0.2 * i, 0.0) + noise * rng.random(),
                            "accuracy": min(0.3 + 0.15 * i, 0.9) + noise * rng.random(),
                        }
                    )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def chart():
    return regimes(points())


def test_regimes_follow_what_changes(chart):
    by_width = chart.groupby("width")["regime"].agg(lambda names: set(names))
    for width in (4, 8, 16, 32):
        assert by_width[width] == {"under_expressive"}
    assert by_width[256] == {"sufficiently_expressive"}
    assert set(chart["regime"]) <= set(REGIMES)
    assert set(chart.loc[chart["width"] < 32, "axis"]) == {"width"}
    assert set(chart.loc[chart["width"] == 256, "axis"]) == {""}
    assert (chart["n"] == 3).all()


def test_elasticities_are_those_of_a_least_squares_plane(chart):
    """Against a regression solved by scipy for its normal equations, term by term."""
    given = points()
    near = given[given["width"].isin([4, 8, 16, 32])]  # two steps to either side of 8
    logs = np.log2(near[list(AXES)].replace({"steps": {0: 5}}).to_numpy(float))
    design = np.column_stack([np.ones(len(logs)), logs])
    row = chart[(chart["width"] == 8) & (chart["steps"] == 10) & (chart["sample_size"] == 50)]
    for value in ("distinct", "accuracy"):
        y = np.log2(1 - near["redundancy"] if value == "distinct" else near["accuracy"]).to_numpy()
        slopes, rest, _, _ = linalg.lstsq(design, y)
        spread = np.sqrt(np.diag(linalg.pinv(design) @ linalg.pinv(design).T) * rest / (len(y) - 4))
        p = 2 * stats.t.sf(np.abs(slopes / spread), len(y) - 4)
        for i, axis in enumerate(AXES, 1):
            assert row[f"{value}_by_{axis}"].item() == pytest.approx(slopes[i], abs=1e-12)
            assert row[f"{value}_by_{axis}_p"].item() == pytest.approx(p[i])
    # From 0.2 to 0.8 of all codes distinct, in three doublings.
    assert row["distinct_by_width"].item() == pytest.approx(0.66, abs=0.03)


def test_what_does_not_vary_nearby_has_no_elasticity():
    """Where points are missing, an axis may have one value alone within reach."""
    few = points()
    far = pd.DataFrame([{**few.iloc[0], "width": w} for w in (1024, 4096, 8192)])
    found = regimes(pd.concat([few, far.astype(few.dtypes)])).set_index("width").loc[8192]
    assert np.isnan(found["distinct_by_steps"]) and np.isnan(found["distinct_by_steps_p"])


def test_few_codes_that_become_more_are_a_change(chart):
    """From one to eight codes of 10,000 nothing is seen in redundancy, and everything in codes."""
    few = points(noise=0.0)
    few["redundancy"] = 1 - few["width"] / 40_000
    few["accuracy"] = 0.1 + few["width"] / 1_000
    found = regimes(few, plateau=1.0)
    assert set(found["regime"]) == {"under_expressive"}
    assert found["distinct_by_width"].to_numpy() == pytest.approx(1.0)


def test_shares_of_nothing_have_a_logarithm():
    few = points()
    few.loc[few["width"] == 4, "redundancy"] = 1.0
    few.loc[few["width"] == 4, "accuracy"] = 0.0
    assert np.isfinite(regimes(few)["distinct_by_width"]).all()


def test_a_plateau_may_be_given(chart):
    higher = regimes(points(), plateau=1.0)
    assert higher["gap"].to_numpy() == pytest.approx(1 - chart["accuracy"].to_numpy())
    assert not (higher["regime"] == "sufficiently_expressive").all()
    with pytest.raises(InputError, match="plateau"):
        regimes(points(), plateau=0.5)


def test_thresholds_are_found_again(chart):
    truth = Thresholds(0.3, 0.4, 0.1, 0.2)
    rng = np.random.default_rng(1)
    made = pd.DataFrame({"redundancy": rng.random(800) ** 2, "gap": rng.random(800) ** 2})
    made["regime"] = truth.regimes(made["redundancy"], made["gap"])
    made["width"] = rng.choice(WIDTHS, 800)
    fitted = fit_thresholds(made, n_candidates=200)
    assert agreement(fitted, made) > 0.97
    table = intervals(fitted, bootstrap(made, 40)).set_index("threshold")
    assert (table["low"] <= table["high"]).all()
    for name, value in vars(truth).items():
        assert table.loc[name, "low"] - 0.06 <= value <= table.loc[name, "high"] + 0.06
    tests = held_out(made, n=10)
    assert [one.split for one in tests] == ["random halves", "held-out widths"]
    assert all(one.agreement > 0.9 > one.constant for one in tests)


def test_thresholds_cannot_name_regimes_drawn_at_random():
    rng = np.random.default_rng(2)
    made = pd.DataFrame({"redundancy": rng.random(600), "gap": rng.random(600)})
    made["regime"] = rng.choice(REGIMES, 600)
    made["width"] = rng.choice(WIDTHS, 600)
    assert all(one.agreement < 0.45 for one in held_out(made, n=10))


def test_missing_seeds_count_as_what_is_there(chart):
    few = points().query("not (width == 8 and repeat == 3) and not (width == 16 and steps == 10)")
    found = regimes(few)
    assert len(found) == len(chart) - 2
    assert set(found.loc[found["width"] == 8, "n"]) == {2}
    assert set(found.loc[found["width"] == 4, "n"]) == {3}


@pytest.mark.parametrize("axis", AXES)
def test_one_value_of_an_axis_is_refused(axis):
    one = points()
    with pytest.raises(InputError, match=f"at least two values of {axis}"):
        regimes(one[one[axis] == one[axis].iloc[0]])


def test_what_is_no_chart_is_refused():
    bad = points()
    bad.loc[3, "accuracy"] = np.nan
    with pytest.raises(InputError, match="finite"):
        regimes(bad)
    with pytest.raises(InputError, match="none"):
        fit_thresholds(regimes(points()).iloc[:0])
    table = pd.DataFrame(columns=["dataset", "metric", "split", "epoch", "value"])
    with pytest.raises(InputError, match="Received: none"):
        chart_points(table)


def test_points_of_a_table():
    rows = [
        {"dataset": "digits", "metric": metric, "split": "test", "value": value, **run}
        for run in (
            {"width": 4, "sample_size": 20, "repeat": r, "epoch": e, "batch_size": 32}
            | {"epoch_size": 320}
            for r in (1, 2)
            for e in (0, 3)
        )
        for metric, value in (("redundancy_ratio", 0.25), ("knn_accuracy", 0.5), ("accuracy", 1.0))
    ]
    found = chart_points(pd.DataFrame(rows))
    assert sorted(set(found["steps"])) == [0, 30] and len(found) == 4
    assert set(found["redundancy"]) == {0.25} and set(found["accuracy"]) == {0.5}


def test_a_chart_says_what_is_outside_and_what_is_near(chart):
    one = Chart("made", chart, fit_thresholds(chart), pd.DataFrame())
    assert one.outside(width=64, redundancy=0.5) == []
    assert one.outside(width=300, accuracy=0.93, sample_size=71) == []
    assert len(one.outside(width=2.5, accuracy=0.96, sample_size=142)) == 3
    assert one.outside(width=1000) == ["width is 1000; the chart has 4 to 256"]
    near = one.nearest(3, width=16, sample_size=50, redundancy=0.4, accuracy=0.6)
    assert set(near["width"]) == {16} and near["distance"].is_monotonic_increasing
    assert one.plateau == pytest.approx(0.9, abs=0.01)


def test_shifts_are_those_of_a_paired_t_test():
    rng = np.random.default_rng(3)
    rows = [
        {"condition": c, "metric": "knn_accuracy", "split": "test", "width": w, "repeat": r}
        | {"value": w / 100 + (0.05 if c == "l2" else 0) + 0.01 * rng.normal()}
        for c in ("none", "l2")
        for w in (10, 20, 40)
        for r in (1, 2)
    ]
    table = pd.DataFrame(rows)
    paired = pairs(table, "condition", "none")
    assert len(paired) == 6
    row = shifts(paired, "condition").iloc[0]
    expected = stats.ttest_rel(paired["y"], paired["x"])
    interval = expected.confidence_interval()
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["spread"] == pytest.approx(0.3, abs=0.03)
    assert len(pairs(table[:-1], "condition", "none")) == 5  # one has no partner
    assert np.isnan(shifts(paired[:1], "condition")["p"].item())
    with pytest.raises(InputError, match="condition=none"):
        pairs(table[table["condition"] == "l2"], "condition", "none")
