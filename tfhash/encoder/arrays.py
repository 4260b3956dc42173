"""What people bring as arrays, read as plain NumPy arrays of numbers.

Known by what they can do, not by their class, so that no library is imported for it: pandas
frames, SciPy's sparse matrices, masked arrays, tensors of TensorFlow, JAX and PyTorch, lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

NUMBERS = "fiub"  # kinds of NumPy dtypes: floats, integers, bool


class Converted:
    """Rows that become a plain array block by block, as they are read.

    Parameters
    ----------
    rows : a NumPy array, or a SciPy matrix of compressed rows
    dtype : NumPy dtype of the blocks
    shape : tuple, optional
        Of all of it, as its blocks are shaped; by default its own.
    """

    def __init__(self, rows: Any, dtype: Any, shape: tuple[int, ...] | None = None) -> None:
        self._rows = rows
        self.dtype = np.dtype(dtype)
        self.shape = tuple(rows.shape) if shape is None else shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        block = self._rows[rows]
        block = block.toarray() if hasattr(block, "toarray") else block
        return np.asarray(block).astype(self.dtype, copy=False).reshape(-1, *self.shape[1:])

    def reshaped(self, shape: tuple[int, ...]) -> Converted:
        """The same numbers, shaped otherwise within each row."""
        return Converted(self._rows, self.dtype, shape)


def is_array(x: Any) -> bool:
    """Whether it is one array, and no collection of batches."""
    return (
        hasattr(x, "__array__")
        or _is_sparse(x)
        or _is_ragged(x)
        or isinstance(x, keras.KerasTensor)
    )


def array_of(x: Any, dtype: str, which: str = "") -> NDArray[Any] | Converted:
    """The numbers of anything that holds as many in each row.

    Parameters
    ----------
    x
        An array, a tensor, a pandas frame or series, a SciPy sparse matrix, or nested lists.
    dtype : str
        Of the model's input. Arrays keep their own where it is one of numbers that Keras reads.
    which : str
        Names the input in errors: `" for 'a'"`.

    Raises
    ------
    ValueError
        Where it is not made of real numbers, has rows of different lengths or masked values.
    """
    if x is None or isinstance(x, keras.KerasTensor):
        what = "None" if x is None else "a symbolic tensor, which holds no numbers"
        raise ValueError(f"Expected arrays of numbers{which}. Received: {what}.")
    if isinstance(x, np.ma.MaskedArray):
        return array_of(_unmasked(x, which), dtype, which)
    if _is_frame(x):
        return array_of(_of_frame(x, dtype, which), dtype, which)
    if _is_sparse(x):
        return array_of(_of_sparse(x), dtype, which)
    if _is_ragged(x):
        x = x.to_list()
    elif isinstance(x, list | tuple) and any(hasattr(part, "detach") for part in x):
        x = [_detached(part) for part in x]
    elif hasattr(x, "detach"):
        x = _detached(x)
    if isinstance(x, Converted):
        _check_numbers(x.dtype, dtype, which)
        return x
    given = hasattr(x, "__array__")
    try:
        array = np.asarray(x)
    except Exception as error:
        raise ValueError(f"Expected an array of numbers{which}. Received: {_outline(x)}") from error
    if array.dtype.kind == "O" and not (dtype == "string" and _are_strings(array)):
        raise ValueError(f"Expected an array of numbers{which}. Received: {_of_objects(x, array)}")
    _check_numbers(array.dtype, dtype, which)
    if not given and array.dtype.kind in NUMBERS and dtype != "string":
        return array.astype(dtype)
    return _native(array)


def _detached(x: Any) -> Any:
    """A tensor of PyTorch's, which may need gradients or lie on a GPU, as an array."""
    if not hasattr(x, "detach"):
        return x
    x = x.detach().cpu()
    x = x.to_dense() if "strided" not in str(x.layout) else x
    return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()


def _native(array: NDArray[Any]) -> NDArray[Any] | Converted:
    """The array, or what reads it as numbers of a type that every backend has."""
    if array.dtype.kind == "V":  # bfloat16 and other small floats, which NumPy has no checks for
        return Converted(array, np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return Converted(array, np.float64)
    if not array.dtype.isnative:
        return Converted(array, array.dtype.newbyteorder("="))
    return array


def _check_numbers(received: np.dtype[Any], expected: str, which: str) -> None:
    kind = received.kind
    if kind in NUMBERS and expected != "string":
        return
    if kind in "USTO" and expected == "string":
        return
    if kind == "V" and received.names is None and "float" in received.name:
        return
    todo = {
        "c": "give the real and imaginary parts as features of their own, or np.abs(x)",
        "M": "make numbers of the dates first",
        "m": "make numbers of the durations first: x / np.timedelta64(1, 's')",
        "V": "give the fields as columns of one array",
    }.get(kind, "make numbers of them first: x.astype('float32') where they are written numbers")
    kinds = "strings" if expected == "string" else "real numbers"
    raise ValueError(
        f"Expected {kinds}{which}, which the model takes. Received: an array of dtype "
        f"{received if received.names or kind == 'U' else received.name}"
        + (f": {todo}." if expected != "string" else ".")
    )


def _unmasked(x: Any, which: str) -> NDArray[Any]:
    n = int(np.ma.getmaskarray(x).sum())
    if n:
        raise ValueError(
            f"Expected values everywhere{which}. Received: a masked array with {n} values masked: "
            "fill them, x.filled(0) for instance."
        )
    return np.asarray(x.data)


def _is_frame(x: Any) -> bool:
    return type(x).__module__.split(".")[0] == "pandas" and hasattr(x, "to_numpy")


def _of_frame(x: Any, dtype: str, which: str) -> NDArray[Any]:
    """The values of a pandas frame, series or index, whose columns each have a dtype."""
    columns = getattr(x, "columns", None)
    dtypes = [x.dtype] if columns is None else list(x.dtypes)
    for i, own in enumerate(dtypes):
        if getattr(own, "kind", "O") not in NUMBERS and dtype != "string":
            name = repr(getattr(x, "name", None)) if columns is None else repr(columns[i])
            raise ValueError(
                f"Expected columns of numbers{which}. Received: column {name} of dtype {own}: drop "
                "it, or make numbers of it (pandas.get_dummies for categories, .astype('float32') "
                "for written numbers)."
            )
    if all(isinstance(own, np.dtype) for own in dtypes):
        array = np.asarray(x)
        if array.dtype.kind != "O":
            return array
    elif dtype.startswith(("int", "uint")) and np.asarray(x.isna()).any():
        raise ValueError(
            f"Expected values everywhere{which}. Received: missing ones, and no float can stand "
            "for them, as the model takes integers: fill them, x.fillna(0) for instance."
        )
    if dtype == "string":
        return np.asarray(x.to_numpy(str))
    # The missing ones of nullable columns become NaN, which is refused where the row is read.
    return np.asarray(x.to_numpy(dtype, na_value=np.nan if dtype.startswith("float") else 0))


def _is_sparse(x: Any) -> bool:
    """SciPy's, JAX's BCOO, or TensorFlow's SparseTensor."""
    if isinstance(x, np.ndarray):
        return False
    return hasattr(x, "tocsr") or hasattr(x, "todense") or hasattr(x, "dense_shape")


def _of_sparse(x: Any) -> Any:
    """SciPy's compressed rows where it has two dimensions, else the whole array."""
    from scipy import sparse

    if hasattr(x, "tocsr"):
        return Converted(x.tocsr(), x.dtype) if x.ndim == 2 else x.toarray()
    if not hasattr(x, "dense_shape"):
        return np.asarray(x.todense())
    indices, values = np.asarray(x.indices), np.asarray(x.values)
    shape = tuple(int(size) for size in np.asarray(x.dense_shape))
    if len(shape) == 2:
        matrix = sparse.coo_array((values, tuple(indices.T)), shape).tocsr()
        return Converted(matrix, values.dtype)
    whole = np.zeros(shape, values.dtype)
    whole[tuple(indices.T)] = values
    return whole


def _is_ragged(x: Any) -> bool:
    """TensorFlow's RaggedTensor, or what a dataset's NumPy iterator makes of one."""
    return hasattr(x, "row_splits") and hasattr(x, "to_list")


def _outline(x: Any) -> str:
    """What something is that NumPy makes no array of."""
    if not isinstance(x, list | tuple):
        return f"an object of class {type(x).__name__}."
    shapes = [shape_of(part) for part in x]
    other = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is None:
        rows = "rows of different lengths" if shapes and shapes[0] is None else "no numbers"
        return f"a {type(x).__name__} whose parts have {rows}."
    return (
        f"a {type(x).__name__} whose parts differ in shape: {shapes[0]} at 0, {shapes[other]} at "
        f"{other}: pad, crop or resize them to one."
    )


def _of_objects(x: Any, array: NDArray[Any]) -> str:
    if array.ndim == 0:
        what = "a mapping" if isinstance(x, Mapping) else "an object"
        return (
            f"{what} of class {type(x).__name__}. Arrays, lists and dicts of them, or an iterable "
            "of batches can be encoded."
        )
    strange = [
        (i, part)
        for i, part in enumerate(array.flat)
        if not isinstance(part, int | float | np.number | np.bool_)
    ]
    if not strange:
        return "an array of dtype object that holds numbers: x.astype('float32') gives them."
    at, part = strange[0]
    index = at if array.ndim == 1 else tuple(int(i) for i in np.unravel_index(at, array.shape))
    advice = ": np.stack makes one array of those of one shape" if hasattr(part, "shape") else ""
    return f"an array of dtype object, with {_brief(part)} at {index}{advice}."


def _are_strings(array: NDArray[Any]) -> bool:
    return all(isinstance(part, str | bytes) for part in array.flat)


def _brief(part: Any) -> str:
    if part is None or isinstance(part, str | bytes | complex):
        text = repr(part)
        return text if len(text) < 60 else text[:57] + "..."
    shape = getattr(part, "shape", None)
    return f"{type(part).__name__} of shape {shape}" if shape else type(part).__name__


def shape_of(x: Any) -> tuple[int | None, ...] | None:
    """The shape of an array or of nested lists; None where it has none."""
    shape = getattr(x, "shape", None)
    if shape is None and isinstance(x, list | tuple | int | float):
        try:
            shape = np.shape(x)
        except Exception:
            return None
    try:
        return None if shape is None else tuple(shape)
    except (TypeError, ValueError):  # of a symbolic tensor of unknown rank
        return None
