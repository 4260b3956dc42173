"""Figure 5: encoding properties of parts of the layers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tfhash import figures
from tfhash.figures import layer_wise
from tfhash.studies.drawing_record import Drawing, MeasuredRuns, are_alike, overridden, write_table


def draw(
    measured: MeasuredRuns, datasets: Collection[str], figures_path: Path
) -> dict[str, list[str]]:
    """Draw Figure 5 for each of `datasets` and width measured."""
    table = measured.layers
    if table.empty:
        return {}
    files: dict[str, list[str]] = {}
    settings = ["dataset", "protocol", "depth", "width"]
    several = table.groupby("dataset")["width"].nunique().max() > 1
    for (dataset, protocol, depth, width), rows in table.groupby(settings):
        what = f"Figure 5 of {dataset}, depth {depth}, width {width}, {protocol} protocol,"
        # The columns of a run's spec come before its epochs.
        if dataset not in datasets or not are_alike(rows.loc[:, :"epoch"], (), what):
            continue
        name = f"figure_5_{dataset}" + (f"_width={width}" if several else "")
        if protocol != "paper":
            name += f"_{protocol}"
        means = layer_wise.tidy(rows)
        repeats = rows["repeat"].nunique()
        caption = figures.Caption(
            title=figures.TITLES.get(dataset, dataset),
            subtitle=f"{depth} hidden layers of {width} units, {protocol} protocol"
            f"{overridden(rows.iloc[0])}, "
            + (f"mean ± sd of {repeats} repeats" if repeats > 1 else "1 repeat"),
            ours="",
            paper="",
        )
        figures.save(layer_wise.figure_5(means, caption), figures_path / name)
        write_table(means, figures_path / f"{name}.csv")
        files.setdefault(str(dataset), []).append(f"{name}.png")
    return files


DRAWINGS = (Drawing(name="figure_5", needs="parts of the layers", draw=draw),)
