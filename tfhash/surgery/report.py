"""What surgery did to a model, unit by unit, and why the outputs stay the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SHOWN = 12  # units of a layer in the table


@dataclass(frozen=True)
class UnitChange:
    """One unit that is gone, or whose activation is.

    Attributes
    ----------
    layer : str
        The layer whose unit it is.
    unit : int
        Its number in that layer; -1 for a unit that surgery itself had made.
    change : str
        "removed", "merged", "folded" (into the next layer) or "made linear" (it stays, without
        its activation).
    reason : str
        "never fires", "is constant", "nothing reads it", "is always on", "equal weights",
        "proportional weights" or "no activation between two layers".
    proof : str
        "weights": for every input, from the weights alone. "intervals" and "linear bounds": for
        every input within the bounds, if any were given, else for every input. "data": over the
        data given, and not proven for other inputs.
    into : int or None
        For "merged", the unit that takes its place.
    """

    layer: str
    unit: int
    change: str
    reason: str
    proof: str
    into: int | None = None

    @property
    def is_proven(self) -> bool:
        """Whether it holds for every input within the bounds, and not over the data alone."""
        return self.proof != "data"


@dataclass(frozen=True)
class SurgeryReport:
    """What surgery did to a model. `print(report)` shows it as a table.

    Attributes
    ----------
    model : str
        Name of the model.
    changes : tuple of UnitChange
    left_whole : dict from str to str
        Layers that were left as they are, and why.
    layers : dict from str to (int, int)
        Units (channels) of each dense and convolutional layer that could be taken apart, before and
        after; 0 where it is gone.
    parameters : (int, int)
        Of the whole model, before and after. Folding batch normalization lowers them too.
    bounds : str
        The box of inputs that proofs are for; "every input" where none was given.
    n_examples : int
        The rows of `x`; 0 without data.
    difference : float or None
        The largest difference between the outputs of both models, relative to the largest output,
        on up to 1,000 rows of `x`, or random points of the box; infinite where one of them alone is
        NaN or infinite; None where there are neither.
    """

    model: str
    changes: tuple[UnitChange, ...]
    left_whole: dict[str, str]
    layers: dict[str, tuple[int, int]]
    parameters: tuple[int, int]
    bounds: str
    n_examples: int
    difference: float | None

    @property
    def n_units(self) -> tuple[int, int]:
        """Units of all `layers`, before and after."""
        before, after = zip(*self.layers.values(), strict=True) if self.layers else ((0,), (0,))
        return sum(before), sum(after)

    @property
    def is_proven(self) -> bool:
        """Whether no change rests on the data alone."""
        return all(change.is_proven for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain Python objects, as JSON takes them."""
        return {**asdict(self), "n_units": list(self.n_units), "is_proven": self.is_proven}

    def __str__(self) -> str:
        (units, left), (before, after) = self.n_units, self.parameters
        lines = [
            f"{self.model!r}: units {units:,} -> {left:,}, parameters {before:,} -> {after:,}",
            self._proof(),
        ]
        if self.difference is not None:
            lines.append(f"Largest difference of outputs, relative: {self.difference:.1e}.")
        lines += ["", *_table([("layer", "units before", "after"), *self._sizes()])]
        groups: dict[tuple[str, str, str, str], list[int]] = {}
        for one in self.changes:
            key = (one.layer, one.change, one.reason, one.proof)
            groups.setdefault(key, []).append(one.unit)
        if groups:
            rows = [(*key, str(len(units)), _listed(units)) for key, units in groups.items()]
            lines += ["", *_table([("layer", "change", "reason", "proof", "n", "units"), *rows])]
        else:
            lines += ["", "Nothing can go."]
        if self.left_whole:
            lines += ["", "Left as they are:", *_table(list(self.left_whole.items()))]
        return "\n".join(lines)

    def _sizes(self) -> list[tuple[str, str, str]]:
        return [(name, f"{a:,}", f"{b:,}") for name, (a, b) in self.layers.items()]

    def _proof(self) -> str:
        n_data = sum(not change.is_proven for change in self.changes)
        if not self.changes:
            return f"Looked for what holds for {self.bounds}" + (
                f", and over {self.n_examples:,} examples." if self.n_examples else "."
            )
        proven = f"{len(self.changes) - n_data:,} changes are proven for {self.bounds}"
        if not n_data:
            return f"{proven}."
        return f"{proven}; {n_data:,} rest on {self.n_examples:,} examples alone."


def _listed(units: list[int]) -> str:
    more = f", ... {len(units) - SHOWN} more" if len(units) > SHOWN else ""
    return ", ".join(str(unit) if unit >= 0 else "new" for unit in units[:SHOWN]) + more


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
