"""Models that train with a regularizer on one layer."""

from __future__ import annotations

from typing import Any

import keras

from tfhash import rebuilding
from tfhash.regularizers.names import RepresentationRegularizer, get


class _Seen:
    """Holds the inputs of a layer in the training step under way; no state of Keras's."""

    value: Any = None


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
        if training:
            self._seen.value = inputs
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def take(self) -> Any:
        """Its inputs [n, ...] in training since the last `take`; None where it was not called."""
        z, self._seen.value = self._seen.value, None
        return z

    def get_config(self) -> dict[str, Any]:
        regularizer = keras.saving.serialize_keras_object(self.regularizer)
        return {**super().get_config(), "regularizer": regularizer}


@keras.saving.register_keras_serializable(package="tfhash")
class RegularizedModel(keras.Model):
    """A Functional model whose training loss includes the penalties of its layers.

    `fit` hands the labels over, so class-wise penalties work as the others do. The loss that
    `evaluate` and validation give is without penalties, that of the task alone.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **options: Any) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name, **options)

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
        for layer in self.layers:
            if isinstance(layer, RepresentationPenalty):
                # Forgotten where it is not used: it may be of a call outside of `fit`, or of a step
                # that failed.
                z = layer.take()
                if training and z is not None:
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
        The layer whose representation, or for "l1w" and "l2w" whose kernel, is regularized.
        "dropout" is put behind it, "bn" between its linear part and its activation.
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
        Where the layer is not there, or cannot take the regularizer.

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
    if isinstance(regularizer, RepresentationRegularizer):
        penalized = RepresentationPenalty(
            regularizer, name=f"{target.name}_{name}", dtype=target.dtype_policy
        )
        new = _with_layers_behind(model, target, [penalized])
        return RegularizedModel(new.input, new.output, name=model.name)
    if isinstance(regularizer, keras.layers.Dropout):
        return _with_layers_behind(model, target, [keras.layers.Dropout(regularizer.rate)])
    if isinstance(regularizer, keras.layers.BatchNormalization):
        return _normalized(model, target)
    if "kernel_regularizer" not in target.get_config():
        raise ValueError(
            f"Expected a layer with a kernel, as {name!r} is of weights. Received: "
            f"{target.name!r} of class {type(target).__name__}."
        )

    def clone(old: keras.Layer) -> keras.Layer:
        if old is not target:
            return rebuilding.with_config(old)
        return rebuilding.with_config(
            old, kernel_regularizer=keras.saving.serialize_keras_object(regularizer)
        )

    return rebuilding.copied(model, clone)


def _with_layers_behind(
    model: keras.Model,
    target: keras.Layer,
    behind: list[keras.Layer],
    clone: rebuilding.Clone | None = None,
) -> keras.Model:
    def call(layer: keras.Layer, *args: Any, **options: Any) -> Any:
        output = layer(*args, **options)
        if layer.name == target.name:
            for one in behind:
                output = one(output)
        return output

    return rebuilding.copied(model, clone, call)


def _normalized(model: keras.Model, target: keras.Layer) -> keras.Model:
    """Batch normalization before the activation, as Ioffe and Szegedy (2015) place it."""
    activation = target.get_config().get("activation")
    if isinstance(target, keras.layers.ReLU | keras.layers.Activation):
        raise ValueError(
            f"Expected the layer before the activation {target.name!r}. Received: the activation: "
            "name the layer whose outputs it is given."
        )
    behind: list[keras.layers.Layer] = [
        keras.layers.BatchNormalization(name=f"{target.name}_bn", dtype=target.dtype_policy)
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


def _labels(y: Any) -> Any:
    parts = keras.tree.flatten(y)
    if len(parts) > 1:
        raise ValueError(
            f"Expected one array of labels for a class-wise penalty. Received: {len(parts)}."
        )
    return parts[0] if parts else None
