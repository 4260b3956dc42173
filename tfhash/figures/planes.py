"""Pictures of the linear regions in a plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tfhash.errors import InputError
from tfhash.figures import style
from tfhash.figures.style import Caption

CLASS_COLORS = "tab10"
MOST_SHAPES = 500  # that an SVG or PDF is asked to hold; more are pixels in it


class Polygons(Protocol):
    """What `tfhash.geometry.plane_regions` gives, as far as it is drawn."""

    @property
    def points(self) -> NDArray[np.float64]: ...
    @property
    def offsets(self) -> NDArray[np.int64]: ...
    @property
    def corners(self) -> NDArray[np.int64]: ...
    @property
    def regions(self) -> NDArray[np.int64]: ...
    @property
    def classes(self) -> NDArray[np.int64] | None: ...
    def decision_boundary(self) -> NDArray[np.float64]: ...


def plane(
    regions: Polygons,
    color: str = "region",
    marks: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """Draw the linear regions in a window of a plane, with the decision boundary if it is known.

    Parameters
    ----------
    regions
        What `tfhash.geometry.plane_regions` gave.
    color : "region" or "class"
        Each region in a color of its own, or each class: for that, and for the decision boundary
        (black), give `plane_regions` `classes=True`.
    marks
        Points to name, by what is written beside them: coordinates in the plane. The origin is
        (0, 0), origin + u is (1, 0).
    title
        Written above.
    axes
        Where to draw; None for a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        `figures.save(figure, "name")` or `figure.savefig("name.png")` writes it.

    Raises
    ------
    InputError
        Another word for `color`, or classes that were not asked for.

    Examples
    --------
    >>> a, b, c = x_test[:3]
    >>> regions = geometry.plane_regions(model, a, b - a, c - a, (-0.5, 1.5, -0.5, 1.5),
    ...                                  classes=True)
    >>> figure = figures.plane(regions, color="class", marks={"a": (0, 0), "b": (1, 0)})
    >>> figure.savefig("plane.png")
    """
    if color not in ("region", "class"):
        raise InputError(f"Expected color='region' or 'class'. Received: {color!r}.")
    if color == "class" and regions.classes is None:
        raise InputError(
            "Expected regions with classes, which plane_regions(..., classes=True) gives. "
            "Received: regions without."
        )
    with matplotlib.rc_context(style.STYLE):
        if axes is None:
            figure = style.Figure(figsize=(4.8, 4.8), layout="constrained")
            axes = figure.add_subplot()
        _fill(axes, regions, color)
        if regions.classes is not None:
            lines = LineCollection(
                list(regions.decision_boundary()), colors="black", linewidths=1.6
            )
            axes.add_collection(lines)
        for name, (a, b) in (marks or {}).items():
            axes.plot(a, b, "o", color="white", markeredgecolor="black", markersize=6)
            box: dict[str, Any] = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1}
            axes.annotate(name, (a, b), (5, 5), textcoords="offset points", bbox=box)
        axes.set_title(title)
        axes.set_xlim(regions.points[:, 0].min(), regions.points[:, 0].max())
        axes.set_ylim(regions.points[:, 1].min(), regions.points[:, 1].max())
        axes.set_aspect("equal")
        axes.grid(False)
        whole = axes.figure
        assert isinstance(whole, Figure)
        return whole


def planes(
    panels: Mapping[str, Polygons], marks: Mapping[str, tuple[float, float]], caption: Caption
) -> Figure:
    """The same window of several networks, or of one at several times, colored by class.

    Parameters
    ----------
    panels
        By what is written above it, what is drawn.
    marks
        As `plane` takes them, in every panel.
    caption
        Its title and subtitle.
    """
    with matplotlib.rc_context(style.STYLE):
        figure = style.Figure(figsize=(0.4 + 4.1 * len(panels), 4.7), layout="constrained")
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, regions) in zip(row, panels.items(), strict=True):
            plane(regions, color="class", marks=marks, title=title, axes=axes)
        figure.suptitle(f"{caption.title}: {caption.subtitle}", x=0.01, ha="left", fontsize=9)
        return figure


def _fill(axes: Axes, regions: Polygons, color: str) -> None:
    polygons = [
        regions.points[regions.corners[start:stop]]
        for start, stop in zip(regions.offsets[:-1], regions.offsets[1:], strict=True)
    ]
    if color == "class":
        assert regions.classes is not None
        colors = matplotlib.colormaps[CLASS_COLORS](regions.classes % 10)
        # A shade of its own within its class, so that regions are told apart.
        shade = 0.45 + 0.35 * scattered(regions.regions)[:, None]
        colors[:, :3] = 1 - shade * (1 - colors[:, :3])
    else:
        colors = matplotlib.colormaps["viridis"](0.1 + 0.9 * scattered(regions.regions))
    as_pixels = len(polygons) > MOST_SHAPES
    # Hairlines of their own color close the gaps between neighbors.
    fill = PolyCollection(polygons, facecolors=colors, edgecolors="face", lw=0.2)
    borders = LineCollection(list(_borders(regions)), colors="white", linewidths=0.35)
    for collection in (fill, borders):
        collection.set_rasterized(as_pixels)
        axes.add_collection(collection)


def _borders(regions: Polygons) -> NDArray[np.float64]:
    """float64 [n, 2, 2]: the edges between polygons of different regions."""
    after = np.arange(1, len(regions.corners) + 1)
    after[regions.offsets[1:] - 1] = regions.offsets[:-1]
    edges = np.sort(np.stack([regions.corners, regions.corners[after]], axis=1), axis=1)
    region = np.repeat(regions.regions, np.diff(regions.offsets))
    order = np.lexsort(edges.T)
    edges, region = edges[order], region[order]
    between = (edges[1:] == edges[:-1]).all(axis=1) & (region[1:] != region[:-1])
    return regions.points[edges[1:][between]]


def scattered(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Numbers in [0, 1) that differ for neighboring whole ones: multiples of the golden ratio."""
    return np.mod(numbers * 0.6180339887498949, 1.0)
