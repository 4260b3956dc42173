"""The shape of what a model takes, or why it cannot be followed."""

from __future__ import annotations

from typing import Any

from tfhash import graph


def input_shape(model: Any) -> tuple[int, ...]:
    """The shape of one example.

    Raises
    ------
    ValueError
        Where it is no built Keras model with one input of a fixed shape.
    """
    graph.check_built(model)
    if graph.is_traceable(model):
        shapes = [tuple(x.shape) for x in model.inputs]
    else:  # subclassed: the shapes it was built with
        shapes = _shapes(model.get_build_config())
    if len(shapes) != 1:
        raise ValueError(
            f"Expected a model with one input. Received: {model.name!r} with {len(shapes)}."
        )
    if None in shapes[0][1:]:
        raise ValueError(
            f"Expected a model with a fixed input shape. Received: {model.name!r} with {shapes[0]}."
        )
    return shapes[0][1:]


def _shapes(config: Any) -> list[tuple[int | None, ...]]:
    """The shapes, tuples of sizes, somewhere in what Keras says a model was built with."""
    if isinstance(config, dict):
        config = config.get("shapes_dict") or list(config.values())
    if isinstance(config, dict):
        return [shape for part in config.values() for shape in _shapes(part)]
    if not isinstance(config, list | tuple):
        return []
    if config and all(size is None or isinstance(size, int) for size in config):
        return [tuple(config)]
    return [shape for part in config for shape in _shapes(part)]
