"""The inline engine's part of `--skip-bad-records`: records on which map raises are left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from typing import Any

from zmr.formats import BadRecord
from zmr.job import Job
from zmr.key_types import type_of_keys
from zmr.messages import InputFile, Split
from zmr.output.folder import SKIPPED
from zmr.output.skipped import SKIPPED_COUNTER, SkippedFile, skipped_name
from zmr.tasks.errors import user_error


class Skipping:
    """Leaves out up to `limit` records of a job, and saves them in the folder `output`."""

    def __init__(self, job: Job, output: str, limit: int) -> None:
        self.size_bytes = 0  # of what was read
        self.n_records = 0
        self._job = job
        self._limit = limit
        self._n = 0
        self._example: list[Any] = []  # a key, the type of which all others must have
        self._records = copy(job.input)
        self._records.keeps_bad = True
        self._file = SkippedFile(os.path.join(output, SKIPPED, skipped_name(0)))

    def good(self, files: Iterable[InputFile], make: Callable[[Any], list[Any]]) -> Iterator[Any]:
        """What `make` makes of all records that are good; of a job without map, of batches of one.

        Raises what it raises of the first record too many.
        """
        read = self._read if type(self._job).map is not Job.map else self._read_batches
        for file in files:
            split = Split(file.path)
            for index, record in enumerate(read(split)):
                self.n_records += 1
                yield from self._attempt(make, record, split, index)
        if self._n:
            self._job.count(SKIPPED_COUNTER, self._n)
        self._file.finish()

    def _read(self, split: Split) -> Iterator[Any]:
        for records, size_bytes in self._records.read(split, self._job.count):
            yield from records
            self.size_bytes += size_bytes

    def _read_batches(self, split: Split) -> Iterator[Any]:
        for batch, size_bytes in self._records.read_batches(split, self._job.count):
            for at in range(len(batch)):
                yield batch.slice(at, 1)
            self.size_bytes += size_bytes

    def _attempt(
        self, make: Callable[[Any], list[Any]], record: Any, split: Split, index: int
    ) -> list[Any]:
        counters = dict(self._job._counters)
        try:
            if isinstance(record, BadRecord):
                raise record
            pairs = make(record)
            if pairs and self._job.reduce is not None:
                keys = [key for key, _ in pairs]
                type_of_keys(self._example + keys)
                self._example = self._example or keys[:1]
            return pairs
        except (Exception, SystemExit) as error:
            if self._n == self._limit:
                self._file.discard()
                raise
            self._n += 1
            self._job._counters = counters
            place = f"{split.path}, {self._records.locate(split, index)}".rstrip(", ")
            if isinstance(record, BadRecord):
                self._file.add(place, record.text, f"{record.reason} (reading {place})", "")
            else:
                told = user_error(error, f"in map, {place}")
                self._file.add(place, record, told.message, told.traceback)
            return []
