"""Drawing every figure that the results at hand allow, and saying what was left out and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tfhash import figures
from tfhash.datasets import NAMES
from tfhash.errors import InputError, unknown_name
from tfhash.figures import FigureKind
from tfhash.runs import stored_runs
from tfhash.studies import (
    STUDIES,
    drawing_cnn,
    drawing_curves,
    drawing_factors,
    drawing_geometry,
    drawing_layers,
    drawing_phases,
    drawing_representations,
    drawing_shifts,
)
from tfhash.studies.definition import Study
from tfhash.studies.drawing_record import Drawing, MeasuredRuns
from tfhash.studies.option import option

# Curves, and what is none: a figure or table by name.
DRAWINGS: dict[str, FigureKind | Drawing] = {
    **{kind.name: kind for kind in figures.FIGURES},
    **{
        one.name: one
        for module in (
            drawing_geometry,
            drawing_layers,
            drawing_cnn,
            drawing_phases,
            drawing_representations,
            drawing_factors,
            drawing_shifts,
        )
        for one in module.DRAWINGS
    },
}


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """Where runs are read from, where figures go, and which are drawn: all of them if None.

    Figures go to figures/ beside the runs if no folder is named. The figures/ of a checkout are the
    project's own results: they are named to be drawn again.
    """

    load_path: Path
    figures_path: Path | None = None
    figures: tuple[str, ...] | None = option(
        None, "What is drawn, as figure_2a,table_1 (all that the results allow)."
    )
    dataset: str | None = option(
        None, "What the networks were trained on (all of them).", choices=NAMES
    )


OPTIONS = DrawOptions


def run(options: DrawOptions) -> None:
    """Draw what there are results for."""
    draw(
        options.load_path,
        options.figures_path or options.load_path / "figures",
        None if options.dataset is None else [options.dataset],
        options.figures,
    )


def draw(
    path: Path,
    figures_path: Path,
    datasets: Collection[str] | None = None,
    names: Collection[str] | None = None,
) -> None:
    """Draw what there are results for, each figure with the table behind it, and say what is not.

    Parameters
    ----------
    path
        Folder of the runs.
    figures_path
        Where NAME.png, NAME.svg and NAME.csv are written for each figure, and `deviations.csv`.
    datasets, names
        Leave out the others; None for all. Names are those of `DRAWINGS`.

    Raises
    ------
    InputError
        There are no results, a name is unknown, or the figures' folder cannot be written.
    """
    for name in names or ():
        if name not in DRAWINGS:
            raise unknown_name("figures", name, DRAWINGS)
    measured = MeasuredRuns(path)
    table = measured.encoding
    # A run may have nothing in `table`, and layers or planes all the same.
    there = {(run.spec.experiment, run.spec.dataset) for run in stored_runs(path)}
    known = sorted({dataset for _, dataset in there})
    chosen = known if datasets is None else [name for name in known if name in datasets]
    if not chosen:
        raise InputError(
            f"Expected runs on {', '.join(datasets or ())} under {path}. Received: runs on "
            f"{', '.join(known)}."
        )
    try:
        figures_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Expected a folder that can be written at {figures_path}. Received: {error.strerror}."
        ) from error
    left_out: list[str] = []
    deviations: list[pd.DataFrame] = []
    n_drawn = 0
    for study in STUDIES.values():
        by_name = _wanted(study, chosen, names)
        missing = []
        for name, of_name in by_name.items():
            with_runs = [dataset for dataset in of_name if (study.directory, dataset) in there]
            if not with_runs:
                missing.append(name)
                continue
            one = DRAWINGS[name]
            drawn: Mapping[str, Sequence[str]]
            if isinstance(one, FigureKind):
                drawn = drawing_curves.draw(
                    one, table, with_runs, figures_path, deviations, left_out
                )
                needs = " or ".join(dict.fromkeys(metric for metric, _ in one.curves))
            else:
                drawn, needs = one.draw(measured, with_runs, figures_path), one.needs
            for file in (file for files in drawn.values() for file in files):
                also = " (and .svg, and the table behind it, .csv)" if file.endswith(".png") else ""
                print(f"Drew {figures_path / file}{also}")
                n_drawn += 1
            left_out += [
                f"{name} of {dataset}: no {needs} measured under {path}; `tfhash run "
                f"{study.name} --dataset {dataset}` measures it."
                for dataset in with_runs
                if dataset not in drawn
            ]
        if missing:
            left_out.append(
                f"{', '.join(missing)}: no {study.directory} runs under {path}; `tfhash run "
                f"{study.name}` makes them."
            )
    drawn_for = {name for one in STUDIES.values() for name in _wanted(one, chosen, None)}
    left_out += [
        f"{name}: it is drawn for other datasets than {', '.join(chosen)}."
        for name in dict.fromkeys(names or ())
        if name not in drawn_for
    ]
    is_all = datasets is None and names is None
    drawing_curves.report(
        pd.concat(deviations) if deviations else pd.DataFrame(), figures_path, is_all
    )
    for reason in left_out:
        print(f"Left out {reason}")
    print(f"{n_drawn} figure{' is' if n_drawn == 1 else 's are'} in {figures_path}", flush=True)


def _wanted(
    study: Study, datasets: Sequence[str], names: Collection[str] | None
) -> dict[str, list[str]]:
    """Figures of a study, each with the datasets that it is drawn for."""
    wanted: dict[str, list[str]] = {}
    for dataset in datasets:
        for name in study.figures_of(dataset):
            if names is None or name in names:
                wanted.setdefault(name, []).append(dataset)
    return wanted
