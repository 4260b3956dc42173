"""The shape of what a model takes, or why it cannot be followed."""

from __future__ import annotations

from typing import Any

from tfhash import graph


def input_shape(model: Any, points: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The shape of one example.

    Parameters
    ----------
    model : keras.Model
    points : the shape of the points, or of one point, from which sizes are taken that the model
        leaves open

    Raises
    ------
    ValueError
        Where it is no built Keras model with one input; where the model leaves sizes open that
        the points do not have.
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
    shape = shapes[0][1:]
    if None not in shape:
        return shape
    given = points[len(points) - len(shape) :] if len(points) >= len(shape) else ()
    if len(given) != len(shape):
        raise ValueError(
            f"Expected points of shape {shapes[0]}, from which to take the sizes that "
            f"{model.name!r} leaves open. Received shape: {points}."
        )
    return tuple(there if size is None else size for size, there in zip(shape, given, strict=True))


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
