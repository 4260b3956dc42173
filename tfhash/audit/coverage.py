"""How much of a network's behavior some data has shown: sums that only grow and can be merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfhash.codes import Codes, Origin, real_array, whole_number
from tfhash.codes.layers import checked_layers
from tfhash.metrics import hamming_knn
from tfhash.metrics._inputs import CodesLike, as_codes
from tfhash.metrics.graph import checked_radius

SLAB_BYTES = 1 << 23


@dataclass(frozen=True)
class CoverageResult:
    """What the data has covered.

    Attributes
    ----------
    n_examples : int
        How many codes were seen, equal ones each time.
    neurons : float
        The share of units that were on at least `min_count` times (neuron coverage; Pei et al.,
        "DeepXplore", Section 4.1, on the code's threshold of 0).
    both : float
        The share of units that were both on and off, each at least once.
    layers : dict from name to float
        `neurons` of each layer; empty where the codes do not name their layers.
    regions : float or None
        The share of the reference's codes that have a code seen within the radius; None without a
        reference.
    """

    n_examples: int
    neurons: float
    both: float
    layers: dict[str, float]
    regions: float | None


class Coverage:
    """Coverage that more data only raises, whatever its order.

    Units ever on and ever off are a bitwise OR each, so the memory is two rows of codes, with
    `min_count` above 1 also a count for each unit. `update` reads codes in slabs, from disk too
    (`Codes.load(path, mmap=True)`).

    Parameters
    ----------
    n_bits : int
    layers : as `Codes.layers`
    min_count : int, at least 1
        How often a unit must have been on to be covered.
    reference : Codes, or 0/1 matrix [m, n_bits], optional
        Codes, for instance of the training set, whose neighborhoods are to be covered.
    radius : int, 0 or more
        A reference code is covered by a code within this many bits.

    Raises
    ------
    ValueError
        Where a number is not whole or out of its range, the layers do not cover the bits in
        order, or the reference is of another width.
    """

    def __init__(
        self,
        n_bits: int,
        layers: Sequence[tuple[str, int, int]] = (),
        min_count: int = 1,
        reference: CodesLike | None = None,
        radius: int = 0,
    ) -> None:
        self.n_bits = whole_number(n_bits, "n_bits", 1)
        self.layers = checked_layers(layers, self.n_bits)
        self.min_count = whole_number(min_count, "min_count", 1)
        self.radius = checked_radius(radius, self.n_bits)
        n_words = -(-self.n_bits // 64)
        self._n_examples = 0
        self._origin = Origin(self.n_bits, self.layers, None)  # of the codes seen
        self._on = np.zeros(n_words, np.uint64)
        self._off = np.zeros(n_words, np.uint64)
        self._counts = np.zeros(self.n_bits if self.min_count > 1 else 0, np.int64)
        self._reference = None if reference is None else as_codes(reference, "reference")
        self._met = np.zeros(0 if self._reference is None else len(self._reference), bool)
        if self._reference is not None:
            self._check(self._reference, "reference")

    def update(self, codes: CodesLike) -> Coverage:
        """Add codes [n, n_bits]; returns itself.

        Raises ValueError for codes of another width, or known to be of another model.
        """
        checked = as_codes(codes, "codes", allow_empty=True)
        self._check(checked, "codes")
        width = max(1, 8 * checked.words.shape[1] * (8 if self.min_count > 1 else 1))
        step = max(1, SLAB_BYTES // width)
        for start in range(0, len(checked), step):
            slab = checked[start : start + step]
            self._on |= np.bitwise_or.reduce(slab.words, axis=0)
            self._off |= ~np.bitwise_and.reduce(slab.words, axis=0)
            if self.min_count > 1:
                self._counts += slab.to_bits().sum(axis=0, dtype=np.int64)
        if self._reference is not None and len(checked) and not self._met.all():
            left = np.flatnonzero(~self._met)
            nearest, _ = hamming_knn(checked, self._reference[left], 1)
            self._met[left[nearest[:, 0] <= self.radius]] = True
        self._n_examples += len(checked)
        return self

    def merge(self, other: Coverage) -> Coverage:
        """Add what another has seen; returns itself.

        Raises ValueError unless both are `Coverage` of the same bits, layers, model (where it is
        known), `min_count`, radius and reference.
        """
        if not isinstance(other, Coverage):
            raise ValueError(
                f"Expected other to be Coverage, to be merged. Received: {type(other).__name__}."
            )
        other_form = other._form()
        for what, ours in self._form().items():
            theirs = other_form[what]
            if ours != theirs:
                raise ValueError(
                    f"Expected coverage of the same {what} to merge. Received: {ours} and {theirs}."
                )
        self._accept(other._origin, "other", "as here")
        self._on |= other._on
        self._off |= other._off
        self._counts += other._counts
        self._met |= other._met
        self._n_examples += other._n_examples
        return self

    def result(self) -> CoverageResult:
        """What has been covered up to now; 0 throughout before the first code."""
        on = self._counts >= self.min_count if self.min_count > 1 else self._bits(self._on)
        both = self._bits(self._on & self._off)
        layers = {
            name: float(on[start:stop].sum() / max(1, stop - start))
            for name, start, stop in self.layers
        }
        regions = None if self._reference is None else float(self._met.mean())
        return CoverageResult(
            self._n_examples, float(on.mean()), float(both.mean()), layers, regions
        )

    def _bits(self, words: NDArray[np.uint64]) -> NDArray[np.bool_]:
        bits = np.unpackbits(words.view(np.uint8), count=self.n_bits, bitorder="little")
        return bits.astype(bool)

    def _form(self) -> dict[str, object]:
        return {
            "n_bits": self.n_bits,
            "layers": self.layers,
            "min_count": self.min_count,
            "radius": self.radius,
            "reference": self._reference,
        }

    def _check(self, codes: Codes, name: str) -> None:
        self._accept(Origin.of(codes), name, "as this coverage has")

    def _accept(self, origin: Origin, name: str, of: str) -> None:
        self._origin.check(origin, name, of)
        self._origin = self._origin._replace(model=self._origin.model or origin.model)


def coverage(
    codes: CodesLike,
    min_count: int = 1,
    reference: CodesLike | None = None,
    radius: int = 0,
) -> Coverage:
    """The coverage of some codes, to which more can be added.

    Parameters
    ----------
    codes : Codes, or 0/1 matrix [n, n_bits]
    min_count, reference, radius : see `Coverage`

    Raises
    ------
    ValueError
        As `Coverage`, or where there are no codes.
    """
    checked = as_codes(codes, "codes")
    return Coverage(checked.n_bits, checked.layers, min_count, reference, radius).update(checked)


def top_units(activations: ArrayLike, k: int, layers: Sequence[tuple[str, int, int]] = ()) -> Codes:
    """Codes whose bit is 1 where a unit is among the `k` most active of its layer.

    Their `coverage` is top-k neuron coverage (Ma et al., "DeepGauge", Section 3.2). Codes alone do
    not tell which of the units that are on is the most active.

    Parameters
    ----------
    activations : float or int [n, n_bits]
        Of equally active units those of the lower index are taken.
    k : int, at least 1
        A layer of fewer units is on as a whole.
    layers : sequence of (name, start, stop), optional
        As `Codes.layers`; without it all units are one layer.

    Raises
    ------
    ValueError
        Where `k` is no whole number >= 1, the activations are no matrix of real numbers or hold a
        NaN, or the layers do not cover the units in order.
    """
    values = real_array(activations, "activations")
    if values.ndim != 2 or np.isnan(values).any():
        raise ValueError(
            "Expected activations as a matrix of numbers without NaN. Received: "
            + ("NaN." if values.ndim == 2 else f"{values.dtype} of shape {values.shape}.")
        )
    k = whole_number(k, "k", 1)
    bits = np.zeros(values.shape, np.uint8)
    spans = checked_layers(layers, values.shape[1])
    for _, start, stop in spans or [("", 0, values.shape[1])]:
        # Reversed twice: negated, unsigned numbers and the least signed one would wrap around.
        ascending = np.argsort(values[:, start:stop][:, ::-1], axis=1, kind="stable")
        top = stop - start - 1 - ascending[:, ::-1][:, :k]
        np.put_along_axis(bits[:, start:stop], top, 1, axis=1)
    return Codes.from_bits(bits, spans)
