"""Measures: one file a kind, all of them in one registry."""

from tfhash.errors import unknown_name
from tfhash.studies.measure import Measure
from tfhash.studies.measures import (
    characteristics,
    diameters,
    encoding,
    layers,
    random_inputs,
    regions,
    trained_labels,
)

MEASURES: dict[str, Measure] = {
    one.name: one
    for one in (
        *encoding.MEASURES,
        *layers.MEASURES,
        *diameters.MEASURES,
        *regions.MEASURES,
        *random_inputs.MEASURES,
        *trained_labels.MEASURES,
        *characteristics.MEASURES,
    )
}


def measure(name: str) -> Measure:
    """The measure `name`.

    Raises
    ------
    InputError
        There is none of that name; near ones are named.
    """
    if name not in MEASURES:
        raise unknown_name("a measure", name, MEASURES)
    return MEASURES[name]


__all__ = ["MEASURES", "Measure", "measure"]
