"""`tfhash.report`: what codes tell of a model and its data, as one HTML file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import jinja2
import keras
import numpy as np

from tfhash.audit.sheets import are_images, as_images
from tfhash.codes import whole_number
from tfhash.encoder import Encoder
from tfhash.files import write_text
from tfhash.properties import ENCODING_PROPERTIES
from tfhash.reporting import drawing
from tfhash.reporting.findings import Findings, gather


def report(
    model: keras.Model | Encoder,
    train: Any,
    test: Any = None,
    path: str | PathLike[str] = "report.html",
    against: keras.Model | Encoder | None = None,
    radius: int | None = None,
) -> Path:
    """Write one HTML page on a model and its data. It needs no network and no other file.

    It shows what is encoded; the encoding properties; units that are dead or always on over the
    training data, by layer; which classes are neighbors; a map of codes (t-SNE, of 2,000 examples
    at most); near-duplicates, leakage and suspected labels, with pictures where inputs are images;
    coverage; timings and versions.

    Parameters
    ----------
    model : keras.Model or Encoder
        Built; or an encoder of the layers and activations that are to be read.
    train : [n, ...], or (inputs, labels [n])
        A pair is taken for inputs and labels.
    test : as `train`, optional
    path : path
        The file to write, whole or not at all.
    against : as `model`, optional
        An earlier checkpoint, for the same inputs, to compare with.
    radius : int, optional
        Examples whose codes differ in at most this many bits are near-duplicates: by default one
        bit in a hundred, at least 1.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ValueError
        Where inputs or labels do not suit the model or each other, or there is nothing to encode.
    OSError
        Where the file cannot be written; that is found out before anything is measured.
    """
    target = Path(path)
    check_writable(target)
    if radius is not None:
        radius = whole_number(radius, "radius (bits)", 0)
    pair, test_pair = _pair(train), None if test is None else _pair(test)
    if against is not None:
        for inputs, _ in filter(None, (pair, test_pair)):
            if isinstance(inputs, Iterator):
                raise ValueError(
                    "Expected inputs that can be gone through twice, for the model and for "
                    f"against. Received: {type(inputs).__name__}, which can be once. Give an "
                    "array or a tf.data.Dataset."
                )
    found = gather(model, pair, test_pair, against, radius)
    write_text(target, render(found, pair[0], None if test_pair is None else test_pair[0]))
    return target


def check_writable(path: Path) -> None:
    """Raises OSError where no file can be written there."""
    if path.is_dir():
        raise IsADirectoryError(21, "Expected a file. Received: a folder", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "Expected a folder to write the file in", str(path.parent))
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(13, "Expected a folder that may be written to", str(path.parent))


def render(found: Findings, x: Any, x_test: Any) -> str:
    """The page of what was found."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfhash.reporting", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    uris: list[str] = []
    pairs = [(x, row) for pair in found.pairs for row in pair[:2]]
    suspects = [(x, one["row"]) for one in found.suspects]
    if are_images(x):
        leaks = [cell for i, j, _ in found.leaks for cell in ((x_test, i), (x, j))]
        uris = [drawing.data_uri(one) for one in as_images([*pairs, *suspects, *leaks])]
    else:
        why = "are no images" if hasattr(x, "shape") else "are no single array of images"
        found.notes.append(f"The inputs {why}: examples are given by row, without pictures.")
    n_pairs, n_others = len(pairs), len(pairs) + len(suspects)
    return environment.get_template("page.html.jinja").render(
        found=found,
        known_properties=ENCODING_PROPERTIES,
        palette=drawing.PALETTE,
        shown=sum(layer["dead"] for layer in found.layers),
        always=sum(layer["always_on"] for layer in found.layers),
        pair_uris=uris[:n_pairs],
        suspect_uris=uris[n_pairs:n_others],
        leak_uris=uris[n_others:],
        bars=drawing.bars(found.layers, "Share of units dead, always on and of use, by layer"),
        heat_map=_heat_map(found),
        map=_map(found),
    )


def _map(found: Findings) -> str:
    if found.places is None:
        return ""
    n = len(found.places)
    label = f"Map of the codes of {n} training examples, colored by class"
    return drawing.scatter(found.places, found.place_classes, found.classes, label)


def _heat_map(found: Findings) -> str:
    if found.confusion is None:
        return ""
    label = "Share of the nearest codes of each class, by the class of the neighbor"
    return drawing.heat_map(found.confusion, found.classes, label)


def _pair(given: Any) -> tuple[Any, Any]:
    if isinstance(given, tuple):
        if len(given) != 2:
            raise ValueError(
                f"Expected inputs, or a pair (inputs, labels). Received: a tuple of {len(given)}."
            )
        return given[0], None if given[1] is None else np.asarray(given[1])
    return given, None
