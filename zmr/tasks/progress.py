"""How far a task has come, readable at any moment by another thread, at no cost per record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Any


class TaskProgress:
    """The records and bytes that a task has taken in so far, and which part of its input that is.

    The task enters a list of records as an iterator; how much of it is consumed is asked of the
    iterator itself (its length hint), by the reader. The position is one tuple, replaced
    as a whole, so a reader on another thread never sees half of a change.
    """

    __slots__ = ("_expected_bytes", "_expected_records", "_piece", "_position", "is_starting")

    def __init__(self) -> None:
        self.is_starting = True  # the job's setup has not returned yet
        self._position: tuple[int, int, Iterator[Any]] = (0, 0, iter(()))
        # Bytes of input before the piece, then its bytes, its records, and what is left of them.
        self._piece: tuple[int, int, int, Iterator[Any]] = (0, 0, 0, iter(()))
        self._expected_bytes: Callable[[], int] | int = 0
        self._expected_records = 0

    def expect_bytes(self, count: Callable[[], int]) -> None:
        """The input will be of as many bytes as `count` says; 0: that isn't known.

        It is called once, by the reader: a task that is done at once has no use for it.
        """
        self._expected_bytes = count

    def expect_records(self, records: int) -> None:
        """The input will be of so many records; 0: that isn't known."""
        self._expected_records = records

    def enter(
        self,
        records_at_end: int,
        size_bytes: int,
        records: Iterator[Any],
        piece_records: int = 0,
        piece_bytes: int = 0,
    ) -> None:
        """From here on `records` is consumed, at whose end there will be `records_at_end`.

        There are `piece_records` of them, of `piece_bytes`, if that is to count by and by.
        """
        self._position = (records_at_end, size_bytes, records)
        self._piece = (size_bytes, piece_bytes, piece_records, records)

    def advance_bytes(self, size_bytes: int) -> None:
        """So many more bytes are read or written."""
        records_at_end, before, records = self._position
        self._position = (records_at_end, before + size_bytes, records)

    def read(self) -> tuple[int, int]:
        """(records, bytes) so far. A task is alive as long as either grows."""
        records_at_end, size_bytes, records = self._position
        return records_at_end - length_hint(records), size_bytes

    def fraction(self) -> float:
        """How much of the input is done, from 0 to 1; 0 if that isn't known.

        Of bytes, the record that was consumed last is not done, nor is a batch.
        """
        if self._expected_records:
            return min(1.0, self.read()[0] / self._expected_records)
        try:
            return min(1.0, max(0.0, self._fraction_of_bytes()))
        except (ArithmeticError, TypeError):  # sizes are what a format of the job's own says
            return 0.0

    def _fraction_of_bytes(self) -> float:
        if callable(self._expected_bytes):
            self._expected_bytes = self._expected_bytes()
        if not self._expected_bytes:
            return 0.0
        done, piece_bytes, piece_records, records = self._piece
        if piece_records:
            consumed = piece_records - length_hint(records)
            done += piece_bytes * max(0, consumed - 1) // piece_records
        return done / self._expected_bytes
