"""Models that train with a regularizer on one layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np

from tfhash import graph, rebuilding
from tfhash.regularizers.names import (
    OF_REPRESENTATIONS,
    RepresentationRegularizer,
    class_numbers,
    get,
)

_CALLED: ContextVar[bool] = ContextVar("_CALLED", default=False)  # inside a `RegularizedModel`


class _Seen:
    """Holds the inputs of a layer's calls in the training step under way; no state of Keras's."""

    def __init__(self) -> None:
        self.values: list[Any] = []


@keras.saving.register_keras_serializable(package="tfhash")
class RepresentationPenalty(keras.layers.Layer):
    """The identity; in training it keeps its inputs for the penalty of a `RegularizedModel`.

    Parameters
    ----------
    regularizer : RepresentationRegularizer, or its serialized configuration
        The penalty, with its weight in the loss.
    **options
        As `keras.layers.Layer` takes them.
    """

    def __init__(self, regularizer: Any, **options: Any) -> None:
        super().__init__(**options)
        if isinstance(regularizer, dict):
            regularizer = keras.saving.deserialize_keras_object(regularizer)
        self.regularizer: RepresentationRegularizer = regularizer
        self.supports_masking = True
        self._seen = _Seen()

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training and _CALLED.get():  # nobody else would ever take them
            self._seen.values.append(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def take(self) -> list[Any]:
        """Its inputs [n, ...] in each call in training since the last `take`."""
        seen, self._seen.values = self._seen.values, []
        return seen

    def get_config(self) -> dict[str, Any]:
        regularizer = keras.saving.serialize_keras_object(self.regularizer)
        return {**super().get_config(), "regularizer": regularizer}


@keras.saving.register_keras_serializable(package="tfhash")
class RegularizedModel(keras.Model):
    """A Functional model whose training loss includes the penalties of its layers.

    `fit` hands the labels over, so class-wise penalties work as the others do. The loss that
    `evaluate` and validation give is without penalties, that of the task alone. Weights of samples
    and of classes are of the task's loss alone, and masked steps count as any others.

    Penalties in nested models are included too, of a model that is called several times the sum
    over its calls. A model of another class around this one leaves them out of its loss: make it
    `RegularizedModel(model.inputs, model.outputs)`.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **options: Any) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name, **options)

    def fit(self, x: Any = None, y: Any = None, *args: Any, **options: Any) -> Any:
        """As `keras.Model.fit`; labels in arrays are checked first where a penalty is class-wise.

        Raises
        ------
        ValueError
            Where they are no classes: missing, numbers that are not whole, or rows that are neither
            one-hot nor probabilities. In batches this is not looked at.
        """
        if any(layer.regularizer.needs_labels for layer in self._penalties()):
            _check_labels(y)
        return super().fit(x, y, *args, **options)

    def _penalties(self) -> list[RepresentationPenalty]:
        inner = self._flatten_layers(include_self=False)
        return [layer for layer in inner if isinstance(layer, RepresentationPenalty)]

    # Not `call`: a Functional model with one of its own is no graph to those that read it.
    def __call__(self, *args: Any, **options: Any) -> Any:
        with self._anew():
            return super().__call__(*args, **options)

    def stateless_call(self, *args: Any, **options: Any) -> Any:
        """As `keras.Layer.stateless_call`, by which JAX trains."""
        with self._anew():
            return super().stateless_call(*args, **options)

    @contextmanager
    def _anew(self) -> Iterator[None]:
        """What layers have seen before is forgotten: outside of `fit`, or in a step that failed."""
        if _CALLED.get():  # nested in another, or called by `stateless_call`
            yield
            return
        for layer in self._penalties():
            layer.take()
        token = _CALLED.set(True)
        try:
            yield
        finally:
            _CALLED.reset(token)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a step; Keras's trainers call this on every backend."""
        loss = super().compute_loss(
            x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
        )
        for layer in self._penalties():
            for z in layer.take() if training else ():
                labels = _labels(y) if layer.regularizer.needs_labels else None
                loss = loss + keras.ops.cast(layer.regularizer(z, labels), loss.dtype)
        return loss


def apply(
    model: keras.Model,
    layer: Any,
    name: str,
    weight: float | None = None,
    normalized: bool = False,
) -> keras.Model:
    """A copy of a model that `fit` trains with one of the twelve regularizers.

    Parameters
    ----------
    model : keras.Model
        Sequential or Functional, built. It is left as it is; the copy starts from its weights and
        is to be compiled.
    layer : str, int or keras.Layer
        The layer whose representation, or for "l1w" and "l2w" whose kernel, is regularized, beside
        the kernel's own regularizer. "dropout" is put behind it, "bn" between its linear
        part and its activation, which is a layer `<name>_activation` then. What comes after "bn" on
        the same layer is put behind that activation.
    name, weight, normalized
        As `get` takes them.

    Returns
    -------
    keras.Model
        Functional, its layers named as the model's, with one more where a layer is put in. For the
        penalties on representations a `RegularizedModel`; loading a saved one needs
        `import tfhash.regularizers` first.

    Raises
    ------
    ValueError
        Where the layer is not there, is an input, has several outputs, or cannot take the
        regularizer; for the penalties on representations, where it is called several times.

    Examples
    --------
    >>> regularized = regularizers.apply(model, "dense_4", "cw_vr", 0.1)
    >>> regularized.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> regularized.fit(x_train, y_train)
    """
    target = rebuilding.layer_of(model, layer)
    regularizer = get(name, weight, normalized)
    if regularizer is None:
        return rebuilding.copied(model)
    _check_target(model, target, name)
    if isinstance(regularizer, RepresentationRegularizer):
        penalized = RepresentationPenalty(
            regularizer, name=f"{target.name}_{name}", dtype=target.dtype_policy
        )
        new = _with_layers_behind(model, target, [penalized])
        return RegularizedModel(new.input, new.output, name=model.name)
    if isinstance(regularizer, keras.layers.Dropout):
        dropout = keras.layers.Dropout(
            regularizer.rate, name=f"{target.name}_{name}", dtype=target.dtype_policy
        )
        return _with_layers_behind(model, target, [dropout])
    if isinstance(regularizer, keras.layers.BatchNormalization):
        return _normalized(model, target)
    if "kernel_regularizer" not in target.get_config():
        raise ValueError(
            f"Expected a layer with a kernel, as {name!r} is of weights. Received: "
            f"{target.name!r} of class {type(target).__name__}."
        )

    whole = _added(target, regularizer)

    def clone(old: keras.Layer) -> keras.Layer:
        if old is not target:
            return rebuilding.with_config(old)
        return rebuilding.with_config(
            old, kernel_regularizer=keras.saving.serialize_keras_object(whole)
        )

    return rebuilding.copied(model, clone)


def _added(layer: Any, regularizer: Any) -> Any:
    """A regularizer of a kernel and the one that the layer has already, as one.

    Raises
    ------
    ValueError
        Where the layer has one that is no sum of absolute values and squares.
    """
    own = keras.regularizers.get(layer.get_config()["kernel_regularizer"])
    if own is None:
        return regularizer
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    if type(own) not in kinds:
        raise ValueError(
            "Expected a kernel without a regularizer, or with L1, L2 or L1L2, to add one to. "
            f"Received: {layer.name!r} with {type(own).__name__}."
        )
    l1, l2 = (
        sum(float(getattr(one, name, 0)) for one in (own, regularizer)) for name in ("l1", "l2")
    )
    return keras.regularizers.L1L2(l1, l2)


def _check_target(model: keras.Model, target: keras.Layer, name: str) -> None:
    """Raise ValueError where a layer cannot take any regularizer, or not this one."""
    calls = graph.calls_of(model, target)
    reason = ""
    if isinstance(target, keras.layers.InputLayer):
        reason = "which computes nothing"
    elif any(len(call.outputs) > 1 for call in calls):
        reason = f"which has {len(calls[0].outputs)} outputs"
    elif name in OF_REPRESENTATIONS and len(calls) > 1:
        reason = f"which is called {len(calls)} times, so that it has as many representations"
    elif any(one.name == f"{target.name}_{name}" for one in model.layers):
        reason = f"behind which '{target.name}_{name}' stands already"
    if reason:
        raise ValueError(
            f"Expected a layer that can take the regularizer {name!r}. Received: {target.name!r} "
            f"of class {type(target).__name__}, {reason}."
        )


def _with_layers_behind(
    model: keras.Model,
    target: keras.Layer,
    behind: list[keras.Layer],
    clone: rebuilding.Clone | None = None,
) -> keras.Model:
    last = _last_part(model, target).name

    def call(layer: keras.Layer, *args: Any, **options: Any) -> Any:
        output = layer(*args, **options)
        if layer.name == last:
            for one in behind:
                output = one(output)
        return output

    return rebuilding.copied(model, clone, call)


def _last_part(model: keras.Model, target: keras.Layer) -> keras.Layer:
    """The layer; or its activation, where `_normalized` has put it behind a layer of its own."""
    parts = [target]
    for part, kind in (
        ("bn", keras.layers.BatchNormalization),
        ("activation", keras.layers.Activation),
    ):
        found = [one for one in model.layers if one.name == f"{target.name}_{part}"]
        calls = graph.calls_of(model, found[0]) if found else []
        given = [tensor for call in calls for tensor in call.input_tensors]
        if (
            len(given) != 1
            or not isinstance(found[0], kind)
            or given[0]._keras_history.operation is not parts[-1]
        ):
            return target
        parts.append(found[0])
    return parts[-1]


def _normalized(model: keras.Model, target: keras.Layer) -> keras.Model:
    """Batch normalization before the activation, as Ioffe and Szegedy (2015) place it."""
    activation = target.get_config().get("activation")
    if _hides_its_activation(target):
        raise ValueError(
            "Expected a layer whose activation comes last, to put batch normalization before it. "
            f"Received: {target.name!r} of class {type(target).__name__}, whose activation is "
            "within it."
        )
    if isinstance(target, graph.ACTIVATIONS):
        raise ValueError(
            f"Expected the layer before the activation {target.name!r}. Received: the activation: "
            "name the layer whose outputs it is given."
        )
    is_first = getattr(target, "data_format", None) == "channels_first"
    behind: list[keras.layers.Layer] = [
        keras.layers.BatchNormalization(
            axis=1 if is_first else -1, name=f"{target.name}_bn", dtype=target.dtype_policy
        )
    ]
    if activation not in (None, "linear"):
        behind.append(
            keras.layers.Activation(
                target.activation, name=f"{target.name}_activation", dtype=target.dtype_policy
            )
        )

    def clone(old: keras.Layer) -> keras.Layer:
        if old is not target or "activation" not in old.get_config():
            return rebuilding.with_config(old)
        return rebuilding.with_config(old, activation="linear")

    return _with_layers_behind(model, target, behind, clone)


def _hides_its_activation(layer: Any) -> bool:
    """Whether an activation inside a layer is not its own last step, or may not be."""
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = layer.layer
        own = getattr(inner, "activation", None) not in (None, keras.activations.linear)
        return own or isinstance(inner, graph.ACTIVATIONS) or _hides_its_activation(inner)
    inside = (keras.layers.RNN, keras.layers.Bidirectional, keras.Model)
    return isinstance(layer, inside)


def _labels(y: Any) -> Any:
    parts = keras.tree.flatten(y)
    if len(parts) > 1:
        raise ValueError(
            "Expected one array of labels for a class-wise penalty. Received: "
            f"{len(parts)}, one for each output: take a penalty over all classes."
        )
    return parts[0] if parts else None


def _check_labels(y: Any) -> None:
    labels = _labels(y)
    if labels is None or not hasattr(labels, "shape"):
        return
    array = keras.ops.convert_to_numpy(labels) if keras.ops.is_tensor(labels) else labels
    class_numbers(array)  # raises
    array = np.asarray(array)
    if array.dtype.kind == "f" and (array.ndim == 1 or array.shape[1] == 1):
        fractions = np.flatnonzero(array.reshape(-1) % 1)
        if fractions.size:
            row = fractions[0]
            raise ValueError(
                "Expected labels that are whole numbers, as a class-wise penalty is a sum over "
                f"classes. Received: {array.reshape(-1)[row]:g} in row {row}. For the targets of a "
                "regression take a penalty over all classes."
            )
