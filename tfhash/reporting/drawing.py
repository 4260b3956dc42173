"""The pictures of a report: SVG in the colors of the page, and examples as PNG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfhash.audit import sheets
from tfhash.png import png

# Okabe and Ito's colors, told apart by people who are color-blind, on white and on black; black
# and yellow are replaced by gray and olive, and the last two come from Tol's.
PALETTE = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8a8a8a", "#999933"),
    *("#882255", "#44aa99"),
)
SHAPES = ("circle", "square", "diamond")


def scatter(places: NDArray[np.float32], classes: Any, names: Sequence[str], label: str) -> str:
    """An SVG of points in the plane; classes differ by color, and past ten by shape too."""
    low, high = places.min(axis=0), places.max(axis=0)
    scaled = (places - low) / np.maximum(high - low, 1e-9) * 588 + 6
    ids = np.zeros(len(places), int) if classes is None else np.asarray(classes)
    parts = []
    for one in np.unique(ids):
        color, shape = PALETTE[one % 10], SHAPES[(one // 10) % 3]
        name = f"<title>{escape(str(names[one]))}</title>" if len(names) else ""
        marks = "".join(_mark(shape, x, y) for x, y in scaled[ids == one].tolist())
        parts.append(f'<g fill="{color}" fill-opacity="0.75">{name}{marks}</g>')
    return (
        f'<svg viewBox="0 0 600 600" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _mark(shape: str, x: float, y: float) -> str:
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    path = "h6v6h-6z" if shape == "square" else "l4 4-4 4-4-4z"
    dx, dy = (3, 3) if shape == "square" else (0, 4)
    return f'<path d="M{x - dx:.1f} {y - dy:.1f}{path}"/>'


def bars(layers: Sequence[dict[str, Any]], label: str) -> str:
    """An SVG with a bar for each layer: the shares of its units dead, always on, and of use."""
    parts = []
    for i, layer in enumerate(layers):
        units = max(1, layer["units"])
        dead, on = 600 * layer["dead"] / units, 600 * layer["always_on"] / units
        y = 14 * i
        parts.append(
            f'<rect class="use" x="0" y="{y}" width="600" height="10"/>'
            f'<rect class="dead" x="0" y="{y}" width="{dead:.1f}" height="10"/>'
            f'<rect class="on" x="{600 - on:.1f}" y="{y}" width="{on:.1f}" height="10"/>'
        )
    height = max(10, 14 * len(layers) - 4)
    return (
        f'<svg viewBox="0 0 600 {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def heat_map(table: NDArray[np.float64], names: Sequence[str], label: str) -> str:
    """An SVG of a square table of shares, one cell a pair of classes."""
    n, cell = len(names), 40
    left = 12 + 9 * max(len(name) for name in names[:30])
    parts = []
    for i, row in enumerate(table):
        name = escape(names[i])
        middle = cell * i + 26
        parts.append(f'<text x="{left - 6}" y="{middle}" text-anchor="end">{name}</text>')
        for j, share in enumerate(row):
            x = left + cell * j
            title = escape(f"{names[i]}, neighbor {names[j]}: {share:.1%}")
            parts.append(
                f'<rect class="cell" x="{x}" y="{cell * i}" width="{cell - 2}" '
                f'height="{cell - 2}" fill-opacity="{np.sqrt(share):.3f}">'
                f"<title>{title}</title></rect>"
            )
            if share >= 0.005:
                ink = ' class="ink"' if share > 0.25 else ""
                parts.append(
                    f'<text{ink} x="{x + cell / 2 - 1}" y="{middle}" text-anchor="middle">'
                    f"{100 * share:.0f}</text>"
                )
    width, height = left + cell * n, cell * n
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def data_uri(image: sheets.Image) -> str:
    """An image as the address of an `img`, with everything in it."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()
