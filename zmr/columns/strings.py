"""Arrow arrays of strings over text that lies in memory already."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns.arrays import Index

_INT32_MAX = 2**31 - 1


def string_array(offsets: Index | npt.NDArray[np.int32], data: Any) -> pa.Array:
    """The strings of `data` (valid UTF-8) between neighbouring offsets.

    The type is `string`; only beyond 2 GiB of data is it `large_string`.
    """
    kind = pa.StringArray if len(data) <= _INT32_MAX else pa.LargeStringArray
    width = np.int32 if kind is pa.StringArray else np.int64
    edges = offsets.astype(width, copy=False)
    return kind.from_buffers(len(edges) - 1, pa.py_buffer(edges), pa.py_buffer(data))


def one_string(data: Any) -> pa.Array:
    """An array of one string: all of `data`, which is not copied."""
    return string_array(np.array([0, len(data)]), data)
