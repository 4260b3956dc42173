"""Which encoding properties figures show, and what they call them: read off the registry."""

from __future__ import annotations

from tfhash.properties import ENCODING_PROPERTIES, SETS

# (metric, split) in a tidy table: the words for it.
Labels = dict[tuple[str, str], str]

REDUNDANCY: Labels = {
    (one.metric, one.split): SETS[one.split]
    for one in ENCODING_PROPERTIES.values()
    if one.quantity == "ratio"
}


def accuracies(split: str) -> Labels:
    """All accuracies of the codes; where both sets are measured, that of the set `split`."""
    return {
        (one.metric, one.split): one.label_with(SETS[one.split])
        for one in ENCODING_PROPERTIES.values()
        if one.quantity == "accuracy" and (one.split == split or not one.is_of_both_sets)
    }


def words(column: str) -> str:
    """A column's name as it is read: "stable_rank" is "stable rank"."""
    return column.replace("_", " ")


# Sets that the paper clusters: the training set in Figures 2 and 3, the test set elsewhere.
ACCURACY_KMEANS_TRAIN = accuracies("train")
ACCURACY_KMEANS_TEST = accuracies("test")
