"""The inputs that a model takes: how many, by what names, in what structure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tfhash import graph
from tfhash.errors import near_names


def struct_of(model: keras.Model) -> Any:
    """Symbolic tensors in the structure in which a built model takes its inputs.

    A list of one is that tensor alone. None where it is not known: of a subclassed model that does
    not tell what it was built with, or whose `call` takes its inputs as several arguments.
    """
    if graph.is_traceable(model):
        inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        alone = isinstance(inputs, list | tuple) and len(inputs) == 1
        return inputs[0] if alone else inputs
    shapes = (model.get_build_config() or {}).get("input_shape")
    return None if shapes is None else _tensors_of(shapes)


def _tensors_of(shapes: Any, name: str | None = None) -> Any:
    """What a subclassed model was built with, as symbolic tensors."""
    if isinstance(shapes, dict):
        return {
            name: keras.KerasTensor((None, *shape[1:]), name=name) for name, shape in shapes.items()
        }
    if all(size is None or isinstance(size, int) for size in shapes):
        return keras.KerasTensor((None, *shapes[1:]), dtype=keras.backend.floatx(), name=name)
    return [_tensors_of(shape, f"input_{i}") for i, shape in enumerate(shapes)]


def names_of(struct: Any) -> list[str]:
    """Of each input, flattened: its key where the model takes a dict, else its own name."""
    symbols = keras.tree.flatten(struct)
    if isinstance(struct, dict) and len(struct) == len(symbols):
        # Keras sorts the keys of a dict, but not those of an OrderedDict.
        keys = {id(symbol): key for key, symbol in struct.items()}
        return [keys[id(symbol)] for symbol in symbols]
    return [symbol.name for symbol in symbols]


def named_parts(x: Mapping[Any, Any], struct: Any) -> list[Any]:
    """The parts of a dict, which may hold more than the model takes, as in `predict`.

    Raises
    ------
    ValueError
        Where one of them is missing.
    """
    known = names_of(struct)
    for names in (known, [symbol.name for symbol in keras.tree.flatten(struct)]):
        if set(names) <= set(x):
            return [x[name] for name in names]
    missing = [name for name in known if name not in x]
    near = near_names(missing[0], [str(name) for name in x])
    raise ValueError(
        f"Expected inputs named {known}. Received: {[*x][:20]}, without {missing[0]!r}"
        + (
            f": give the array alone, x[{next(iter(x))!r}] for instance."
            if len(known) == 1 and len(x) > 0
            else f", which may be {' or '.join(near)}."
            if near
            else "."
        )
    )
