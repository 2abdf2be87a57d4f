"""The number of the record that a map is at, in a small file that outlives its process.

The slot writes it, through memory; when the slot has died, the agent reads it.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress

NONE = -1

_NUMBER = struct.Struct("<q")


class UnderWay:
    """The number of the record that map is at, in a file that outlives the process."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        import mmap  # few jobs need it

        self._path = path
        with open(path, "w+b") as file:
            file.write(_NUMBER.pack(NONE))
            file.flush()
            self._memory = mmap.mmap(file.fileno(), _NUMBER.size)

    def at(self, number: int) -> None:
        """Map begins with this record; -1: it is through."""
        _NUMBER.pack_into(self._memory, 0, number)

    def close(self) -> None:
        """The attempt has ended by itself."""
        self._memory.close()
        with suppress(OSError):
            os.unlink(self._path)


def read_under_way(path: str) -> int:
    """The number that a process left there; -1 if none. The file is removed."""
    try:
        with open(path, "rb") as file:
            data = file.read(_NUMBER.size)
        os.unlink(path)
    except OSError:
        return NONE
    return int(_NUMBER.unpack(data)[0]) if len(data) == _NUMBER.size else NONE
