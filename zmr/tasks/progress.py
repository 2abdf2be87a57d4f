"""How far a task has come, readable at any moment by another thread, at no cost per record."""

from __future__ import annotations

from collections.abc import Iterator
from operator import length_hint
from typing import Any


class TaskProgress:
    """The records and bytes that a task has taken in so far.

    The task enters a list of records as an iterator; how much of it is consumed is asked of the
    iterator itself (its length hint), by the reader. The position is one tuple, replaced
    as a whole, so a reader on another thread never sees half of a change.
    """

    __slots__ = ("_position",)

    def __init__(self) -> None:
        self._position: tuple[int, int, Iterator[Any]] = (0, 0, iter(()))

    def enter(self, records_at_end: int, size_bytes: int, records: Iterator[Any]) -> None:
        """From here on `records` is consumed, at whose end there will be `records_at_end`."""
        self._position = (records_at_end, size_bytes, records)

    def advance_bytes(self, size_bytes: int) -> None:
        """So many more bytes are read or written."""
        records_at_end, before, records = self._position
        self._position = (records_at_end, before + size_bytes, records)

    def read(self) -> tuple[int, int]:
        """(records, bytes) so far. A task is alive as long as either grows."""
        records_at_end, size_bytes, records = self._position
        return records_at_end - length_hint(records), size_bytes
