"""What an encoder encodes and what it leaves out, as text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from tfhash.encoder.activation_tracer import ActivationSite, Trace
from tfhash.encoder.activations import name_of


def summary(model_name: str, trace: Trace, chosen: Sequence[ActivationSite]) -> list[str]:
    """The lines to print."""
    is_open = any(site.is_open for site in chosen)
    n_bits = "a number of" if is_open else f"{sum(site.n_units for site in chosen):,}"
    rows, start = [("layer", "activation", "output shape", "units", "bits")], 0
    for site in chosen:
        stop = 0 if is_open else start + site.n_units
        shape = "(" + ", ".join(str(size) for size in site.shape) + ")"
        counts = ("?", "?") if is_open else (f"{site.n_units:,}", f"{start}-{stop}")
        rows.append((site.name, _activation(site), shape, *counts))
        start = stop
    lines = [
        f"{model_name!r}: codes of {n_bits} bits, of {len(chosen)} layers"
        + (" (the model leaves its input shape open)" if is_open else ""),
        "",
        *_table(rows),
        "",
    ]
    left_out = [(u.name, _activation(u), u.reason) for u in trace.sites if u.reason]
    left_out += trace.left_out
    if left_out:
        lines += ["Left out:", *_table([("layer", "what", "why"), *left_out]), ""]
    plain = ", ".join(f"{count} {name}" for name, count in sorted(trace.plain.items()))
    lines.append(f"Without an activation: {plain or 'none'}.")
    return lines


def warn_of_hidden(model_name: str, trace: Trace) -> None:
    """Warn of layers that are left out without being asked to: not traced, or of unknown kind."""
    hidden = [name for name, _, _ in trace.left_out if name in trace.hidden]
    hidden += [site.name for site in trace.sites if site.reason and callable(site.activation)]
    if hidden:
        reasons = {name: reason for name, _, reason in trace.left_out}
        reasons |= {site.name: site.reason for site in trace.sites if site.reason}
        said = "; ".join(f"{name!r}: {reasons[name].split(' (')[0]}" for name in hidden[:5])
        more = f"; and {len(hidden) - 5} more" if len(hidden) > 5 else ""
        warnings.warn(
            f"The codes of {model_name!r} leave out what these layers may hold of units: {said}"
            f"{more}. Encoder.summary() says why; layers= chooses without this warning.",
            stacklevel=3,
        )


def _activation(site: ActivationSite) -> str:
    name = name_of(site.activation)
    return f"{name} > {site.threshold:.4g}" if site.threshold else name


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
