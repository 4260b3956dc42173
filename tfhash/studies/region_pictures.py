"""Two pictures of regions: a slice in three dimensions, and a line through a residual network.

tfhash run region_pictures --dataset=mnist

Takes a few minutes, trains two small networks with plain `fit` and leaves `region_slice_*` and
`region_layers_*` in figures/: pictures, and the tables that they are drawn from. The slice goes
through the first test images of four classes. Its cells are those that `geometry.slice_regions`
finds, drawn without those of the corner in front; beside it the decision boundary, which they end
at. The line goes from one test image to another through a ResNet-8, batch normalization and
additions included, as `geometry.line_regions` follows it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfhash import figures
from tfhash.datasets import Dataset
from tfhash.errors import InputError
from tfhash.files import write_text
from tfhash.studies.option import option
from tfhash.studies.options import DataOptions

if TYPE_CHECKING:
    import keras

    from tfhash.geometry import SliceRegions

MARGIN = 0.25  # of the slice around the images
STAGES = ((4, 1), (8, 1), (16, 1))  # (filters, blocks): ResNet-8, a quarter as wide


@dataclass(frozen=True, kw_only=True)
class PictureOptions(DataOptions):
    """What is trained, and where figures go: figures/ beside the runs if None."""

    load_path: Path
    figures_path: Path | None = None
    width: int = option(24, "Units in each of the sliced network's two hidden layers.", least=1)
    examples: int = option(10_000, "Training examples, the first.", least=1)
    epochs: int = option(5, "Of both networks.", least=0)
    seed: int = option(0, "Of both networks' weights and batches.", least=0)


OPTIONS = PictureOptions


def run(options: PictureOptions) -> None:
    """Train, find regions and draw."""
    from tfhash import models

    data = options.load_dataset()
    folder = options.figures_path or options.load_path / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    shape, n = data.input_shape, data.n_classes
    for name, build, draw in (
        (
            "region_slice",
            partial(models.mlp, shape, options.width, 2, n, seed=options.seed),
            _slice,
        ),
        ("region_layers", partial(models.resnet, shape, n, STAGES, seed=options.seed), _layers),
    ):
        started = time.monotonic()
        model = build()
        accuracy = _fit(model, data, options)
        file = folder / f"{name}_{options.dataset}"
        draw(model, data, accuracy, file)
        print(f"Drew {file}.png in {time.monotonic() - started:.0f} s", flush=True)


def _fit(model: keras.Model, data: Dataset, options: PictureOptions) -> float:
    """Train a network; gives its accuracy on the test set."""
    import keras

    keras.utils.set_random_seed(options.seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])
    x, y = data.x_train[: options.examples], data.y_train[: options.examples]
    model.fit(x, y, 64, options.epochs, verbose=0)
    return float(model.evaluate(data.x_test, data.y_test, 500, verbose=0)[1])


def _firsts(data: Dataset, n: int) -> NDArray[np.int64]:
    """The first test image of each of the first classes."""
    return np.array([int(np.argmax(data.y_test == label)) for label in range(n)])


def _slice(model: keras.Model, data: Dataset, accuracy: float, file: Path) -> None:
    from tfhash import geometry

    chosen = _firsts(data, 4)
    a, b, c, d = data.x_test[chosen].astype(np.float64)
    found = geometry.slice_regions(
        model, a, [b - a, c - a, d - a], (-MARGIN, 1 + MARGIN), classes=True
    )
    if not found.is_complete:
        raise InputError(
            f"Expected at most {found.n_regions:,} regions in the slice. Received: more. Give a "
            "smaller --width."
        )
    table = pd.concat([_surface(found), _boundary(found)])
    _write(table, file)
    places = np.vstack([np.zeros(3), np.eye(3)])
    marks = pd.DataFrame(places, columns=list("abc"))
    marks.insert(0, "name", data.y_test[chosen].astype(str))
    width = model.layers[-1].kernel.shape[0]
    caption = _caption(
        data,
        f"the slice through four test images; {width}-{width} hidden units, "
        f"{accuracy:.1%} right; {found.n_regions:,} regions",
    )
    panels = {
        "cells": "the regions, but those of the corner in front",
        "boundary": "the decision boundary: faces between two classes",
    }
    figures.save(figures.slice_in_3d(table, panels, marks, caption), file)


def _surface(found: SliceRegions) -> pd.DataFrame:
    """The polygons that are seen of all cells but those in front, toward high a, low b, high c."""
    middle = 0.5
    centers = found.centers
    front = (centers[:, 0] > middle) & (centers[:, 1] < middle) & (centers[:, 2] > middle)
    cells, faces = found.faces()
    kept = ~front[cells]
    cells, faces = cells[kept], faces[kept]
    once = np.bincount(faces)[faces] == 1
    return _corners("cells", found, cells[once], faces[once])


def _boundary(found: SliceRegions) -> pd.DataFrame:
    """The polygons between cells of two classes, in the color of one."""
    assert found.classes is not None
    pairs, faces = found.neighbors()
    one, other = found.classes[pairs].T
    differ = one != other
    side = np.where(one < other, pairs[:, 0], pairs[:, 1])
    return _corners("boundary", found, side[differ], faces[differ])


def _corners(
    kind: str, found: SliceRegions, cells: NDArray[np.int64], faces: NDArray[np.int64]
) -> pd.DataFrame:
    assert found.classes is not None
    polygons = found.polygons(faces)
    repeats = [len(polygon) for polygon in polygons]
    columns: dict[str, Any] = {
        "kind": kind,
        "polygon": np.repeat(np.arange(len(polygons)), repeats),
        "class": np.repeat(found.classes[cells], repeats),
        "region": np.repeat(found.regions[cells], repeats),
    }
    at = pd.DataFrame(np.concatenate([np.empty((0, 3)), *polygons]), columns=list("abc"))
    return pd.concat([pd.DataFrame(columns), at], axis=1)


def _layers(model: keras.Model, data: Dataset, accuracy: float, file: Path) -> None:
    from tfhash import geometry

    first, second = data.x_test[_firsts(data, 4)[[0, 3]]].astype(np.float64)
    line = geometry.line_regions(model, first, second)
    assert isinstance(line, geometry.LineRegions)
    switches = pd.DataFrame(
        {
            "t": line.breakpoints,
            "layer": line.units[:, 0],
            "name": [line.layers[i].name for i in line.units[:, 0]],
            "unit": line.units[:, 1],
        }
    )
    t = line.edges
    x = first + t.reshape(-1, *(1,) * first.ndim) * (second - first)
    made = np.asarray(model.predict(x, 500, verbose=0))
    logits = pd.DataFrame(made.round(4))
    logits.insert(0, "t", t)
    _write(switches, file, 9)
    _write(logits, file.with_name(f"{file.name}_logits"), 9)
    caption = _caption(
        data,
        f"the line between two test images through a ResNet-8, {accuracy:.1%} right; "
        f"{line.n_regions:,} regions",
    )
    images = (np.squeeze(first), np.squeeze(second))
    figures.save(figures.line_by_layer(switches, logits, images, caption), file)


def _caption(data: Dataset, subtitle: str) -> figures.Caption:
    return figures.Caption(figures.TITLES.get(data.name, data.name), subtitle, "", "")


def _write(table: pd.DataFrame, file: Path, digits: int = 4) -> None:
    text = table.round(digits).to_csv(index=False, lineterminator="\n")
    write_text(file.with_name(f"{file.name}.csv"), text)
