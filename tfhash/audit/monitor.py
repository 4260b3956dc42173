"""A monitor that tells inputs unlike the training data, by the distance of their codes."""

from __future__ import annotations

import json
import math
import zipfile
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError

from tfhash.archives import check_arrays
from tfhash.codes import Codes, Origin, whole_number
from tfhash.files import replacing
from tfhash.metrics import hamming_knn
from tfhash.metrics._inputs import CodesLike, as_codes, check_classes, check_labels, plain_labels

FORMAT = "tfhash RegionMonitor 1"


class RegionMonitor:
    """Tells inputs whose codes are far from those of the training data.

    The score of an input is the Hamming distance to the k-th nearest training code: of those of
    the class that the model predicts where predictions are given, else of all. `calibrate` sets
    the threshold by split conformal prediction, from held-out data like the training data alone.

    Parameters
    ----------
    k : int, at least 1
    normalize : bool
        Divide the distance by the number of units that are on in the input's code (at least 1).

    Attributes
    ----------
    threshold_ : float
        Scores above it are unlike the training data; after `calibrate`.
    false_alarm_rate_ : float

    Examples
    --------
    >>> monitor = RegionMonitor(k=1).fit(codes, y)  # doctest: +SKIP
    >>> monitor.calibrate(held_out, false_alarm_rate=0.01)  # doctest: +SKIP
    >>> unlike = monitor.predict(new)  # doctest: +SKIP
    """

    threshold_: float
    false_alarm_rate_: float
    _by_class: bool  # whether calibrate was given predicted labels

    def __init__(self, k: int = 1, normalize: bool = False) -> None:
        self.k = k
        self.normalize = normalize

    def fit(self, codes: CodesLike, y: ArrayLike | None = None) -> RegionMonitor:
        """Keep the training codes.

        Parameters
        ----------
        codes : Codes, or 0/1 matrix [n, n_bits]
        y : labels [n], optional
            Needed for scores by the predicted class.

        Raises
        ------
        ValueError
            Where `k` is not from 1 to the number of codes (of each class, with labels), there is
            not a label for each code, labels are no classes (numbers that are not whole), or codes
            that are memory-mapped are damaged.
        """
        checked = as_codes(codes, "codes")
        labels = None if y is None else plain_labels(check_labels(y, len(checked)))
        fewest, of = len(checked), "the codes"
        if labels is not None:
            check_classes(labels)
            fewest = int(np.unique(labels, return_counts=True)[1].min())
            of = "the codes of the smallest class"
        whole_number(self.k, f"k (at most as many as {of})", 1, fewest)
        for name in ("threshold_", "false_alarm_rate_", "_by_class"):
            self.__dict__.pop(name, None)
        checked.verify(again=False)  # of codes that are memory-mapped: a small part of the work
        self._codes, self._labels, self._origin = checked, labels, Origin.of(checked)
        self._classes: dict[Any, Codes] = {}
        if labels is not None:
            classes, ids = np.unique(labels, return_inverse=True)
            self._classes = {label: checked[ids == i] for i, label in enumerate(classes.tolist())}
        return self

    def score(self, codes: CodesLike, predicted: ArrayLike | None = None) -> NDArray[np.float64]:
        """The distance to the k-th nearest training code, float64 [n], in bits (a share of the
        units on with `normalize`); higher is more unlike the training data.

        Parameters
        ----------
        codes : Codes, or 0/1 matrix [n, n_bits]
        predicted : labels [n], optional
            The classes that the model predicts for these inputs: each is compared with the
            training codes of its class alone.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            Where the codes are of other bits or layers than those fitted, or known to be of another
            model (`Codes.source`), or a predicted label is none of the training data's.
        """
        asked = self._checked(codes)
        if predicted is None:
            distances = self._distances(self._codes, asked)
        else:
            distances = self._distances_by_class(
                asked, check_labels(predicted, len(asked), "predicted")
            )
        if self.normalize:
            nothing = Codes(np.zeros((1, asked.words.shape[1]), np.uint64), asked.n_bits)
            distances /= np.maximum(1, hamming_knn(nothing, asked, 1)[0][:, 0])
        return distances

    def _distances(self, base: Codes, asked: Codes) -> NDArray[np.float64]:
        return hamming_knn(base, asked, self.k)[0][:, -1].astype(np.float64)

    def _distances_by_class(self, asked: Codes, predicted: NDArray[Any]) -> NDArray[np.float64]:
        if self._labels is None:
            raise ValueError(
                "Expected no predicted labels, because fit was given none. Give fit the labels y "
                "of the training codes."
            )
        distances = np.empty(len(asked))
        classes, ids = np.unique(plain_labels(predicted), return_inverse=True)
        for i, label in enumerate(classes.tolist()):
            base = self._classes.get(label)
            if base is None:
                raise ValueError(
                    "Expected predicted labels among those of the training codes, "
                    f"{list(self._classes)[:20]}. Received: {label!r}."
                )
            rows = np.flatnonzero(ids == i)
            distances[rows] = self._distances(base, asked[rows])
        return distances

    def calibrate(
        self,
        held_out: CodesLike,
        false_alarm_rate: float = 0.01,
        predicted: ArrayLike | None = None,
    ) -> RegionMonitor:
        """Set the threshold so that data like the held-out data seldom exceeds it.

        Split conformal prediction: with `n` held-out scores the threshold is the
        `ceil((n + 1) * (1 - false_alarm_rate))`-th smallest. A new input that is exchangeable with
        the held-out ones then exceeds it with a probability of at most `false_alarm_rate`,
        whatever the model and the data (Angelopoulos and Bates, "A gentle introduction to
        conformal prediction", Section 1).

        Parameters
        ----------
        held_out : Codes, or 0/1 matrix [n, n_bits]
            Of inputs like the training data that the model was not trained on, and that are not
            among the codes fitted.
        false_alarm_rate : float between 0 and 1
        predicted : labels [n], optional
            As in `score`; `predict` then needs them too.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `score`; where the rate is out of range, or there are too few held-out codes for it:
            `1 / false_alarm_rate - 1` are needed.
        """
        if not isinstance(false_alarm_rate, Real) or not 0 < false_alarm_rate < 1:
            raise ValueError(
                f"Expected false_alarm_rate between 0 and 1. Received: {false_alarm_rate!r}."
            )
        scores = np.sort(self.score(held_out, predicted))
        # The slack is for products such as 100 * 0.99 that come out a hair above a whole number.
        rank = math.ceil((len(scores) + 1) * (1 - false_alarm_rate) - 1e-9)
        if rank > len(scores):
            needed = math.ceil(1 / false_alarm_rate - 1 - 1e-9)
            raise ValueError(
                f"Expected {needed} held-out codes or more for a false_alarm_rate of "
                f"{false_alarm_rate:g}. Received: {len(scores)}. Hold out more, or raise the rate."
            )
        self.threshold_, self.false_alarm_rate_ = float(scores[rank - 1]), float(false_alarm_rate)
        self._by_class = predicted is not None
        return self

    def predict(self, codes: CodesLike, predicted: ArrayLike | None = None) -> NDArray[np.bool_]:
        """bool [n]: True where an input is unlike the training data.

        Parameters as `score`. Raises NotFittedError before `fit` or `calibrate`, ValueError as
        `score` and where predicted labels are given though `calibrate` had none, or the reverse.
        """
        self._checked(codes)
        if not hasattr(self, "threshold_"):
            raise NotFittedError(
                "Expected a monitor that is calibrated. Call calibrate(held_out) before predict."
            )
        if (predicted is not None) != self._by_class:
            given, needed = ("none", "them") if self._by_class else ("some", "none")
            raise ValueError(
                "Expected predicted labels as in calibrate, because the threshold is for such "
                f"scores: it was given {needed}. Received: {given}."
            )
        return self.score(codes, predicted) > self.threshold_

    def _checked(self, codes: CodesLike) -> Codes:
        if not hasattr(self, "_codes"):
            raise NotFittedError("Expected a monitor that is fitted. Call fit(codes, y) first.")
        asked = as_codes(codes, "codes", allow_empty=True)
        self._origin.check(Origin.of(asked), "codes", "as fitted")
        return asked

    def save(self, path: str | PathLike[str]) -> None:
        """Write the monitor to one file, whole or not at all.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            Where labels are objects other than words and numbers.
        OSError
            Where the file cannot be written.
        """
        if not hasattr(self, "_codes"):
            raise NotFittedError("Expected a monitor that is fitted. Call fit(codes, y) first.")
        about = {
            "format": FORMAT,
            "k": int(self.k),
            "normalize": bool(self.normalize),
            "n_bits": self._codes.n_bits,
            "layers": [list(layer) for layer in self._codes.layers],
            "labels": self._labels is not None,
            "model": self._origin.model,
            "threshold": getattr(self, "threshold_", None),
            "false_alarm_rate": getattr(self, "false_alarm_rate_", None),
            "by_class": getattr(self, "_by_class", None),
        }
        labels = np.zeros(0) if self._labels is None else self._labels
        if labels.dtype.kind in "OV":
            raise ValueError(
                "Expected labels that are words, numbers or dates of NumPy's, to be saved. "
                f"Received: {type(labels[0]).__name__}. Fit with such labels."
            )
        with replacing(Path(path)) as file:
            np.savez(
                file, about=np.array(json.dumps(about)), words=self._codes.words, labels=labels
            )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> RegionMonitor:
        """Read what `save` wrote.

        Raises
        ------
        OSError
            Where there is no such file, or it may not be read.
        ValueError
            Where the file is no monitor, of a later version, or damaged.
        """
        with open(path, "rb") as file:
            return cls._read(file, path)

    @classmethod
    def _read(cls, file: BinaryIO, path: str | PathLike[str]) -> RegionMonitor:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError("no .npz archive")
            check_arrays(file)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                words, labels = arrays["words"], arrays["labels"]
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']!r}")
            monitor = cls(about["k"], about["normalize"])
            codes = Codes(words, about["n_bits"], [tuple(layer) for layer in about["layers"]])
            monitor.fit(codes, labels if about["labels"] else None)
            model = about.get("model")
            monitor._origin = monitor._origin._replace(model=None if model is None else str(model))
            if about["threshold"] is not None:
                monitor.threshold_ = float(about["threshold"])
                monitor.false_alarm_rate_ = float(about["false_alarm_rate"])
                monitor._by_class = bool(about["by_class"])
                if not math.isfinite(monitor.threshold_):  # above NaN there is nothing: no alarm
                    raise ValueError(f"a threshold of {monitor.threshold_}")
        except MemoryError:
            raise
        except Exception as error:  # zipfile and NumPy have many for a damaged archive
            raise ValueError(
                f"Expected a file that RegionMonitor.save wrote. Received: {path} ({error})."
            ) from error
        return monitor
