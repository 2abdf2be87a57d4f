"""The records of a map task, list after list, and where among them the task is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import length_hint
from typing import Any

from zmr.core.messages import Split
from zmr.data.formats import CountUp, InputFormat
from zmr.execute.errors import worker_error
from zmr.execute.progress import TaskProgress

Position = tuple[Split | None, int]  # a split, and the number of a record in it

_Read = Callable[[Split, CountUp], Iterator[tuple[Any, int]]]


class MapInput:
    """Iterates over iterators of records: one for each piece of input that was read.

    Position is kept once a piece. Within it, the iterator itself knows how far it is consumed,
    so the loop over the records does nothing but loop. Or else, `batches` gives the records as
    Arrow data, many at a time.
    """

    def __init__(
        self,
        input_format: InputFormat,
        splits: Iterable[Split],
        count: CountUp,
        progress: TaskProgress,
    ) -> None:
        self.records = 0
        self.size_bytes = 0
        self._format = input_format
        self._splits = tuple(splits)
        self._count = count
        self._progress = progress
        self._split: Split | None = None
        self._index_at_start = 0  # in the split, of the piece being consumed
        self._index_at_end = 0
        self._piece: Iterator[Any] = iter(())

    def __iter__(self) -> Iterator[Iterator[Any]]:
        """Raises `TaskError` (worker error) if a file can't be read."""
        for records in self._read(self._format.read):
            self._piece = iter(records)
            self._progress.enter(self.records, self.size_bytes, self._piece)
            yield self._piece

    def batches(self) -> Iterator[Any]:
        """Arrow arrays or record batches of records. Raises `TaskError` likewise."""
        for records in self._read(self._format.read_batches):
            self._progress.enter(self.records, self.size_bytes, iter(()))
            yield records

    def _read(self, read: _Read) -> Iterator[Any]:
        for split in self._splits:
            self._split = split
            self._index_at_start = self._index_at_end = 0
            self._piece = iter(())
            try:
                for records, size_bytes in read(split, self._count):
                    self._index_at_start = self._index_at_end
                    self._index_at_end += len(records)
                    self.records += len(records)
                    yield records
                    self.size_bytes += size_bytes
            except OSError as error:
                raise worker_error(error, f"reading {split.path}") from error

    def position(self) -> Position:
        """Of the record that was consumed last."""
        return self._split, self._index_at_end - length_hint(self._piece) - 1

    def where(self) -> str:
        """The input and place of the record that was consumed last: "/data/a.txt, line 17"."""
        return self._told(*self.position())

    def where_since(self, position: Position) -> str:
        """The same for all records from this position on: "/data/a.txt, line 17 to line 95"."""
        (split, first), (last_split, last) = position, self.position()
        if split is not last_split or first == last:
            return self.where()
        place = self._place(split, max(0, first)) if split is not None else ""
        return f"{self.where()} or before, from {place} on" if place else self.where()

    def where_batch(self) -> str:
        """The input and place of the first record of the batch."""
        if self._index_at_start == self._index_at_end:
            return self._told(self._split, -1)
        return self._told(self._split, self._index_at_start)

    def _told(self, split: Split | None, index: int) -> str:
        if split is None:
            return "before the first record"
        place = self._place(split, index) if index >= 0 else ""
        return f"{split.path}, {place}" if place else split.path

    def _place(self, split: Split, index: int) -> str:
        try:
            return self._format.locate(split, index)
        except OSError:
            return f"record {index + 1} from byte {split.offset}"
