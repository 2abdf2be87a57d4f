"""The kinds of numpy arrays that the kernels work on, by what they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Index = npt.NDArray[np.int64]  # positions: of rows, of groups, of bytes
Words = npt.NDArray[np.uint64]  # 64 bits of a key each
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


def as_arrow(numbers: npt.NDArray[Any], is_valid: Flags | None = None) -> pa.Array:
    """The numbers as an array of Arrow's, without a copy; those that are not valid are null.

    `pa.array` gives the same, but loads numpy.ma for it, which takes 10 ms of each process.
    """
    bits = None if is_valid is None else pa.py_buffer(np.packbits(is_valid, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [bits, data])
