"""The whole road on data that everybody has: digits, trained, encoded, measured and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfhash.studies import drawing, layer_width, runner
from tfhash.studies.options import MlpOptions

REPEATS = 2


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Where the runs and the figures of the demo go."""

    save_path: Path
    figures_path: Path


OPTIONS = DemoOptions


def run(options: DemoOptions) -> None:
    """Train, measure and draw a layer-width study of the digits."""
    study = layer_width.STUDY
    runner.run(study, MlpOptions(dataset="digits", repeat=REPEATS, path=options.save_path))
    drawing.draw(
        options.save_path,
        options.figures_path,
        datasets=["digits"],
        experiments=[study.directory],
    )
