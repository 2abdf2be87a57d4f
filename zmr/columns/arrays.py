"""The kinds of numpy arrays that the kernels work on, by what they stand for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]  # positions: of rows, of groups, of bytes
Words = npt.NDArray[np.uint64]  # 64 bits of a key each
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
