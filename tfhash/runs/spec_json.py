"""The base of all specs: how they are checked, written to `spec.json` and read from it.

A `spec.json` may come from an untrusted source. Before it is used, the type of every field is
checked, and the characters of the fields that become part of a path.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, get_args, get_type_hints

from tfhash.errors import InputError

S = TypeVar("S", bound="Spec")
# Becomes the name of a directory: no separators, not hidden, not "..".
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
_PATH_FIELDS = ("experiment", "dataset", "protocol", "architecture")


class SpecError(InputError):
    """A spec with a field that is missing, unknown, or out of its range."""


class Spec:
    """Base of the frozen dataclasses that define one model each. Two equal ones are one network.

    A new factor is a new field whose default means "without it": older `spec.json` files then
    still read as what they were.
    """

    def check_fields(self) -> None:
        """Check the type of every field, and the characters of those that become paths.

        Raises
        ------
        SpecError
            One is not what it should be.
        """
        kind: Any = type(self)
        for name, kinds in _types(kind).items():
            value = getattr(self, name)
            if not _fits(value, kinds):
                wanted = " or ".join(getattr(one, "__name__", str(one)) for one in kinds)
                raise SpecError(f"Expected {name} as {wanted}. Received: {value!r:.80}.")
        for name in _PATH_FIELDS:
            value = getattr(self, name, None)
            # A network that is shared by runs belongs to no experiment: see `RunSpec.network`.
            if value is None or (name == "experiment" and value == ""):
                continue
            if not _NAME.fullmatch(value):
                raise SpecError(
                    f"Expected {name} of letters, digits and _ . + -, beginning with a letter or "
                    f"digit: it names a folder. Received: {value!r:.80}."
                )

    def check_least(self, **least: int) -> None:
        """Check that the fields named are at least so large, where they are not None.

        Raises
        ------
        SpecError
            One is not.
        """
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise SpecError(f"Expected {name} of at least {bound}. Received: {value}.")

    def check_training(self) -> None:
        """Check the numbers that decide every training, whatever the network.

        Raises
        ------
        SpecError
            A rate or its decay is not above 0, a penalty is negative, a share is not in [0, 1), or
            the checkpoint epochs are not increasing from 0 to the last epoch.
        """
        spec: Any = self
        for name in ("learning_rate", "decay", "decay_every"):
            if not getattr(spec, name) > 0:
                raise SpecError(f"Expected {name} above 0. Received: {getattr(spec, name)}.")
        if spec.l2 < 0:
            raise SpecError(f"Expected l2 of at least 0. Received: {spec.l2}.")
        for name in ("hold_out", "label_noise", "momentum"):
            if not 0 <= getattr(spec, name, 0) < 1:
                raise SpecError(
                    f"Expected {name} of at least 0 and below 1. Received: {getattr(spec, name)}."
                )
        kept = spec.checkpoint_epochs
        if any(b <= a for a, b in pairwise(kept)) or not all(0 <= e <= spec.epochs for e in kept):
            raise SpecError(
                f"Expected increasing checkpoint epochs from 0 to {spec.epochs}. "
                f"Received: {list(kept)}."
            )

    @classmethod
    def from_recipe(cls: type[S], recipe: Any, **rest: Any) -> S:
        """The spec of one run of `recipe`; `rest` goes over what the recipe says."""
        shared = {f.name for f in fields(cls)} & {f.name for f in fields(recipe)}  # type: ignore[arg-type]
        values = {name: getattr(recipe, name) for name in shared}
        return cls(**{**values, "protocol": recipe.name, **rest})

    @classmethod
    def from_json(cls: type[S], content: Mapping[str, Any]) -> S:
        """The spec that `to_json` gave `content` for; absent fields take their defaults.

        Raises
        ------
        SpecError
            Unknown or missing fields, or values of another type or out of their range.
        """
        known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(str(name) for name in set(content) - set(known))
        if unknown:
            raise SpecError(
                f"Expected a spec with fields among {', '.join(sorted(known))}. "
                f"Received also: {', '.join(unknown)}."
            )
        missing = [n for n, f in known.items() if f.default is MISSING and n not in content]
        if missing:
            raise SpecError(f"Expected a complete spec. Received one without {', '.join(missing)}.")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON writes them."""
        values = asdict(self)  # type: ignore[call-overload]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def differences(self, other: Spec) -> list[str]:
        """One line for every field whose value is another one in `other`."""
        mine, theirs = self.to_json(), other.to_json()
        return [
            f"{k}: {theirs.get(k)} there, {mine.get(k)} here"
            for k in {**mine, **theirs}
            if mine.get(k) != theirs.get(k)
        ]


@cache
def _types(kind: Any) -> dict[str, tuple[Any, ...]]:
    """The types that each field may have."""
    hints = get_type_hints(kind)
    found = {}
    for one in fields(kind):
        hint = hints[one.name]
        union = type(None) in get_args(hint)
        found[one.name] = get_args(hint) if union else (hint,)
    return found


def _fits(value: Any, kinds: tuple[Any, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int):
        # Larger ones are no sizes, and overflow where arrays are made of them.
        return (int in kinds or float in kinds) and abs(value) < 1 << 53
    if isinstance(value, float):
        return float in kinds and math.isfinite(value)
    if isinstance(value, tuple):
        return tuple[int, ...] in kinds and all(_fits(one, (int,)) for one in value)
    return type(value) in kinds
