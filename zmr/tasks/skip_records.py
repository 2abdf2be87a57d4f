"""A map task that leaves bad records out (`--skip-bad-records`), and saves them.

A record is bad if map raises while it is at it, if its keys are of another type than those before,
or if the slot has died of it twice. Nothing of a bad record stays: its pairs are held back until
map is through with it, its counters taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from zmr.formats import BadRecord
from zmr.job import Job
from zmr.messages import FailureReason, Task
from zmr.output.skipped import SKIPPED_COUNTER, SkippedFile
from zmr.tasks.context import NO_RECORD, TaskContext
from zmr.tasks.errors import TaskError, user_error, worker_error
from zmr.tasks.map_input import MapInput
from zmr.tasks.yielded import Look

BAD = (Exception, SystemExit)  # what a record makes map raise; others are no record's fault

Pair = tuple[Any, Any]

_KILLED = "the slot process died of it twice"


class BadRecords:
    """The records of one map task that are left out: found, undone, and saved in a file.

    How many there may be is its owner's to decide.
    """

    def __init__(self, job: Job, file: SkippedFile, for_reduces: bool) -> None:
        self.n = 0
        self.last = ""  # where the last one is, and why it is bad
        self._job = job
        self._file = file
        self._look = Look(job, for_reduces)

    def pairs_of(self, record: Any, make: Callable[[Any], Iterable[Pair] | None]) -> list[Pair]:
        """The pairs that `make`, which is the job's map, makes of the record.

        Raises one of `BAD` if the record is bad; then the job has counted nothing.
        """
        counters, examples = dict(self._job._counters), self._look.one_type.examples
        try:
            if isinstance(record, BadRecord):
                raise record
            return list(self._look.at(make(record)))
        except BAD:
            self._job._counters, self._look.one_type.examples = counters, examples
            raise

    def batch_of(
        self, batch: Any, make: Callable[[Any], pa.RecordBatch | None]
    ) -> pa.RecordBatch | None:
        """What `make` makes of a batch. Raises one of `BAD` likewise."""
        counters = dict(self._job._counters)
        try:
            return make(batch)
        except BAD:
            self._job._counters = counters
            raise

    def add(self, place: str, record: Any, error: TaskError) -> None:
        """Save the record. Raises OSError."""
        self.n += 1
        self.last = error.message
        if isinstance(record, BadRecord):
            record = record.text
        elif isinstance(record, (pa.Array, pa.RecordBatch)):
            record = record.to_pylist()[0]
        self._file.add(place, record, error.message, error.traceback)

    def finish(self) -> None:
        """The task is through: count them, and have them on the disk. Raises OSError."""
        if self.n:
            self._job.count(SKIPPED_COUNTER, self.n)
        self._file.finish()

    def discard(self) -> None:
        """The attempt does not count, and neither does what it has left out."""
        self._file.discard()


def error_of(place: str, record: Any, error: BaseException) -> TaskError:
    """Why the record is bad, of which `error` was raised."""
    if isinstance(record, BadRecord):
        reason = f"{record.reason} (reading {place})"
        return TaskError(FailureReason.USER_ERROR, reason)
    return user_error(error, f"in map, {place}")


class SkipRecords:
    """What one attempt leaves out: up to so many records as its context allows."""

    def __init__(self, job: Job, task: Task, context: TaskContext, left_out: SkippedFile) -> None:
        self._job = job
        self._limit = context.skip_bad_records
        self._at = context.at_record
        self._skips = frozenset(task.skips)
        # After a failure, records go one by one, so that the next failure shows which it was.
        self.one_by_one = bool(task.skips) or task.failures > 0
        self._bad = BadRecords(job, left_out, task.n_reduce > 0)

    @property
    def n(self) -> int:
        """How many are left out so far."""
        return self._bad.n

    @property
    def last(self) -> str:
        """Where the last one is, and why it is bad."""
        return self._bad.last

    def pairs(self, source: MapInput) -> Iterator[list[Pair]]:
        """What map makes of each good record."""
        pairs_of, make, skips, at = self._bad.pairs_of, self._job.map, self._skips, self._at
        for records in source:
            for number, record in enumerate(records, source.number() + 1):
                if number in skips:
                    self._skip_killer(source.where(), record)
                    continue
                at(number)
                try:
                    pairs = pairs_of(record, make)
                except TaskError:  # it is not the record's fault
                    raise
                except BAD as error:
                    place = source.where()
                    self._skip(place, record, error_of(place, record, error))
                    continue
                finally:
                    at(NO_RECORD)
                yield pairs

    def batches(
        self, source: MapInput, make: Callable[[Any], pa.RecordBatch | None]
    ) -> Iterator[pa.RecordBatch]:
        """What `make` makes of the batches, of those with bad records of the parts without."""
        for batch in source.batches():
            yield from self._parts(batch, 0, source, make)

    def finish(self) -> None:
        """The attempt is through. Raises `TaskError`."""
        try:
            self._bad.finish()
        except OSError as error:
            raise worker_error(error, "saving bad records") from error

    def _parts(
        self,
        batch: Any,
        at: int,
        source: MapInput,
        make: Callable[[Any], pa.RecordBatch | None],
    ) -> Iterator[pa.RecordBatch]:
        """Halve the part of the source's batch that begins `at` until what is bad is alone."""
        if len(batch) > 1 and not self.one_by_one:
            source.enter_part(at)
            try:
                made = self._bad.batch_of(batch, make)
            except TaskError:
                raise
            except BAD:
                pass
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
        self._at(number)
        try:
            made = self._bad.batch_of(batch, make)
        except TaskError:
            raise
        except BAD as error:
            place = source.where_in_batch(at)
            self._skip(place, batch, error_of(place, batch, error))
            return
        finally:
            self._at(NO_RECORD)
        if made is not None:
            yield made

    def _skip_killer(self, place: str, record: Any) -> None:
        error = TaskError(FailureReason.SLOT_DIED, f"{_KILLED} ({place})")
        if isinstance(record, BadRecord):
            error = error_of(place, record, record)
        self._skip(place, record, error)

    def _skip(self, place: str, record: Any, error: TaskError) -> None:
        if self.n == self._limit:
            most = f"{self._limit} bad record{'s'[: self._limit != 1]}"
            message = f"more than {most} (--skip-bad-records), the last: {error.message}"
            raise TaskError(FailureReason.BAD_RECORDS, message, error.traceback) from error
        try:
            self._bad.add(place, record, error)
        except OSError as failure:
            raise worker_error(failure, "saving a bad record") from failure
