"""Damage to bytes, as Hypothesis draws it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

Damage = Callable[[bytes], bytes]

_PLACES = st.integers(0, 1 << 20)
# Sizes and counts that programs get wrong.
_NUMBERS = st.one_of(
    st.integers(0, 40),
    st.sampled_from([2**bits + by for bits in (7, 8, 15, 16, 31, 32, 63, 64) for by in (-1, 0, 1)]),
    st.integers(0, 2**64),
)


def _flip(place: int, bit: int) -> Damage:
    def damage(data: bytes) -> bytes:
        at = place % len(data)
        return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]

    return damage


def _cut(place: int) -> Damage:
    return lambda data: data[: place % len(data)]


def _put(place: int, new: bytes) -> Damage:
    """`new` in place of as many bytes."""

    def damage(data: bytes) -> bytes:
        at = place % len(data)
        return data[:at] + new + data[at + len(new) :]

    return damage


def _insert(place: int, new: bytes) -> Damage:
    def damage(data: bytes) -> bytes:
        at = place % len(data)
        return data[:at] + new + data[at:]

    return damage


def _splice(here: int, there: int, length: int, keep: bool) -> Damage:
    """A piece of the data somewhere else in them: in place of what is there, or between."""

    def damage(data: bytes) -> bytes:
        at, to = here % len(data), there % len(data)
        piece = data[at : at + length]
        return data[:to] + piece + data[to + (0 if keep else len(piece)) :]

    return damage


def _remove(place: int, length: int) -> Damage:
    def damage(data: bytes) -> bytes:
        at = place % len(data)
        return data[:at] + data[at + length :]

    return damage


def _number(place: int, number: int, size: int, big: bool) -> Damage:
    """A number in place of `size` bytes, as a length field holds it."""
    new = (number % (1 << (8 * size))).to_bytes(size, "big" if big else "little")
    return _put(place, new)


def _text(place: int, number: int) -> Damage:
    """A number in digits in place of the next digits, as JSON, CSV and array heads hold it."""

    def damage(data: bytes) -> bytes:
        digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
        if not digits:
            return data
        at = digits[place % len(digits)]
        end = at
        while end < len(data) and 48 <= data[end] <= 57:
            end += 1
        return data[:at] + str(number).encode() + data[end:]

    return damage


_LENGTHS = st.integers(1, 64)
_SINGLE = st.one_of(
    st.builds(_flip, _PLACES, st.integers(0, 7)),
    st.builds(_put, _PLACES, st.binary(min_size=1, max_size=8)),
    st.builds(_number, _PLACES, _NUMBERS, st.sampled_from([1, 2, 4, 8]), st.booleans()),
    st.builds(_text, _PLACES, _NUMBERS),
    st.builds(_insert, _PLACES, st.binary(min_size=1, max_size=8)),
    st.builds(_splice, _PLACES, _PLACES, _LENGTHS, st.booleans()),
    st.builds(_remove, _PLACES, _LENGTHS),
    st.builds(_cut, _PLACES),
)


def damaged(data: bytes, pieces: list[bytes] | None = None) -> st.SearchStrategy[bytes]:
    """`data` after one to five damages; `pieces` are inserted too, where the format has any."""
    single = _SINGLE
    if pieces:
        single = st.one_of(_SINGLE, st.builds(_insert, _PLACES, st.sampled_from(pieces)))

    def apply(damages: list[Damage]) -> bytes:
        result = data
        for damage in damages:
            result = damage(result) if result else result
        return result

    return st.lists(single, min_size=1, max_size=5).map(apply)
