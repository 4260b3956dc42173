"""`tfhash encode` and `tfhash measure`: a saved model and data of the user's own."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfhash.errors import InputError, plain, unknown_name
from tfhash.properties import ENCODING_PROPERTIES, FAMILIES, SETS
from tfhash.studies.loading import load_model
from tfhash.studies.option import option

if TYPE_CHECKING:
    import keras

    from tfhash.encoder import Encoder


# Names that inputs and labels are looked for under, in this order.
INPUTS = ("x", "x_test", "X", "images", "x_train")
TRAINING = ("x_train", "x", "X", "images")  # inputs that x_test is the test set of
LABELS = ("y", "Y", "labels", "label")  # of inputs that are not called x_...
TEST_SHARE = 0.2  # of the examples, where a file does not say which are for testing


@dataclass(frozen=True, kw_only=True)
class UnitOptions:
    """Which units of a user's model are encoded, as `tfhash.Encoder` takes them."""

    layers: tuple[str, ...] | None = option(
        None, "Layers to encode alone: names or patterns (all that have ReLU-like units)."
    )
    activations: tuple[str, ...] | None = option(
        None, "Activations to encode alone, as tanh,sigmoid (ReLU-like ones)."
    )

    def encoder(self, model: keras.Model) -> Encoder:
        """Raises InputError where there is nothing of the kind to encode."""
        from tfhash.encoder import Encoder

        return checked(lambda: Encoder(model, self.layers, self.activations))


@dataclass(frozen=True, kw_only=True)
class EncodeOptions(UnitOptions):
    """What `tfhash encode` takes."""

    out: Path | None = option(None, "File that the codes are written to (DATA.codes).")
    array: str | None = option(None, "Which array of an .npz is encoded (x, x_test, ...).")
    batch_size: int | None = option(None, "Examples encoded at once.", least=1)


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(UnitOptions):
    """What `tfhash measure` takes."""

    metrics: tuple[str, ...] = option(FAMILIES, "What to measure; without labels redundancy.")
    batch_size: int | None = option(None, "Examples encoded at once.", least=1)
    seed: int = option(0, "Of K-Means, and of the split into training and test examples.", least=0)


def encode(model_path: str, data_path: str, options: EncodeOptions) -> None:
    """Write the codes of a file's inputs, and say what they are."""
    model = load_model_file(Path(model_path).expanduser())
    data = Path(data_path).expanduser()
    arrays = load_arrays(data, model)
    name = options.array or next((n for n in INPUTS if n in arrays), "")
    if not name and len(arrays) == 1:
        (name,) = arrays
    if name not in arrays:
        raise unknown_name("--array", name or "none", arrays)
    out = options.out or data.with_name(f"{data.stem}.codes")
    started = time.monotonic()
    encoder = options.encoder(model)
    codes = checked(lambda: encoder.encode(arrays[name], options.batch_size, out=out))
    rows = [
        ("inputs", f"{name} of {data}", f"{len(codes):,} examples"),
        ("codes", str(out), f"{codes.n_bits:,} bits each, {_size(out.stat().st_size)}"),
        *(("", layer.name, f"{layer.stop - layer.start:,} bits") for layer in codes.layers),
        ("time", "", f"{time.monotonic() - started:.1f} s"),
    ]
    print(table(rows) + "\n\ntfhash.Codes.load reads them.", flush=True)


def measure(model_path: str, data_path: str, options: MeasureOptions) -> None:
    """Measure the encoding properties of a model on a file's examples, and print a table."""
    from tfhash import metrics
    from tfhash.diagnosis import diagnose_codes
    from tfhash.metrics.properties import measurable_properties

    if not options.metrics:
        raise InputError(f"Expected metrics among {', '.join(FAMILIES)}. Received: none.")
    for family in options.metrics:
        if family not in FAMILIES:
            raise unknown_name("metrics", family, FAMILIES)
    model = load_model_file(Path(model_path).expanduser())
    arrays = load_arrays(Path(data_path).expanduser(), model)
    x, y, x_test, y_test = _split(arrays, options.seed)
    missing = missing_labels(arrays) if y is None else "y_test" if y_test is None else ""
    if missing and "redundancy" not in options.metrics:
        raise InputError(
            f"--metrics: Expected labels, an array {missing}, for {', '.join(options.metrics)}. "
            f"Received: {', '.join(arrays)}."
        )
    encoder = options.encoder(model)
    train, test = (
        checked(lambda inputs=inputs: encoder.encode(inputs, options.batch_size))
        for inputs in (x, x_test)
    )
    if len(train) == 0:
        raise InputError(
            "Expected at least one training and one test example. Received: "
            f"{len(train)} training and {len(test)} test examples."
        )
    found, notes = checked(
        lambda: measurable_properties(
            train, y, test, y_test, families=options.metrics, random_state=options.seed
        )
    )
    if not found:
        raise InputError(f"--metrics: {' '.join(notes)} Give more examples, or other metrics.")
    rows = [("", "", f"{len(train):,} training and {len(test):,} test examples")]
    rows += [
        (
            "bits of a code",
            f"{train.n_bits:,}",
            f"of {len(train.layers)} layer{'s' if len(train.layers) > 1 else ''}",
        )
    ]
    for name, codes in zip(SETS.values(), (train, test), strict=True):
        n = metrics.count_regions(codes)
        rows.append((f"regions, {name}", f"{n:,}", "distinct codes: linear regions with examples"))
    for name, value in found.items():
        known = ENCODING_PROPERTIES[name]
        rows.append((known.heading, f"{value:.4f}", known.says))
    print(table(rows), flush=True)
    diagnosis = diagnose_codes(train, found, x=x, labels=y, notes=notes)
    print(f"\n{diagnosis.describe(properties=False)}", flush=True)
    if missing:
        print(f"\nNo labels in the file ({missing}): redundancy alone is measured.", flush=True)


def _size(n_bytes: int) -> str:
    """A file's size, in the unit that it is at least one of."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} bytes"


def load_model_file(path: Path) -> keras.Model:
    """The model in a file of the user's; InputError where there is none, or of several inputs."""
    if not path.is_file():
        there = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"Expected a Keras model (.keras, .h5) at {path}. Received: {there}.")
    from tfhash.model_inputs import names_of, struct_of

    model = load_model(path)
    struct = struct_of(model)
    names = [] if struct is None else names_of(struct)
    if len(names) > 1:
        arrays = ", ".join(f"{name!r}: ..." for name in names)
        raise InputError(
            f"Expected a model of one input at {path}. Received: one of {len(names)}, "
            f"{', '.join(names)}. Encode it in Python: tfhash.Encoder(model).encode({{{arrays}}})."
        )
    return model


def load_arrays(path: Path, model: keras.Model) -> Mapping[str, np.ndarray]:
    """The arrays in a file by name, or the images in a folder as "x" with labels "y"."""
    try:
        if path.is_dir():
            return _load_images(path, model)
        if path.is_file() and not _is_numpy_file(path):
            raise ValueError("a file of another kind")
        content = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None)
        if isinstance(content, np.ndarray):
            arrays = {"x": content}
        else:
            with content:
                arrays = {name: content[name] for name in content.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"an archive of other things: {', '.join(arrays)}")
            if array.ndim == 0:
                raise ValueError(f"{name}, a single value and no row for each example")
        return arrays
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"Expected .npy, .npz or a folder of images at {path}. Received: {_reason(error)}."
        ) from error


def _is_numpy_file(path: Path) -> bool:
    """Whether a file begins as .npy and .npz files do."""
    with path.open("rb") as file:
        return file.read(6).startswith((b"\x93NUMPY", b"PK"))


def _reason(error: Exception) -> str:
    """Why a file's arrays are not loaded, in words of a user."""
    if "allow_pickle" in str(error):
        return "arrays of Python objects, which are not loaded: save numbers or words"
    return "no such file" if isinstance(error, FileNotFoundError) else plain(error).rstrip(".")


def _load_images(path: Path, model: keras.Model) -> Mapping[str, np.ndarray]:
    import keras

    shape = model.input_shape[1:]
    if len(shape) != 3 or None in shape:
        raise ValueError(f"a folder of images, for a model that takes inputs of shape {shape}")
    labeled = any(inner.is_dir() for inner in path.iterdir())
    modes = {1: "grayscale", 3: "rgb", 4: "rgba"}
    batches = keras.utils.image_dataset_from_directory(
        path,
        labels="inferred" if labeled else None,
        image_size=shape[:2],
        color_mode=modes.get(shape[2], "rgb"),
        shuffle=False,
        verbose=False,
    )
    pairs: list[Any] = [batch if labeled else (batch, None) for batch in batches]
    x = np.concatenate([keras.ops.convert_to_numpy(images) for images, _ in pairs])
    if not labeled:
        return {"x": x}
    return {"x": x, "y": np.concatenate([keras.ops.convert_to_numpy(y) for _, y in pairs])}


def _split(
    arrays: Mapping[str, np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray | None]:
    """Training inputs and labels, then test inputs and labels; labels None where there are none."""
    name = training_inputs(arrays)
    if name is not None and "x_test" in arrays:
        y, y_test = labels_of(arrays, name), labels_of(arrays, "x_test")
        return arrays[name], y, arrays["x_test"], y_test if y is not None else None
    name = name or next((n for n in INPUTS if n in arrays), None)
    if name is None:
        raise InputError(
            f"Expected arrays x_train and x_test, or x, and their labels y_train and y_test, or y. "
            f"Received: {', '.join(arrays) or 'none'}."
        )
    x, y = arrays[name], labels_of(arrays, name)
    if y is not None and len(y) != len(x):
        raise InputError(f"Expected a label for each of {len(x)} examples. Received: {len(y)}.")
    order = np.random.default_rng(seed).permutation(len(x))
    n_test = max(1, round(TEST_SHARE * len(x)))
    test, train = np.sort(order[:n_test]), np.sort(order[n_test:])
    if y is None:
        return x[train], None, x[test], None
    return x[train], y[train], x[test], y[test]


def training_inputs(arrays: Mapping[str, np.ndarray]) -> str | None:
    """Name of the inputs that a model was trained on; None where none are called so."""
    return next((name for name in TRAINING if name in arrays), None)


def labels_of(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    """The labels of the inputs called `name`; None where no array is called as theirs."""
    return next((arrays[one] for one in _label_names(name) if one in arrays), None)


def missing_labels(arrays: Mapping[str, np.ndarray]) -> str:
    """What labels of the (training) inputs in a file would be called, where there are none."""
    return _label_names(training_inputs(arrays) or "x_test")[0]


def _label_names(inputs: str) -> Sequence[str]:
    """What labels of the inputs of that name may be called."""
    return (inputs.replace("x", "y", 1),) if inputs.startswith("x_") else LABELS


def checked(function: Any) -> Any:
    """What `function` gives; what the library refuses is one line for the user."""
    try:
        return function()
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def table(rows: list[tuple[str, str, str]]) -> str:
    """Rows of three columns, the second to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return "\n".join(f"{a:{widths[0]}}  {b:>{widths[1]}}  {c}".rstrip() for a, b, c in rows)
