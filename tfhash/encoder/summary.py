"""What an encoder encodes and what it leaves out, as text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from tfhash.encoder.activations import name_of
from tfhash.encoder.survey import Findings, Unit


def summary(model_name: str, findings: Findings, chosen: Sequence[Unit]) -> list[str]:
    """The lines to print."""
    is_open = any(unit.is_open for unit in chosen)
    n_bits = "a number of" if is_open else f"{sum(unit.n_units for unit in chosen):,}"
    rows, start = [("layer", "activation", "output shape", "units", "bits")], 0
    for unit in chosen:
        stop = 0 if is_open else start + unit.n_units
        shape = "(" + ", ".join(str(size) for size in unit.shape) + ")"
        counts = ("?", "?") if is_open else (f"{unit.n_units:,}", f"{start}-{stop}")
        rows.append((unit.name, _activation(unit), shape, *counts))
        start = stop
    lines = [
        f"{model_name!r}: codes of {n_bits} bits, of {len(chosen)} layers"
        + (" (the model leaves its input shape open)" if is_open else ""),
        "",
        *_table(rows),
        "",
    ]
    left_out = [(u.name, _activation(u), u.reason) for u in findings.units if u.reason]
    left_out += findings.left_out
    if left_out:
        lines += ["Left out:", *_table([("layer", "what", "why"), *left_out]), ""]
    plain = ", ".join(f"{count} {name}" for name, count in sorted(findings.plain.items()))
    lines.append(f"Without an activation: {plain or 'none'}.")
    return lines


def warn_of_hidden(model_name: str, findings: Findings) -> None:
    """Warn of what is left out though nobody asked for it: it cannot be seen or is not known."""
    hidden = [name for name, _, _ in findings.left_out if name in findings.hidden]
    hidden += [unit.name for unit in findings.units if unit.reason and callable(unit.activation)]
    if hidden:
        reasons = {name: reason for name, _, reason in findings.left_out}
        reasons |= {unit.name: unit.reason for unit in findings.units if unit.reason}
        said = "; ".join(f"{name!r}: {reasons[name]}" for name in hidden[:5])
        more = f"; and {len(hidden) - 5} more" if len(hidden) > 5 else ""
        warnings.warn(
            f"The codes of {model_name!r} leave out what these layers may hold of units: {said}"
            f"{more}. Encoder.summary() lists all; layers= chooses without this warning.",
            stacklevel=3,
        )


def _activation(unit: Unit) -> str:
    name = name_of(unit.activation)
    return f"{name} > {unit.threshold:.4g}" if unit.threshold else name


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
