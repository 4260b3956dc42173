"""A diagnosis of any model: encoding properties, layers, and its place on the phase chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tfhash import phases
from tfhash.codes import Codes
from tfhash.encoder import Encoder, encoder_of
from tfhash.errors import InputError
from tfhash.metrics._inputs import as_labels, check_labels
from tfhash.metrics.properties import measurable_properties
from tfhash.metrics.units import times_on
from tfhash.phases.chart import AXES, REGIME_TITLES
from tfhash.phases.shipped import SIZES, Chart
from tfhash.properties import ENCODING_PROPERTIES

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

NEAREST = 5  # points of the chart that are named
# Of the charts' datasets.
TITLES = {"digits": "the digits", "mnist": "MNIST", "cifar10": "CIFAR-10"}
ADVICE = {"width": "more units", "steps": "longer training", "sample_size": "more examples"}


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; `str()` gives it as a short text.

    Attributes
    ----------
    properties : dict of str to float
        Encoding properties by name, shares 0 to 1, as in `metrics.EncodingProperties`; those that
        could not be measured are left out.
    layers : pandas.DataFrame
        A row for each layer of the code: layer, n_units, dead (units never on), always_on, and
        mean_on (share of units that are on, mean over examples), all over the training set.
    regime : str or None
        "under_expressive", "critically_expressive" or "sufficiently_expressive"; None where the
        chart does not hold for the model.
    confidence : float or None
        Share of the thresholds fitted on resamples of the chart's points that name that regime.
        It says how firm the thresholds are, not how well a chart of another dataset applies.
    reasons : tuple of str
        Why there is no regime, a line each; empty where there is one.
    nearest : pandas.DataFrame
        The points of the chart nearest to the model, nearest first; empty without a regime.
    axis : str or None
        "width", "steps" or "sample_size", along which the nearest points improve most often; None
        without a regime, or where nothing improves any more.
    dataset : str
        What the chart's networks were trained on.
    notes : tuple of str
        A sentence for each property that examples are too few for.
    """

    properties: dict[str, float]
    layers: pd.DataFrame
    regime: str | None
    confidence: float | None
    reasons: tuple[str, ...]
    nearest: pd.DataFrame
    axis: str | None
    dataset: str
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.describe()

    def describe(self, properties: bool = True) -> str:
        """All of it as a short text; without the properties where they are shown already."""
        lines: list[str] = []
        if properties:
            lines.append("Encoding properties")
            shown = [(ENCODING_PROPERTIES[name].heading, v) for name, v in self.properties.items()]
            widest = max(len(heading) for heading, _ in shown)
            lines += [f"  {heading:{widest}} {value:.4f}" for heading, value in shown]
        lines += [note for note in self.notes if note not in self.reasons]
        lines.append("Layers (on the training set)")
        lines += ["  " + line for line in self.layers.to_string(index=False).splitlines()]
        if self.regime is None:
            lines.append("Regime: none, the phase chart does not hold here:")
            lines += [f"  {reason}" for reason in self.reasons]
            return "\n".join(lines)
        lines.append(
            f"Regime: {REGIME_TITLES[self.regime]} (confidence {self.confidence:.2f}, chart of "
            f"{TITLES[self.dataset]})"
        )
        depth = phases.shipped_chart(self.dataset).n_layers
        if len(self.layers) > 1 or depth > 1:
            n_units = int(self.layers["n_units"].sum())
            theirs = "one hidden layer" if depth == 1 else f"{depth} hidden layers of equal width"
            lines.append(
                f"Its width is taken to be {n_units / depth:,.4g}, for the {n_units:,} units of "
                f"its code; the chart's networks have {theirs}."
            )
        lines.append("Nearest networks of the chart")
        columns = [*AXES, "redundancy", "accuracy", "regime"]
        table = self.nearest[columns].replace({"regime": REGIME_TITLES})
        table = table.to_string(index=False, float_format="{:.3f}".format)
        lines += ["  " + line for line in table.splitlines()]
        step = "nothing improves there any more" if self.axis is None else ADVICE[self.axis]
        lines.append(f"What helps such networks most: {step}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it as numbers, words, lists and dicts, as JSON writes them."""
        nearest = self.nearest.astype(object).where(self.nearest.notna(), None)
        return {
            "properties": dict(self.properties),
            "layers": self.layers.to_dict("records"),
            "regime": self.regime,
            "confidence": self.confidence,
            "reasons": list(self.reasons),
            "nearest": nearest.to_dict("records"),
            "axis": self.axis,
            "dataset": self.dataset,
            "notes": list(self.notes),
        }

    def figure(self) -> Figure:
        """The chart's points by redundancy and accuracy, colored by regime, the model among them.

        Raises
        ------
        InputError
            Redundancy or K-NN accuracy of a test set was not measured.
        """
        from tfhash.figures.phase_chart import place

        names = ("test_redundancy_ratio", "knn_accuracy")
        if not all(name in self.properties for name in names):
            raise InputError(
                "Expected a diagnosis with a labeled test set: its redundancy and K-NN accuracy "
                "are the model's place. Received: a diagnosis without. Give `test=(x, y)`."
            )
        points = phases.shipped_chart(self.dataset).points
        found = ", which does not hold for the model"
        if self.regime is not None:
            found = f": the model is {REGIME_TITLES[self.regime]}"
        title = f"Chart of {TITLES[self.dataset]}{found}"
        redundancy, accuracy = (self.properties[name] for name in names)
        return place(points, redundancy, accuracy, title)


def diagnose(
    model: keras.Model | Encoder,
    train: Any,
    test: Any = None,
    *,
    batch_size: int | None = None,
    random_state: int | None = 0,
) -> Diagnosis:
    """How good a hash function a model's activation pattern is, and what would make it better.

    Parameters
    ----------
    model
        Any Keras model that `Encoder` takes, or an `Encoder` of what is to be read of it.
    train, test
        Inputs `x` [n, ...], or `(x, y)` with labels [n] or [n, 1]: what the model was trained on,
        and what it was not. Without labels redundancy alone is measured; without a labeled test set
        there is no regime. Labels in the batches of a dataset are not read: give them apart.
    batch_size
        As in `Encoder.encode`.
    random_state
        Of K-Means' starting points.

    Returns
    -------
    Diagnosis
        With the regime of the phase chart that comes with the package for inputs of that size: the
        digits' or MNIST's (networks of one hidden layer), or CIFAR-10's (of five; "Neural networks
        behave as hash encoders", Section 5.6). The width of a model is taken to be the units of its
        code, of all layers together, divided by the number of the chart's layers. Where the model
        is outside of the chart's range, it says so and names no regime.

    Raises
    ------
    ValueError
        Labels do not match the inputs, or as `Encoder.encode` and `metrics.encoding_properties`
        raise.
    """
    x, y = _pair(train, "train")
    x_test, y_test = (None, None) if test is None else _pair(test, "test")
    encoder = encoder_of(model)
    codes = encoder.encode(x, batch_size)
    if y is not None:
        check_labels(y, len(codes), "labels of train")
    test_codes = None if x_test is None else encoder.encode(x_test, batch_size)
    if y_test is not None and test_codes is not None:
        check_labels(y_test, len(test_codes), "labels of test")
    properties, notes = measurable_properties(
        codes, y, test_codes, y_test, random_state=random_state
    )
    return diagnose_codes(codes, properties, x=x, labels=y, notes=notes)


def diagnose_codes(
    codes: Codes,
    properties: Mapping[str, float],
    *,
    x: Any,
    labels: Any,
    notes: Sequence[str] = (),
) -> Diagnosis:
    """As `diagnose`, from a model's training codes and properties that are measured already.

    Parameters
    ----------
    codes
        Of the training set, [n, n_bits].
    properties
        By the names of `metrics.EncodingProperties`.
    x
        The training inputs.
    labels
        Training labels [n], or None.
    notes
        What `measurable_properties` says of those that it left out.
    """
    n_inputs = _n_inputs(x)
    chart = _chart(n_inputs)
    reasons = _reasons(chart, codes, properties, n_inputs, labels, notes)
    regime = confidence = axis = None
    nearest = chart.points.iloc[:0]
    if not reasons:
        redundancy, accuracy = properties["test_redundancy_ratio"], properties["knn_accuracy"]
        gap = chart.plateau - accuracy
        regime = str(chart.thresholds.regimes(np.array([redundancy]), np.array([gap]))[0])
        confidence = _confidence(chart, regime, redundancy, gap)
        nearest = chart.nearest(
            NEAREST,
            width=codes.n_bits / chart.n_layers,
            sample_size=len(codes),
            redundancy=redundancy,
            accuracy=accuracy,
        )
        axes = nearest.loc[nearest["axis"] != "", "axis"]
        axis = None if axes.empty else str(axes.mode().iloc[0])
    return Diagnosis(
        dict(properties),
        _layers(codes),
        regime,
        confidence,
        reasons,
        nearest,
        axis,
        chart.dataset,
        tuple(notes),
    )


def _pair(data: Any, name: str) -> tuple[Any, np.ndarray | None]:
    """Inputs, and labels or None."""
    if data is None:
        data = (None, None)
    if not isinstance(data, tuple):
        return data, None
    if len(data) != 2:
        raise InputError(
            f"Expected {name} as inputs, or as (inputs, labels). Received: {len(data)} parts."
        )
    x, y = data
    if x is None:
        raise InputError(f"Expected {name} as inputs, or as (inputs, labels). Received: no inputs.")
    try:
        return x, None if y is None else as_labels(y, f"labels of {name}")
    except ValueError as error:
        raise InputError(str(error)) from None


def _layers(codes: Codes) -> pd.DataFrame:
    on = times_on(codes)
    spans = [(span.name, span.start, span.stop) for span in codes.layers]
    rows = []
    for name, start, stop in spans or [("all", 0, codes.n_bits)]:
        of_layer = on[start:stop]
        rows.append(
            {
                "layer": name,
                "n_units": stop - start,
                "dead": int((of_layer == 0).sum()),
                "always_on": int((of_layer == len(codes)).sum()),
                "mean_on": round(float(of_layer.mean() / len(codes)), 6),
            }
        )
    return pd.DataFrame(rows)


def _n_inputs(x: Any) -> int | None:
    """Numbers in one example, of all inputs where there are several; None for batches of them."""
    if not isinstance(x, list | tuple | Mapping) and not hasattr(x, "shape"):
        return None
    if isinstance(x, Mapping):
        x = list(x.values())
    several = isinstance(x, list | tuple) and len(x) > 0 and np.ndim(x[0]) > 1
    return sum(int(np.prod(np.shape(part)[1:])) for part in (x if several else [x]))


def _chart(n_inputs: int | None) -> Chart:
    """The chart of inputs of that size, or where there is none the first of all."""
    of_size = (name for name, (size, *_) in SIZES.items() if size == n_inputs)
    return phases.shipped_chart(next(of_size, next(iter(SIZES))))


def _reasons(
    chart: Chart,
    codes: Codes,
    properties: Mapping[str, float],
    n_inputs: int | None,
    labels: Any,
    notes: Sequence[str],
) -> tuple[str, ...]:
    """Why the chart does not hold, a line each."""
    missing = [n for n in ("test_redundancy_ratio", "knn_accuracy") if n not in properties]
    if missing and notes:
        return tuple(notes)
    if missing:
        names = " and ".join(ENCODING_PROPERTIES[name].heading for name in missing)
        why = "give a labeled test set (with --metrics, redundancy and knn among them)"
        if labels is None:
            why = "there are no labels beside the training inputs"
        return (f"{names}: not measured; {why}",)
    lines = []
    if n_inputs is None:
        lines.append(
            "the training inputs come in batches, whose size is not known: give them as arrays"
        )
    elif n_inputs != chart.n_inputs:
        theirs = ", ".join(f"{size} ({name})" for name, (size, *_) in SIZES.items())
        lines.append(f"inputs have {n_inputs:,} numbers; those of the charts have {theirs}")
    n_classes = len(np.unique(labels))
    if n_classes != chart.n_classes:
        there = "is 1 class" if n_classes == 1 else f"are {n_classes} classes"
        lines.append(f"there {there}; the chart's data has {chart.n_classes}")
    lines += chart.outside(
        width=codes.n_bits / chart.n_layers,
        sample_size=len(codes),
        redundancy=properties["test_redundancy_ratio"],
        accuracy=properties["knn_accuracy"],
    )
    return tuple(lines)


def _confidence(chart: Chart, regime: str, redundancy: float, gap: float) -> float:
    """Share of the resampled thresholds that name `regime`."""
    at = np.array([redundancy]), np.array([gap])
    return float(np.mean([one.regimes(*at)[0] == regime for one in chart.resampled]))
