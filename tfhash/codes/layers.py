"""Which bits of a code belong to which layer."""

from collections.abc import Iterable
from typing import NamedTuple

from tfhash.codes.words import whole_number

SHOWN = 8  # layers in a message


class LayerSpan(NamedTuple):
    """The bits `[start, stop)` of a code that belong to one layer."""

    name: str
    start: int
    stop: int


def checked_layers(layers: Iterable[tuple[str, int, int]], n_bits: int) -> tuple[LayerSpan, ...]:
    """The spans, which must follow one another, cover all bits and have different names.

    Raises ValueError where they do not.
    """
    spans, names, at = [], set(), 0
    for name, start, stop in layers:
        span = LayerSpan(
            str(name),
            whole_number(start, f"the start of layer {name!r}", 0),
            whole_number(stop, f"the stop of layer {name!r}", 0),
        )
        spans.append(span)
        if span.start != at or span.stop < at:
            raise ValueError(
                f"Expected layers that follow one another: one that starts at bit {at} and stops "
                f"there or later. Received: {tuple(span)}."
            )
        if span.name in names:
            raise ValueError(
                f"Expected layers of different names. Received: {span.name!r} more than once."
            )
        at = span.stop
        names.add(span.name)
    if spans and at != n_bits:
        raise ValueError(
            f"Expected layers that cover all {n_bits} bits. Received: {len(spans)} layers of "
            f"{at} bits."
        )
    return tuple(spans)


def end_to_end(layers: Iterable[LayerSpan]) -> tuple[LayerSpan, ...]:
    """The layers one after the other from bit 0 on.

    Raises ValueError where a name is there twice.
    """
    moved: list[LayerSpan] = []
    names, at = set(), 0
    for layer in layers:
        if layer.name in names:
            raise ValueError(
                f"Expected layers of different names. Received: {layer.name!r} more than once."
            )
        names.add(layer.name)
        moved.append(LayerSpan(layer.name, at, at + layer.stop - layer.start))
        at = moved[-1].stop
    return tuple(moved)


def adjoined(layers: Iterable[LayerSpan]) -> list[tuple[int, int]]:
    """The spans of bits of `layers`, those that adjoin as one: they are copied at once."""
    spans: list[tuple[int, int]] = []
    for layer in layers:
        if spans and spans[-1][1] == layer.start:
            spans[-1] = (spans[-1][0], layer.stop)
        else:
            spans.append((layer.start, layer.stop))
    return spans


def short_list(names: Iterable[str]) -> str:
    """The first of `names`, for messages: deep networks have thousands of layers."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
