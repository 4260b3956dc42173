"""What wrong labels in the training set do to the encoding properties (Figure 12)."""

from collections.abc import Sequence

from tfhash.studies.definition import Grid, Measured, Study, recipe_widths
from tfhash.studies.layer_width import PROPERTIES
from tfhash.studies.options import MlpOptions

# Shares of the training labels that are replaced, as in the paper.
RATES = (0.0, 0.1, 0.2, 0.3)


def rates(options: MlpOptions) -> Sequence[float]:
    """The paper's rates, whatever the dataset."""
    return RATES


STUDY = Study(
    name="label_noise",
    grids=(
        Grid(
            axes={"label_noise": rates, "width": recipe_widths},
            # Against the true labels, and on the training set against those trained with too.
            measures=(*PROPERTIES, Measured(measure="trained_labels")),
        ),
    ),
    encode_at_once=2048,
    figures=("figure_12a", "figure_12b", "label_noise_shifts"),
)
