"""What twelve regularizers do to the error behind convolutions (Choi et al., Tables 4 and 9).

tfhash run representations_cnn --dataset=cifar10 --sample_sizes=1000,5000
tfhash run representations_cnn --dataset=cifar100 --n_classes=16

Networks are trained one after another, with Keras `fit`: on two cores, 1,000 CIFAR-10 images for 50
epochs take a network five minutes. Sample sizes are as drawn from what is not held out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhash.studies.definition import Grid, Study
from tfhash.studies.options import RepresentationCnnOptions
from tfhash.studies.representations import MEASURES, conditions

NAME = "representations_cnn"

# Adam's rate is the recipe's (Appendix D.3).
RATES = {"momentum": 0.01, "rmsprop": 1e-4}


def trained(options: RepresentationCnnOptions) -> Sequence[Mapping[str, Any]]:
    """Each sample size, width, regularizer and loss weight, trained as the options say."""
    fields: dict[str, Any] = {
        "convolutions": True,
        "optimizer": options.optimizer,
        "n_classes": options.n_classes,
        "learning_rate": RATES.get(options.optimizer, options.recipe.learning_rate),
    }
    return [{**one, **fields} for one in conditions(NAME, options)]


STUDY = Study(
    name=NAME,
    grids=(
        Grid(
            axes={"sample_size": trained},
            measures=MEASURES,
        ),
    ),
    options=RepresentationCnnOptions,
    encode_at_once=500,
    without=("one_by_one", "group_size"),  # Keras `fit` trains all, one after another
    figures={
        "digits": ("representations_table_4", "representations_cnn_weights"),
        "mnist": ("representations_table_4", "representations_cnn_weights"),
        "cifar10": ("representations_table_4", "representations_cnn_weights"),
        "cifar100": ("representations_table_9", "representations_cnn_weights"),
    },
)
