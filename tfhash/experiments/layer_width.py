"""How the encoding properties depend on the width of the hidden layers (Figures 2a and 2b)."""

from __future__ import annotations

from tfhash.experiments import stages
from tfhash.experiments.options import Options
from tfhash.training import RunSpec

NAME = "layer_width"


def specs(options: Options) -> list[RunSpec]:
    """One run for each repeat and width, a whole repeat before the next."""
    return [
        options.spec(NAME, width=width, repeat=repeat)
        for repeat in options.repeats
        for width in options.widths or options.recipe.widths
    ]


def encoding_properties(options: Options) -> None:
    """Measure the codes of all networks that are trained."""
    stages.encoding_properties(specs(options), options)
