"""Figures: from tidy tables to `matplotlib.figure.Figure`. They compute nothing."""

from tfhash._extras import named_if_missing

with named_if_missing("tfhash.figures"):
    from tfhash.figures.histograms import diameter_histograms
    from tfhash.figures.layer_wise import figure_5
    from tfhash.figures.phase_chart import phase_chart
    from tfhash.figures.planes import plane, planes
    from tfhash.figures.region_pictures import line_by_layer, slice_in_3d
    from tfhash.figures.registry import FIGURES, FigureKind
    from tfhash.figures.regularizers import figure_6, figure_10
    from tfhash.figures.representations import (
        by_weight,
        characteristics_by_layer,
        information,
        unit_histogram,
        unit_scatter,
        units_by_regularizer,
    )
    from tfhash.figures.style import TITLES, Caption, save
    from tfhash.figures.tsne import figure_1
    from tfhash.figures.unit_pictures import unit_pictures

__all__ = [
    "FIGURES",
    "TITLES",
    "Caption",
    "FigureKind",
    "by_weight",
    "characteristics_by_layer",
    "diameter_histograms",
    "figure_1",
    "figure_5",
    "figure_6",
    "figure_10",
    "information",
    "line_by_layer",
    "phase_chart",
    "plane",
    "planes",
    "save",
    "slice_in_3d",
    "unit_histogram",
    "unit_pictures",
    "unit_scatter",
    "units_by_regularizer",
]
