"""The records of a map task, list after list, and where among them the task is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import Any

from zmr.core.messages import Split
from zmr.data.formats import CountUp, InputFormat
from zmr.execute.errors import worker_error
from zmr.execute.progress import TaskProgress


class MapInput:
    """Iterates over iterators of records: one for each piece of input that was read.

    Position is kept once a piece. Within it, the iterator itself knows how far it is consumed,
    so the loop over the records does nothing but loop.
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
        self._index_at_end = 0  # in the split, of the piece being consumed
        self._piece: Iterator[Any] = iter(())

    def __iter__(self) -> Iterator[Iterator[Any]]:
        """Raises `TaskError` (worker error) if a file can't be read."""
        for split in self._splits:
            self._split = split
            self._index_at_end = 0
            self._piece = iter(())
            try:
                for records, size_bytes in self._format.read(split, self._count):
                    self._index_at_end += len(records)
                    self.records += len(records)
                    self._piece = iter(records)
                    self._progress.enter(self.records, self.size_bytes, self._piece)
                    yield self._piece
                    self.size_bytes += size_bytes
            except OSError as error:
                raise worker_error(error, f"reading {split.path}") from error

    def where(self) -> str:
        """The input and place of the record that was consumed last: "/data/a.txt, line 17"."""
        if self._split is None:
            return "before the first record"
        index = self._index_at_end - length_hint(self._piece) - 1
        if index < 0:
            return self._split.path
        try:
            place = self._format.locate(self._split, index)
        except OSError:
            place = f"record {index + 1} from byte {self._split.offset}"
        return f"{self._split.path}, {place}" if place else self._split.path
