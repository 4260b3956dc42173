"""Figure 5: encoding properties of parts of the layers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tfhash import figures, results
from tfhash.figures import layer_wise
from tfhash.files import write_text


def draw(path: Path, datasets: Collection[str], figures_path: Path) -> list[str]:
    """Draw Figure 5 for each of `datasets` and width measured; the names of the files."""
    table = results.load_layer_wise(path)
    if table.empty:
        return []
    names = []
    settings = ["dataset", "protocol", "depth", "width"]
    several = table.groupby("dataset")["width"].nunique().max() > 1
    for (dataset, protocol, depth, width), rows in table.groupby(settings):
        if dataset not in datasets:
            continue
        name = f"figure_5_{dataset}" + (f"_width={width}" if several else "")
        if protocol != "paper":
            name += f"_{protocol}"
        measured = layer_wise.tidy(rows)
        repeats = rows["repeat"].nunique()
        caption = figures.Caption(
            title=figures.TITLES.get(dataset, dataset),
            subtitle=f"{depth} hidden layers of {width} units, {protocol} protocol, "
            + (f"mean ± sd of {repeats} repeats" if repeats > 1 else "1 repeat"),
            ours="",
            paper="",
        )
        figures.save(layer_wise.figure_5(measured, caption), figures_path / name)
        write_text(
            figures_path / f"{name}.csv",
            measured.round(6).to_csv(index=False, lineterminator="\n"),
        )
        names.append(f"{name}.png")
    return names
