"""Flags made from the dataclasses that hold the options: each is written once, there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from absl import flags

from tfhash.errors import InputError, did_you_mean, near_names

# Fields that are folders, by name: help, and the default folder under the home of runs.
_FOLDERS = {
    "save_path": ("Folder of the runs.", "runs"),
    "load_path": ("Folder of the runs.", "runs"),
    "figures_path": ("Folder for figures and tables (figures/ in the folder of the runs).", None),
}


def define(
    options: type,
    values: flags.FlagValues,
    home: Path,
    wanted: Callable[[str, Any], bool],
    names: Mapping[str, str],
) -> None:
    """Define a flag for each field of the dataclass `options` that is `wanted`.

    Parameters
    ----------
    options
        A dataclass, its fields made by `option`.
    values
        Where the flags are defined.
    home
        Folder in which runs/ is by default.
    wanted
        From a field's name and metadata to whether it becomes a flag.
    names
        Flags of fields that are not called as their field is, by field.
    """
    hints = get_type_hints(options)
    for name, one in _flags_of(options, names):
        if name in _FOLDERS:
            text, folder = _FOLDERS[name]
            default = None if folder is None else str(home / folder)
            flags.DEFINE_string(name, default, text, flag_values=values)
        elif wanted(one.name, one.metadata):
            _define_one(name, hints[one.name], one.default, one.metadata, values)


def given(options: type, values: flags.FlagValues, names: Mapping[str, str]) -> dict[str, Any]:
    """The values of the flags, as keyword arguments of `options`; `names` as for `define`."""
    hints = get_type_hints(options)
    return {
        one.name: _converted(name, hints[one.name], values[name].value)
        for name, one in _flags_of(options, names)
        if name in values
    }


def _flags_of(options: type, names: Mapping[str, str]) -> list[tuple[str, Field[Any]]]:
    """The flag's name and the field of each field; one whose flag another field has is left out."""
    taken = set(names.values())
    return [
        (names.get(one.name, one.name), one)
        for one in fields(options)
        if one.name in names or one.name not in taken
    ]


def describe(values: flags.FlagValues) -> str:
    """What `--help` says of all flags."""
    shown = [values[name] for name in values if name == values[name].name]
    return "\n".join(
        f"  --{flag.name}: {flag.help}"
        + (
            ""
            if flag.default in (None, False)
            else f" Default: {flag.default_as_str.strip(chr(39))}"
        )
        for flag in shown
    )


class _ChoiceParser(flags.EnumParser):
    """One word of several; for another word, those are named that may be meant."""

    def parse(self, argument: str) -> str:
        try:
            return str(super().parse(argument))
        except ValueError as error:
            near = near_names(argument, self.enum_values)
            raise ValueError(f"{error}.{did_you_mean(near)}") from None


def _define_one(
    name: str, hint: Any, default: Any, metadata: Any, values: flags.FlagValues
) -> None:
    kind, text = _kind(hint), metadata["text"]
    given: dict[str, Any] = {"flag_values": values}
    if metadata["choices"]:
        choices = list(metadata["choices"])
        text = f"<{'|'.join(choices)}>: {text}"
        written = flags.ArgumentSerializer()
        flags.DEFINE(_ChoiceParser(choices), name, default, text, serializer=written, **given)
    elif get_origin(kind) is tuple:
        listed = None if default is None else ",".join(map(str, default))
        flags.DEFINE_list(name, listed, text, **given)
    elif kind is bool:
        flags.DEFINE_bool(name, default, text, **given)
    elif kind is int:
        flags.DEFINE_integer(name, default, text, lower_bound=metadata["least"], **given)
    elif kind is float:
        flags.DEFINE_float(name, default, text, **given)
    else:
        flags.DEFINE_string(name, default, text, **given)


def _converted(name: str, hint: Any, value: Any) -> Any:
    kind = _kind(hint)
    if value is None:
        return None
    if kind is Path:
        return Path(value).expanduser()
    if get_origin(kind) is tuple:
        return _listed(name, value, get_args(kind)[0])
    return value


def _listed(name: str, values: list[str], kind: type) -> tuple[Any, ...]:
    try:
        return tuple(kind(value) for value in values)
    except ValueError:
        whole = kind is int
        raise InputError(
            f"Expected {'whole numbers' if whole else 'numbers'}, as --{name} "
            f"{'10,20,40' if whole else '0.1,1,10'}. Received: {','.join(values)}."
        ) from None


def _kind(hint: Any) -> Any:
    """The type of a field, without None."""
    if get_origin(hint) is UnionType:
        return next(kind for kind in get_args(hint) if kind is not type(None))
    return hint
