"""The input of a map task, piece after piece, and where in it the task is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import length_hint
from typing import Any

from zmr.formats import BadRecord, CountUp, InputFormat, unchanged
from zmr.formats.compression import is_compressed
from zmr.formats.offsets import RecordOffsets
from zmr.messages import FailureReason, Split
from zmr.tasks.errors import TaskError, worker_error
from zmr.tasks.progress import TaskProgress
from zmr.tasks.skip_files import UnreadableFile

Position = tuple[Split | None, int]  # a split, and the number of a record in it


class MapInput:
    """Iterates over iterators of records, one for each piece of input that was read; or, with
    `batches`, over Arrow batches. One of the two, and once.

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
        self.size_bytes = 0  # of what records were made of
        self.split_bytes = 0  # of the splits that were read to their ends
        self.is_over = False  # the last record was consumed
        self._format = input_format
        self._splits = tuple(splits)
        self._count = count
        self._progress = progress
        self._split: Split | None = None
        self._index_at_end = 0  # in the split, of the piece being consumed
        self._piece: Iterator[Any] = iter(())
        self._batch_records = 0  # of the batch being consumed ...
        self._batch_at = 0  # ... and which of them is the first that map_batch gets
        self._offsets: RecordOffsets | None = None  # of the split
        progress.expect_bytes(partial(_size_of, self._splits))

    def __iter__(self) -> Iterator[Iterator[Any]]:
        """The records. Raises `TaskError` if a file (worker error) or a record can't be read."""
        for split, chunks in self._format.read_all(self._splits, self._count):
            with self._reading(split):
                for records, size_bytes in unchanged(split, chunks):
                    self._enter(len(records), iter(records), len(records), size_bytes)
                    yield self._piece
                    self.size_bytes += size_bytes

    def batches(self) -> Iterator[Any]:
        """The records as Arrow arrays or record batches. Raises what iterating raises."""
        for split, read in self._format.read_all_batches(self._splits, self._count):
            with self._reading(split):
                for batch, size_bytes in unchanged(split, read):
                    self._batch_records, self._batch_at = len(batch), 0
                    self._enter(len(batch), iter(()))
                    yield batch
                    self.size_bytes += size_bytes

    @property
    def path(self) -> str:
        """The file of the record that was consumed last; empty: none was, or all were."""
        return "" if self._split is None or self.is_over else self._split.path

    @property
    def offset(self) -> int | None:
        """Where in its file this record, or the batch, begins. Raises `TaskError`."""
        _, index = self.position()
        if self._split is None or self.is_over:
            return None
        if self._batch_records:
            index = self._index_at_end - self._batch_records + self._batch_at
        if self._offsets is None:
            self._offsets = RecordOffsets(self._format, self._split)
        try:
            return self._offsets.of(index) if index >= 0 else None
        except (OSError, BadRecord) as error:
            self._offsets = None  # to fail again
            raise worker_error(error, f"reading {self._split.path}") from error

    def position(self) -> Position:
        """Of the record that was consumed last."""
        return self._split, self._index_at_end - length_hint(self._piece) - 1

    def number(self) -> int:
        """The number, from 0, of the record that was consumed last, in all of the task."""
        return self.records - length_hint(self._piece) - 1

    def enter_part(self, at: int) -> None:
        """A part of the batch that begins at this place is consumed next."""
        self._batch_at = at

    def enter_in_batch(self, at: int) -> int:
        """Only the record at this place in the batch is consumed next. Returns its number."""
        self.enter_part(at)
        number = self.records - self._batch_records + at
        self._progress.enter(number + 1, self.size_bytes, iter(()))
        return number

    def where_in_batch(self, at: int) -> str:
        """The input and place of the record at this place in the batch."""
        assert self._split is not None
        index = self._index_at_end - self._batch_records + at
        place = self._place(self._split, index)
        return f"{self._split.path}, {place}" if place else self._split.path

    def where_since(self, position: Position) -> str:
        """Where the records from this position to the one that was consumed last are."""
        split, first = position
        if split is None or (split, first) == self.position() or split is not self._split:
            return self.where()
        return f"{self.where()} or before, from {self._place(split, max(0, first))} on"

    def where(self) -> str:
        """The input and place of the record that was consumed last: "/data/a.txt, line 17".

        Of a batch it is the first record: "/data/a.txt, the batch from line 17 on".
        """
        if self.is_over:
            return "after the last record"
        if self._split is None:
            return "before the first record"
        if self._batch_records:
            index = self._index_at_end - self._batch_records
            return f"{self._split.path}, the batch from {self._place(self._split, index)} on"
        _, index = self.position()
        place = self._place(self._split, index) if index >= 0 else ""
        return f"{self._split.path}, {place}" if place else self._split.path

    def _enter(
        self, n_records: int, piece: Iterator[Any], piece_records: int = 0, piece_bytes: int = 0
    ) -> None:
        self._index_at_end += n_records
        self.records += n_records
        self._piece = piece
        self._progress.enter(self.records, self.size_bytes, piece, piece_records, piece_bytes)

    @contextmanager
    def _reading(self, split: Split) -> Iterator[None]:
        self._split = split
        self._index_at_end = self._batch_records = 0
        self._offsets = None
        self._piece = iter(())
        try:
            yield
            self.split_bytes += split.size_bytes
        except BadRecord as error:
            if not error.place:
                message = f"{error.reason} (reading {error.path})"
                raise UnreadableFile(split.path, FailureReason.USER_ERROR, message) from error
            message = f"{error.reason} (reading {error.path}, {error.place})"
            raise TaskError(FailureReason.USER_ERROR, message) from error
        except OSError as error:
            failed = worker_error(error, f"reading {split.path}")
            raise UnreadableFile(split.path, failed.reason, failed.message) from error

    def _place(self, split: Split, index: int) -> str:
        try:
            return self._format.locate(split, index)
        except (OSError, BadRecord):
            return f"record {index + 1} from byte {split.offset}"


def _size_of(splits: Iterable[Split]) -> int:
    """How many bytes will be read of the splits; 0 if that isn't known."""
    size_bytes = 0
    try:
        for split in splits:
            if split.length >= 0:
                size_bytes += split.length
            elif is_compressed(split.path):
                return 0
            else:
                size_bytes += os.path.getsize(split.path)
    except (OSError, ValueError):  # a format of the job's own may read what is no file
        return 0
    return size_bytes
