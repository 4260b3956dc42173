"""Codes as a notebook shows them: their size, a picture of the first bits, the layers."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

from tfhash.png import png

if TYPE_CHECKING:
    from tfhash.codes.codes import Codes

SHOWN_CODES, SHOWN_BITS, SHOWN_LAYERS = 32, 512, 12
DOT = 3  # pixels on the screen for a bit


def codes_html(codes: Codes) -> str:
    """A fragment of HTML, in the notebook's own colors."""
    unit, amount = "bytes", float(codes.nbytes)
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        unit, amount = larger, amount / 1024
    return (
        f"<div><b>Codes</b>: {len(codes):,} of {codes.n_bits:,} bits, {amount:.4g} {unit}"
        f"{_picture(codes)}{_layers(codes)}</div>"
    )


def _picture(codes: Codes) -> str:
    width = min(codes.n_bits, SHOWN_BITS)
    some = codes[:SHOWN_CODES]
    if width == 0 or len(some) == 0:
        return ""
    bits = some.to_bits()[:, :width]
    what = f"The first {width:,} bits of the first {len(bits):,} codes, a row each; 1 is dark"
    data = b64encode(png(bits == 0)).decode()
    return (
        f'<br><img alt="{what}" title="{what}" src="data:image/png;base64,{data}" '
        f'style="width:{DOT * width}px;max-width:100%;image-rendering:pixelated">'
    )


def _layers(codes: Codes) -> str:
    if not codes.layers:
        return ""
    rows = [
        f"<tr><td>{escape(name)}</td><td>{start:,}</td><td>{stop - start:,}</td></tr>"
        for name, start, stop in codes.layers[:SHOWN_LAYERS]
    ]
    if len(codes.layers) > SHOWN_LAYERS:
        more = len(codes.layers) - SHOWN_LAYERS
        rows.append(f"<tr><td>{more:,} more</td><td></td><td></td></tr>")
    return (
        "<table><tr><th>layer</th><th>first bit</th><th>bits</th></tr>" + "".join(rows) + "</table>"
    )
