"""Having the disk write a file while there is more of it to come.

Before a file of the output is published it has to be on the disk. The kernel would start to write
only when it is asked to, and whoever asked would wait for all of it.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_SYNC_FILE_RANGE_WRITE = 2
_EVERY_BYTES = 16 << 20


class Writeback:
    """Starts writing the file to the disk whenever so much has been added to it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._started_bytes = 0

    def reached(self, size_bytes: int) -> None:
        """The file has this size now. Never waits, and is silent where it isn't possible."""
        n = size_bytes - self._started_bytes
        if n < _EVERY_BYTES:
            return
        with suppress(AttributeError):  # Linux only
            ctypes.CDLL(None).sync_file_range(
                self._descriptor,
                ctypes.c_int64(self._started_bytes),
                ctypes.c_int64(n),
                _SYNC_FILE_RANGE_WRITE,
            )
        self._started_bytes = size_bytes
