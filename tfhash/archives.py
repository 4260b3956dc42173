"""Archives of arrays, as `numpy.savez` writes them."""

from __future__ import annotations

import math
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
                version = np.lib.format.read_magic(member)
                of_version = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }
                if version not in of_version:
                    raise ValueError(f"{info.filename} has version {version} of NumPy's format")
                shape, _, dtype = of_version[version](member)
                size = info.file_size - member.tell()
            if math.prod(shape) * dtype.itemsize != size:
                raise ValueError(
                    f"{info.filename} is {dtype} {list(shape)} in {size:,} bytes; it may be damaged"
                )
