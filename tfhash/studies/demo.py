"""The demo: networks on scikit-learn's digits are trained, encoded, measured and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfhash.studies import drawing, layer_width, runner
from tfhash.studies.options import MlpOptions

REPEATS = 2


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Where the runs and the figures of the demo go: figures/ beside the runs if None."""

    save_path: Path
    figures_path: Path | None = None


OPTIONS = DemoOptions


def run(options: DemoOptions) -> None:
    """Train, measure and draw a layer-width study of the digits."""
    study = layer_width.STUDY
    runner.run(study, MlpOptions(dataset="digits", repeat=REPEATS, path=options.save_path))
    drawing.draw(
        options.save_path,
        options.figures_path or options.save_path / "figures",
        datasets=["digits"],
        names=study.figures_of("digits"),
    )
