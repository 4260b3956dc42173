"""Pictures of regions: the cells of a slice in three dimensions, and a line's, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from tfhash.figures import style
from tfhash.figures.planes import CLASS_COLORS, scattered
from tfhash.figures.style import Caption

LIGHT = np.array([-0.35, -0.6, 0.72])  # where it comes from
ZOOM = (0.5, 0.52)  # of a line, where it is looked at more closely
VIEW = {"elev": 24, "azim": -52}


def slice_in_3d(
    polygons: pd.DataFrame, panels: Mapping[str, str], marks: pd.DataFrame, caption: Caption
) -> Figure:
    """Polygons in three dimensions, a panel for each kind of them.

    Parameters
    ----------
    polygons
        A row for each corner, in order around its polygon: `kind`, `polygon`, `class`, `region`,
        `a`, `b`, `c`.
    panels
        By kind, what is written above it.
    marks
        Points to name: `name`, `a`, `b`, `c`.
    caption
        Its title and subtitle.
    """
    with matplotlib.rc_context(style.STYLE):
        figure = style.Figure(figsize=(4.9 * len(panels), 5.0))
        low, high = (getattr(polygons[["a", "b", "c"]], end)() for end in ("min", "max"))
        for i, (kind, title) in enumerate(panels.items()):
            axes: Any = figure.add_subplot(1, len(panels), i + 1, projection="3d")
            _draw_polygons(axes, polygons[polygons["kind"] == kind])
            for _, mark in marks.iterrows():
                place = mark[["a", "b", "c"]].astype(float)
                axes.plot(*place, "o", color="white", markeredgecolor="black", zorder=10)
                axes.text(*place, f"  {mark['name']}", fontweight="bold", zorder=11)
            for axis in "abc":
                getattr(axes, f"set_{'xyz'['abc'.index(axis)]}lim")(low[axis], high[axis])
            axes.set_xlabel("a")
            axes.set_ylabel("b")
            axes.set_zlabel("c")
            axes.set_box_aspect((1, 1, 1), zoom=0.93)
            axes.view_init(**VIEW)
            axes.set_title(title, loc="center", y=0.98)
        classes = sorted(set(polygons["class"]) - {-1})
        figure.legend(
            handles=[
                Line2D([], [], marker="s", linestyle="", color=_class_color(one), label=str(one))
                for one in classes
            ],
            loc="lower center",
            ncols=len(classes),
            title="class",
        )
        figure.suptitle(f"{caption.title}: {caption.subtitle}", x=0.01, ha="left", fontsize=9)
        figure.subplots_adjust(0.0, 0.1, 0.97, 0.93, 0.04)
        return figure


def _draw_polygons(axes: Any, polygons: pd.DataFrame) -> None:
    shapes, colors = [], []
    for _, corners in polygons.groupby("polygon", sort=False):
        at = corners[["a", "b", "c"]].to_numpy(float)
        first = corners.iloc[0]
        base = np.array(_class_color(int(first["class"])))
        tone = 0.55 + 0.35 * float(scattered(np.array([first["region"]]))[0])
        lit = 0.72 + 0.28 * abs(float(_normal(at) @ LIGHT))
        shapes.append(at)
        colors.append((1 - tone * (1 - base)) * lit)
    edges = {"edgecolors": (1, 1, 1, 0.65), "linewidths": 0.15}
    made = Poly3DCollection(shapes, facecolors=colors, zsort="average", **edges)
    made.set_rasterized(True)
    axes.add_collection3d(made)


def _normal(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.svd(corners - corners.mean(axis=0))[2][2])


def _class_color(label: int) -> tuple[float, float, float]:
    red, green, blue, _ = matplotlib.colormaps[CLASS_COLORS](label % 10)
    return red, green, blue


def line_by_layer(
    switches: pd.DataFrame,
    logits: pd.DataFrame,
    images: tuple[NDArray[np.float64], NDArray[np.float64]],
    caption: Caption,
) -> Figure:
    """The regions between two images, after each layer, and the logits along them.

    Parameters
    ----------
    switches
        A row for each unit that switches: `t`, `layer` (from 0 on), `name` of the layer.
    logits
        A row for each end of a region: `t`, and a column for each class.
    images
        At both ends, [height, width] or [height, width, 3], from 0 to 1.
    caption
        Its title and subtitle.
    """
    names = switches.drop_duplicates("layer").set_index("layer")["name"].sort_index()
    with matplotlib.rc_context(style.STYLE):
        height = 0.2 * len(names)
        figure = style.Figure(figsize=(9.6, 2 * height + 3.2), layout="constrained")
        ratios = {"height_ratios": [height, height, 1.9], "width_ratios": [1, 6.2, 1]}
        grid = figure.add_gridspec(3, 3, **ratios)
        curves = figure.add_subplot(grid[2, 1])
        for row, window in enumerate(((0.0, 1.0), ZOOM)):
            _draw_strips(figure.add_subplot(grid[row, 1]), switches, names, window)
        for label in logits.columns.drop("t"):
            color = _class_color(int(label))
            curves.plot(logits["t"], logits[label], color=color, linewidth=1.3, label=str(label))
        curves.set_xlim(0, 1)
        curves.set_xlabel("t, from one image to the other")
        curves.set_ylabel("logit")
        figure.legend(
            *curves.get_legend_handles_labels(), title="class", loc="outside right lower", ncols=2
        )
        for column, image in ((0, images[0]), (2, images[1])):
            axes = figure.add_subplot(grid[0, column])
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axes.set_axis_off()
            axes.set_title(f"t = {column // 2}", loc="center")
        figure.suptitle(f"{caption.title}: {caption.subtitle}", x=0.01, ha="left", fontsize=9)
        return figure


def _draw_strips(
    axes: Axes, switches: pd.DataFrame, names: pd.Series, window: tuple[float, float]
) -> None:
    """Each layer's strip has the pieces of the strip above, cut where units of the layer switch."""
    edges, tones, counts = np.array([0.0, 1.0]), np.array([0.5]), []
    for row, layer in enumerate(names.index):
        cuts = switches.loc[switches["layer"] == layer, "t"].to_numpy(float)
        finer = np.unique(np.concatenate([edges, cuts]))
        parent = np.searchsorted(edges, finer[:-1], side="right") - 1
        # Of its parent's color, a little off: families of regions are seen.
        shift = (scattered(np.arange(len(parent))) - 0.5) * (0.9 if row == 0 else 0.9 / (1 + row))
        tones = np.clip(tones[parent] + shift, 0.02, 0.98)
        edges = finer
        heights = [row - 0.43, row + 0.43]
        axes.pcolormesh(
            edges, heights, tones[None], cmap="viridis", vmin=0, vmax=1, rasterized=True
        )
        counts.append(int(((edges > window[0]) & (edges < window[1])).sum()) + 1)
    axes.set_xlim(*window)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [str(name) for name in names])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(names)), [f"{count:,}" for count in counts])
    right.spines[:].set_visible(False)
    right.tick_params(length=0)
    where = f"t from {window[0]:g} to {window[1]:g}"
    axes.set_title(f"{where}: regions by the units up to each layer, and how many")
