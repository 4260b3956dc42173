"""Plane regions: every linear region that meets a window of a plane, as polygons, exactly."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
from numpy.typing import NDArray

from tfhash import _native, backend
from tfhash.codes import Codes, real_array, whole_number
from tfhash.geometry.inputs import Points, input_space
from tfhash.geometry.mesh import Mesh, Patch
from tfhash.geometry.stack import Polygons, dense_stack
from tfhash.geometry.steps import Layer, check_classes, check_region, codes_of_layers
from tfhash.geometry.trace import plan_for


@dataclass(frozen=True)
class PlaneRegions:
    """The regions of a network in the window of the plane `origin + a * u + b * v`.

    Attributes
    ----------
    points : float64 [n_points, 2]
        Corners, as coordinates (a, b) in the plane.
    offsets, corners : int64 [n_polygons + 1], int64 [...]
        Polygon `i` is `points[corners[offsets[i]:offsets[i + 1]]]`: convex, in order around.
    regions : int64 [n_polygons]
        The region each polygon lies in, from 0 on in order of appearance. A region is one polygon,
        unless the model has maxima (max pooling) or classes were asked for, which cut it.
    classes : int64 [n_polygons] or None
        The likeliest class of each polygon.
    layers : tuple of Layer
        The layers of units: name, number of units, and whether their switches change the code.
    """

    points: NDArray[np.float64]
    offsets: NDArray[np.int64]
    corners: NDArray[np.int64]
    regions: NDArray[np.int64]
    classes: NDArray[np.int64] | None
    layers: tuple[Layer, ...]
    _words: tuple[NDArray[np.uint64], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_regions(self) -> int:
        """Regions that meet the window."""
        return int(self.regions.max()) + 1

    def polygon(self, i: int) -> NDArray[np.float64]:
        """float64 [n_corners, 2]: the corners of polygon `i`, in order around it.

        Raises
        ------
        ValueError
            Where `i` is no whole number from 0 to `len(self) - 1`.
        """
        i = whole_number(i, "i (a polygon)", 0, len(self) - 1)
        return self.points[self.corners[self.offsets[i] : self.offsets[i + 1]]]

    @property
    def areas(self) -> NDArray[np.float64]:
        """float64 [n_polygons]: areas, in the plane's coordinates."""
        around = self._around()
        at, to = self.points[self.corners], self.points[self.corners[around]]
        # From each polygon's first corner, so that small ones far out lose no digits.
        first = np.repeat(self.corners[self.offsets[:-1]], np.diff(self.offsets))
        at, to = at - self.points[first], to - self.points[first]
        cross = at[:, 0] * to[:, 1] - at[:, 1] * to[:, 0]
        return np.abs(np.add.reduceat(cross, self.offsets[:-1])) / 2

    @property
    def centers(self) -> NDArray[np.float64]:
        """float64 [n_polygons, 2]: the mean of each polygon's corners, a point inside it."""
        sums = np.add.reduceat(self.points[self.corners], self.offsets[:-1], axis=0)
        return sums / np.diff(self.offsets)[:, None]

    def codes(self) -> Codes:
        """The activation pattern in each polygon: `len(self)` codes.

        One bit for each unit of the layers whose switches change the code, as in
        `LineRegions.codes`.
        """
        return codes_of_layers(self.layers, self._words)

    def neighbors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of polygons that share an edge, and that edge.

        Returns
        -------
        pairs : int64 [n, 2]
            Polygons.
        edges : int64 [n, 2]
            The edge's ends, as indices of points.
        """
        polygon = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        edges = np.sort(np.stack([self.corners, self.corners[self._around()]], axis=1), axis=1)
        order = np.lexsort(edges.T)
        same = (edges[order[1:]] == edges[order[:-1]]).all(axis=1)
        first, second = order[:-1][same], order[1:][same]
        return np.stack([polygon[first], polygon[second]], axis=1), edges[first]

    def neighbours(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The former name of `neighbors`."""
        warnings.warn(
            "PlaneRegions.neighbours is now called neighbors.", DeprecationWarning, stacklevel=2
        )
        return self.neighbors()

    def decision_boundary(self) -> NDArray[np.float64]:
        """float64 [n, 2, 2]: the segments between polygons of different classes."""
        if self.classes is None:
            raise ValueError(
                "Expected regions with classes. Received: plane_regions(..., classes=False)."
            )
        pairs, edges = self.neighbors()
        differ = self.classes[pairs[:, 0]] != self.classes[pairs[:, 1]]
        return self.points[edges[differ]]

    def _around(self) -> NDArray[np.int64]:
        """For each entry of `corners`, the entry of the next corner of its polygon."""
        around = np.arange(1, len(self.corners) + 1)
        around[self.offsets[1:] - 1] = self.offsets[:-1]
        return around


def plane_regions(
    model: keras.Model,
    origin: Points,
    u: Points,
    v: Points,
    extent: float | Sequence[float] = 1.0,
    *,
    region: str = "activation",
    classes: bool = False,
) -> PlaneRegions:
    """Every region that meets a window of a plane, as polygons, exactly.

    Layer by layer: within a polygon on which all units before are settled, a pre-activation is
    affine and its zeros a line, which cuts the polygon in two. Each layer is carried out once, at
    the corners of the polygons known by then, in float64.

    Parameters
    ----------
    model : keras.Model
        As `tfhash.geometry.chords` takes it.
    origin, u, v : float [...input shape]
        The plane is `origin + a * u + b * v`. Of a model with several inputs, each is a list or
        dict with an array for each input.
    extent : float, or (a_min, a_max, b_min, b_max)
        The window; one number `e` means (-e, e, -e, e).
    region : "activation" or "linear"
        Whether polygons count as one region where their activation patterns are equal, or only
        where each maximum, such as max pooling, takes the same value too.
    classes : bool
        Find the likeliest class, and cut polygons at the decision boundary. The model's output
        is then one logit for each class, or one for two classes, with or without a softmax or
        sigmoid at the end.

    Returns
    -------
    PlaneRegions
        Lines within 2**-44 (6e-14) of a corner, in units of their unit's largest value, go
        through it.

    Raises
    ------
    ValueError
        As `tfhash.geometry.chords`; where `u` and `v` are parallel or zero, the window
        is empty, or classes are asked for of a model with no logits.

    Examples
    --------
    >>> a, b, c = x_test[:3]
    >>> regions = geometry.plane_regions(model, a, b - a, c - a, (-0.5, 1.5, -0.5, 1.5),
    ...                                  classes=True)
    >>> figures.plane(regions, color="class").savefig("plane.png")
    """
    check_region(region)
    window = _checked_window(extent)
    space = input_space(model, origin, "origin")
    with backend.float64(), plan_for(model, space) as plan:
        if classes:
            check_classes(plan, model.name)
        at, one, other = (
            space.point(x, what) for x, what in ((origin, "origin"), (u, "u"), (v, "v"))
        )
        directions = np.stack([one, other])
        if np.linalg.matrix_rank(directions) < 2:
            raise ValueError(
                "Expected u and v that span a plane. Received: directions that are parallel or 0."
            )
        a_min, a_max, b_min, b_max = window
        points = np.array([[a_min, b_min], [a_max, b_min], [a_max, b_max], [a_min, b_max]])
        inputs = at + points @ directions
        stack = None if classes else dense_stack(plan)
        if stack is not None:
            return _from_stack(stack.plane(points, inputs), plan.layers)
        mesh = Mesh(plan, region, classes)
        mesh.run(points, inputs)
    return _joined(mesh, classes)


def _from_stack(found: Polygons, layers: tuple[Layer, ...]) -> PlaneRegions:
    numbers = np.arange(len(found.offsets) - 1)
    return PlaneRegions(
        found.points, found.offsets, found.corners, numbers, None, layers, tuple(found.codes)
    )


def _joined(mesh: Mesh, classes: bool) -> PlaneRegions:
    patches = [patch for patch, _ in mesh.done]
    sizes = np.concatenate([np.diff(patch.offsets) for patch in patches])
    words = [np.concatenate(parts) for parts in zip(*(p.codes for p in patches), strict=True)]
    every = np.ascontiguousarray(np.hstack(words))
    regions, _ = _native.region_ids(every, 64 * every.shape[1], None)
    # Some words hold the choices of a maximum: they tell regions apart and are no part of the code.
    is_code = [
        layer.is_pattern
        for layer in mesh.plan.layers
        if layer.is_pattern or mesh.region == "linear"
    ]
    return PlaneRegions(
        *_joined_points(patches, np.concatenate([[0], np.cumsum(sizes)])),
        regions,
        np.concatenate([found for _, found in mesh.done]) if classes else None,
        mesh.plan.layers,
        tuple(part for part, keep in zip(words, is_code, strict=False) if keep),
    )


def _joined_points(
    patches: list[Patch], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Points, offsets and corners of all patches; points on seams are one for all."""
    if len(patches) == 1:
        return patches[0].points, offsets, patches[0].corners
    points = np.concatenate([patch.points for patch in patches])
    start = np.cumsum([0, *(len(patch.points) for patch in patches)])
    corners = np.concatenate([p.corners + first for p, first in zip(patches, start, strict=False)])
    seams = np.concatenate([patch.seams for patch in patches])
    (on,) = np.nonzero(seams >= 0)
    _, first, which = np.unique(seams[on], return_index=True, return_inverse=True)
    place = np.arange(len(points))
    place[on] = on[first][which]
    kept = place == np.arange(len(points))
    corners = (np.cumsum(kept) - 1)[place[corners]]
    return points[kept], offsets, corners


def _checked_window(extent: float | Sequence[float]) -> tuple[float, float, float, float]:
    try:
        window = real_array(extent, "extent").astype(np.float64)
    except ValueError:
        window = np.empty(0)
    if window.ndim == 0:
        window = window * np.array([-1.0, 1.0, -1.0, 1.0])
    good = window.shape == (4,) and np.isfinite(window).all()
    if not good or not (window[0] < window[1] and window[2] < window[3]):
        raise ValueError(
            "Expected extent to be a number above 0, or (a_min, a_max, b_min, b_max), ascending. "
            f"Received: {extent!r}."
        )
    return tuple(window.tolist())
