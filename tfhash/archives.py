"""Archives of arrays, as `numpy.savez` writes them."""

from __future__ import annotations

import math
import warnings
import zipfile
from os import PathLike
from typing import IO

import numpy as np


def check_arrays(file: str | PathLike[str] | IO[bytes]) -> None:
    """Raise where an array of an archive says that it is larger, or smaller, than what is there.

    NumPy makes room for an array before it reads it: a damaged file of a few bytes may ask for more
    memory than there is.

    Parameters
    ----------
    file
        The archive, or its path. A file is left at any place.

    Raises
    ------
    ValueError
        As above, or an array is compressed, which `numpy.savez` never does.
    Exception
        Whatever else `zipfile` and NumPy raise where an archive is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        room = archive.start_dir  # where the directory begins, behind all arrays
        if sum(info.file_size for info in archive.infolist()) > room:
            raise ValueError("arrays are larger than the file, or compressed")
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{info.filename} is compressed")
            with archive.open(info) as member:
                version, dtype, shape, _ = array_head(member)
                size = info.file_size - member.tell()
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"{info.filename} has version {version} of NumPy's format")
            if math.prod(shape) * dtype.itemsize != size:
                raise ValueError(
                    f"{info.filename} is {dtype} {list(shape)} in {size:,} bytes; it may be damaged"
                )


def array_head(file: IO[bytes]) -> tuple[tuple[int, int], np.dtype, tuple[int, ...], bool]:
    """Version of NumPy's format, type, shape, and whether columns come first.

    `file` begins with an array as `numpy.save` writes it, and is left behind its head.
    """
    version = np.lib.format.read_magic(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Python 2 wrote the file
        if version == (1, 0):
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(file)
    return version, dtype, shape, fortran_order
