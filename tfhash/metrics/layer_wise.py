"""Encoding properties layer by layer: which layers of a network make its code a good hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, NamedTuple

from numpy.typing import ArrayLike

from tfhash import progress
from tfhash._extras import named_if_missing
from tfhash.codes import Codes, Origin, short_list
from tfhash.metrics.properties import encoding_properties
from tfhash.properties import FAMILIES, EncodingProperties

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("single", "first", "last")


class Part(NamedTuple):
    """Some layers of a code.

    Attributes
    ----------
    kind : str
        "single" for one layer alone, "first" or "last" for as many from that end.
    number : int
        Which layer, or how many of them; from 1.
    layers : tuple of str
        Their names.
    """

    kind: str
    number: int
    layers: tuple[str, ...]


def layer_parts(names: Sequence[str], kinds: Sequence[str] = PARTS) -> list[Part]:
    """Each layer alone, the first 1, 2, ... and the last 1, 2, ... of the layers `names`.

    Raises
    ------
    ValueError
        A kind is unknown, or there are no layers.
    """
    if not names:
        raise ValueError(
            "Expected codes whose layers are named, as Encoder.encode gives. Received: codes "
            "without layers."
        )
    for kind in kinds:
        if kind not in PARTS:
            raise ValueError(f"Expected kinds among {PARTS}. Received: {kind!r}.")
    names = tuple(names)
    numbers = range(1, len(names) + 1)
    of_kind = {
        "single": [Part("single", i, names[i - 1 : i]) for i in numbers],
        "first": [Part("first", i, names[:i]) for i in numbers],
        "last": [Part("last", i, names[-i:]) for i in numbers],
    }
    return [part for kind in kinds for part in of_kind[kind]]


def layer_wise(
    train: Codes,
    y_train: ArrayLike,
    test: Codes,
    y_test: ArrayLike,
    *,
    kinds: Sequence[str] = PARTS,
    families: Sequence[str] = FAMILIES,
    random_state: int | None = 0,
) -> pd.DataFrame:
    """Encoding properties of the codes of single layers, of the first k and of the last k.

    Layers that occur in several ways (the first one alone is the first 1) are measured once.

    Parameters
    ----------
    train, test : Codes with named layers, the same in both
    y_train, y_test : labels [n] and [n_test]
    kinds : sequence of str
        Out of "single" (each layer alone), "first" (the first 1, 2, ... layers) and "last".
    families, random_state
        As for `encoding_properties`.

    Returns
    -------
    pandas.DataFrame
        One row for each part: part (its kind), number (which layer, or how many, from 1), layers
        (names, joined by "+"; of more than three, the outer two), n_bits, then the fields of
        `EncodingProperties`, missing where they were not asked for.

    Raises
    ------
    ValueError
        Where the codes have no or different layers, or `encoding_properties` raises one.

    Examples
    --------
    >>> encoder = tfhash.Encoder(model)
    >>> metrics.layer_wise(encoder.encode(x), y, encoder.encode(x_test), y_test)
    """
    with named_if_missing("metrics.layer_wise"):
        import pandas as pd

    for codes, name in ((train, "train"), (test, "test")):
        if not isinstance(codes, Codes):
            raise ValueError(
                f"{name}: Expected codes whose layers are named, as Encoder.encode gives. "
                f"Received: {type(codes).__name__}."
            )
    if [tuple(layer) for layer in train.layers] != [tuple(layer) for layer in test.layers]:
        raise ValueError(
            "Expected training and test codes of the same layers. Received: "
            f"{short_list(layer.name for layer in train.layers)} and "
            f"{short_list(layer.name for layer in test.layers)}."
        )
    Origin.of(train).check(Origin.of(test), "test", "as train")
    parts = layer_parts([layer.name for layer in train.layers], kinds)
    known: dict[tuple[str, ...], dict[str, float | None]] = {}
    rows = []
    for part in progress.bar(parts, "layers", "part"):
        if part.layers not in known:
            chosen = train.select(part.layers)
            measured = encoding_properties(
                chosen,
                y_train,
                test.select(part.layers),
                y_test,
                families=families,
                random_state=random_state,
            )
            known[part.layers] = {"n_bits": chosen.n_bits, **asdict(measured)}
        rows.append(
            {
                "part": part.kind,
                "number": part.number,
                "layers": _shown(part.layers),
                **known[part.layers],
            }
        )
    # What was not asked for is NaN, not None.
    return pd.DataFrame(rows).astype({field.name: float for field in fields(EncodingProperties)})


def _shown(layers: tuple[str, ...]) -> str:
    return "+".join(layers) if len(layers) <= 3 else f"{layers[0]}+...+{layers[-1]}"
