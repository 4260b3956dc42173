"""Which layers are meant by what is given in `layers=`."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

import keras

from tfhash.encoder import activations as functions
from tfhash.encoder.activation_tracer import ActivationSite, Choice
from tfhash.encoder.activations import innermost
from tfhash.errors import near_layers


def choose(
    model: keras.Model,
    sites: Sequence[ActivationSite],
    layers: Choice | Sequence[Choice] | None,
    activations: functions.Activations | None,
) -> list[ActivationSite]:
    """The units to encode, in order; the others are given the reason why they are not.

    Raises
    ------
    ValueError
        Where a choice is not there; near matches are named.
    """
    accepted = functions.wanted(activations)
    for site in sites:
        site.reason = _reason(site, accepted)
    if layers is not None:
        named = named_sites(model, sites, layers)
        for site in sites:
            if site.name in named and named[site.name] and site.threshold is not None:
                site.reason = ""  # asked for by its very name
            elif site.name not in named and not site.reason:
                site.reason = "not among the layers chosen"
    return [site for site in sites if not site.reason]


def _reason(site: ActivationSite, accepted: dict[Any, float | None]) -> str:
    key = site.activation
    if key not in accepted and not isinstance(key, str):
        key = functions.name_of(key)  # functions may be given by name too
    if key in accepted and accepted[key] is not None:
        site.threshold, site.reads_output = accepted[key], True
    if site.is_output and key in functions.OTHERS:
        return "output of the model: name it in layers= to encode it"
    if key in accepted:
        return ""
    name = functions.name_of(site.activation)
    if not isinstance(site.activation, str):
        return f"activation of your own: encode it with activations={{{name!r}: threshold}}"
    if site.threshold is None:
        return "has no sign of its own for each unit"
    advice = f"encode it with activations=[{name!r}]"
    if functions.of_hidden_state(site.operation) is not None:
        return f"recurrent, its bit is the sign of its hidden state: {advice}"
    return advice


def named_sites(
    model: keras.Model, sites: Sequence[ActivationSite], layers: Choice | Sequence[Choice]
) -> dict[str, bool]:
    """Names of the units chosen, each with whether it was by its very name, index or layer.

    Raises
    ------
    ValueError
        Where a choice has no units to encode; near matches are named.
    """
    choices = list(layers) if isinstance(layers, list | tuple) else [layers]
    if not choices or any(
        a is b or _same(a, b) for i, a in enumerate(choices) for b in choices[:i]
    ):
        raise ValueError(
            "Expected different layers: names, patterns, classes, layers or indices of them. "
            f"Received: {layers!r}."
        )
    named: dict[str, bool] = {}
    for choice in choices:
        found, exact = _found(model, sites, choice)
        if not found:
            known = [site.name for site in sites if site.threshold is not None]
            near = near_layers(_word(model, choice), known) or "none in this model"
            raise ValueError(
                "Expected names, patterns or classes of layers with units to encode, layers of the "
                f"model or indices of them, such as {near}. Received: "
                f"{_received(model, sites, choice)}."
            )
        named.update({name: named.get(name, False) or exact for name in found})
    return named


def _found(
    model: keras.Model, sites: Sequence[ActivationSite], choice: Any
) -> tuple[list[str], bool]:
    encoded = [site for site in sites if not site.reason]
    if isinstance(choice, type):
        return [site.name for site in encoded if isinstance(site.operation, choice)], False
    if isinstance(choice, str):
        if any(site.name == choice and site.threshold is not None for site in sites):
            return [choice], True
        both = [  # of a Bidirectional that gives both of its directions
            site.name
            for site in sites
            if isinstance(site.operation, keras.layers.Bidirectional)
            and site.name.rpartition("/")[0] == choice
        ]
        if both:
            return both, True
        return fnmatch.filter([site.name for site in encoded], choice), False
    layer = _layer(model, choice)
    own = [
        site.name
        for site in sites
        if site.threshold is not None and layer in (site.operation, innermost(site.operation))
    ]
    if own:
        return own, True
    inner = list(layer._flatten_layers(include_self=False))
    return [u.name for u in encoded if any(u.operation is other for other in inner)], False


def _layer(model: keras.Model, choice: Any) -> keras.Layer:
    if isinstance(choice, keras.Layer):
        return choice
    if isinstance(choice, int) and not isinstance(choice, bool):
        n = len(model.layers)
        if -n <= choice < n:
            return model.layers[choice]
        raise ValueError(
            f"Expected an index of the model's {n} layers, from {-n} to {n - 1}. Received: "
            f"{choice}."
        )
    raise ValueError(
        "Expected names, patterns or classes of layers, layers of the model or indices of them. "
        f"Received: {choice!r} of class {type(choice).__name__}."
    )


def _same(a: Any, b: Any) -> bool:
    return isinstance(a, str | int) and type(a) is type(b) and a == b


def _word(model: keras.Model, choice: Any) -> str:
    if isinstance(choice, str):
        return choice
    return choice.__name__ if isinstance(choice, type) else str(_layer(model, choice).name)


def _received(model: keras.Model, sites: Sequence[ActivationSite], choice: Any) -> str:
    if isinstance(choice, type):
        return f"the class {choice.__name__}, of which none is"
    name = _word(model, choice)
    reason = next((site.reason for site in sites if site.name == name), "")
    said = repr(choice) if isinstance(choice, str | int) else f"the layer {name!r}"
    return f"{said}, which is left out: {reason}" if reason else said
