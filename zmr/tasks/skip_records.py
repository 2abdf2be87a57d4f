"""A map task that leaves bad records out (`--skip-bad-records`), and says which.

A record is bad if map raises while it is at it, if its keys are of another type than those before,
or if the slot has died of it twice. Nothing of a bad record stays: its pairs are held back until
map is through with it, its counters taken back.

So that the agent can tell of which record a slot died, the number of the one that map is at stands
in a small file, which outlives the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from zmr.formats import BadRecord
from zmr.job import Job
from zmr.key_types import type_of_keys
from zmr.messages import FailureReason, Task
from zmr.output.skipped import SKIPPED_COUNTER, SkippedFile
from zmr.shuffle.names import current_record_name
from zmr.tasks.current_record import NONE, UnderWay
from zmr.tasks.errors import TaskError, user_error, worker_error
from zmr.tasks.map_input import MapInput

BAD = (Exception, SystemExit)  # what a record makes map raise; others are no record's fault

_KILLED = "the slot process died of it twice"


class Skipping:
    """What one attempt leaves out. `limit`: more than so many records fail it."""

    def __init__(self, job: Job, task: Task, limit: int, folder: str) -> None:
        """Raises OSError if the number of the record can't be kept in `folder`."""
        self.n = 0
        self.last = ""  # where the last one is, and why
        self._job = job
        self._limit = limit
        self._skips = frozenset(task.skips)
        # After a failure, records go one by one, so that the next one tells which it was.
        self.one_by_one = bool(task.skips) or task.failures > 0
        self._file = SkippedFile.of_attempt(task.output, task.job_id, task.index, task.attempt)
        self._under_way = UnderWay(os.path.join(folder, current_record_name(task.attempt)))

    def pairs(self, source: MapInput) -> Iterator[list[tuple[Any, Any]]]:
        """What map makes of each good record."""
        job, skips, at = self._job, self._skips, self._under_way.at
        has_reduce = job.reduce is not None
        example: list[Any] = []  # a key, the type of which all others must have
        for records in source:
            for number, record in enumerate(records, source.number() + 1):
                if number in skips:
                    self._skip_killer(source.where(), record)
                    continue
                counters = dict(job._counters)
                at(number)
                try:
                    if isinstance(record, BadRecord):
                        raise record
                    pairs = list(job.map(record) or ())
                    keys = [key for key, _ in pairs]
                    if has_reduce and keys:
                        type_of_keys(example + keys)
                        example = example or keys[:1]
                except BAD as error:
                    job._counters = counters
                    self._skip_raising(source.where(), record, error)
                    continue
                finally:
                    at(NONE)
                yield pairs

    def batches(
        self, source: MapInput, make: Callable[[Any], pa.RecordBatch | None]
    ) -> Iterator[pa.RecordBatch]:
        """What `make` makes of the batches, of those with bad records of the parts without."""
        for batch in source.batches():
            yield from self._parts(batch, 0, source, make)

    def finish(self) -> None:
        """The attempt is through. Raises `TaskError`."""
        if self.n:
            self._job.count(SKIPPED_COUNTER, self.n)
        try:
            self._file.finish()
        except OSError as error:
            raise worker_error(error, "saving bad records") from error

    def close(self, has_succeeded: bool) -> None:
        """The attempt is over."""
        self._under_way.close()
        if not has_succeeded:
            self._file.discard()

    def _parts(
        self,
        batch: Any,
        at: int,
        source: MapInput,
        make: Callable[[Any], pa.RecordBatch | None],
    ) -> Iterator[pa.RecordBatch]:
        """Halve the part of the source's batch that begins `at` until what is bad is alone."""
        if len(batch) > 1 and not self.one_by_one:
            counters = dict(self._job._counters)
            try:
                made = make(batch)
            except BAD:
                self._job._counters = counters
            else:
                if made is not None:
                    yield made
                return
        if len(batch) > 1:
            middle = 1 if self.one_by_one else len(batch) // 2
            for start in range(0, len(batch), middle):
                yield from self._parts(batch.slice(start, middle), at + start, source, make)
            return
        number = source.enter_in_batch(at)
        if number in self._skips:
            self._skip_killer(source.where_in_batch(at), batch)
            return
        counters = dict(self._job._counters)
        self._under_way.at(number)
        try:
            made = make(batch)
        except BAD as error:
            self._job._counters = counters
            self._skip_raising(source.where_in_batch(at), batch, error)
            return
        finally:
            self._under_way.at(NONE)
        if made is not None:
            yield made

    def _skip_killer(self, place: str, record: Any) -> None:
        self._skip(place, record, TaskError(FailureReason.SLOT_DIED, f"{_KILLED} ({place})"))

    def _skip_raising(self, place: str, record: Any, error: BaseException) -> None:
        self._skip(place, record, user_error(error, f"in map, {place}"))

    def _skip(self, place: str, record: Any, error: TaskError) -> None:
        if isinstance(record, BadRecord):
            reason = f"{record.reason} (reading {place})"
            error, record = TaskError(FailureReason.USER_ERROR, reason), record.text
        self.n += 1
        self.last = error.message
        if self.n > self._limit:
            most = f"{self._limit} bad record{'s'[: self._limit != 1]}"
            message = f"more than {most} (--skip-bad-records), the last: {error.message}"
            raise TaskError(FailureReason.BAD_RECORDS, message, error.traceback) from error
        if isinstance(record, (pa.Array, pa.RecordBatch)):
            record = record.to_pylist()[0]
        try:
            self._file.add(place, record, error.message, error.traceback)
        except OSError as failure:
            raise worker_error(failure, "saving a bad record") from failure
