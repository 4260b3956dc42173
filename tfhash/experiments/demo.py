"""The whole road on data that everybody has: digits, trained, encoded, measured and drawn."""

from __future__ import annotations

from pathlib import Path

from tfhash.experiments import drawing, layer_width, stages
from tfhash.experiments.options import Options

REPEATS = 2


def run(path: Path, figures_path: Path) -> None:
    """A layer-width sweep on the digits, with runs in `path` and figures in `figures_path`."""
    options = Options(dataset="digits", repeat=REPEATS, path=path)
    stages.train(layer_width.specs(options), options)
    layer_width.encoding_properties(options)
    drawing.draw(path, figures_path, datasets=["digits"], experiments=[layer_width.NAME])
