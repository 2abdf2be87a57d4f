"""The number of the record that a map is at, in a small file that outlives its slot.

The slot writes it, through memory; when the slot has died, the agent reads it.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress

NONE = -1

_NUMBER = struct.Struct("<q")


class CurrentRecord:
    """The file of one attempt, in the folder of its job."""

    def __init__(self, folder: str, attempt: int) -> None:
        """Raises OSError."""
        import mmap  # few jobs need it

        self._path = _path(folder, attempt)
        with open(self._path, "w+b") as file:
            file.write(_NUMBER.pack(NONE))
            file.flush()
            self._memory = mmap.mmap(file.fileno(), _NUMBER.size)

    def enter(self, number: int) -> None:
        """Map begins with this record; -1: it is through."""
        _NUMBER.pack_into(self._memory, 0, number)

    def close(self) -> None:
        """The attempt has ended by itself."""
        self._memory.close()
        with suppress(OSError):
            os.unlink(self._path)


def take_current_record(folder: str, attempt: int) -> int:
    """The number that a slot left there; -1 if none. The file is removed."""
    path = _path(folder, attempt)
    try:
        with open(path, "rb") as file:
            data = file.read(_NUMBER.size)
        os.unlink(path)
    except OSError:
        return NONE
    return int(_NUMBER.unpack(data)[0]) if len(data) == _NUMBER.size else NONE


def _path(folder: str, attempt: int) -> str:
    return os.path.join(folder, f"current-record-{attempt}")
