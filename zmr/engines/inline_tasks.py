"""The inline engine's map tasks: the records of each, as planned from the inputs.

The first step of a job reads files. What a step puts out stays in lists, since to encode it and
read it again is none of what the answer is; the next step's tasks are planned as if the lists were
files of pairs, and get their shares of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from zmr.core.plan import plan
from zmr.display import counted
from zmr.formats import BadRecord, InputFormat, unchanged
from zmr.formats.offsets import RecordOffsets
from zmr.job import Job, input_of
from zmr.messages import InputFile, Split
from zmr.output.folder import SKIPPED
from zmr.output.skipped import SkippedFile, skipped_name
from zmr.tasks.used_columns import input_of_map

if TYPE_CHECKING:
    from zmr.tasks.skip_records import BadRecords

Pair = tuple[Any, Any]


class MapTask(Protocol):
    """The input of one map task, to be read once in one of the two ways."""

    n_records: int  # that have been read
    size_bytes: int  # of what they were read from

    def records(self, job: Job) -> Iterator[Any]:
        """The records, for the task's own job object."""
        ...

    def batches(self, job: Job) -> Iterator[Any]:
        """The same as Arrow data."""
        ...

    def where(self) -> str:
        """The place of the record that was read last: "/data/a.txt, line 17"."""
        ...


class FileTask:
    """Records of pieces of files."""

    def __init__(self, splits: Sequence[Split]) -> None:
        self.n_records = 0
        self.size_bytes = 0
        self.input = splits[0].input if splits else 0
        self._splits = splits
        self._path = ""
        self._offset: Callable[[], int | None] = lambda: None
        self._place: Callable[[], str] = lambda: "before the first record"

    def where(self) -> str:
        return self._place()

    @property
    def path(self) -> str:
        """The file of the record that was read last."""
        return self._path

    @property
    def offset(self) -> int | None:
        """Where in the file it begins, or the batch."""
        return self._offset()

    def leave_out(self, path: str) -> None:
        """Begin anew, without this file."""
        self._splits = [split for split in self._splits if split.path != path]
        self.n_records = self.size_bytes = 0

    def records(self, job: Job) -> Iterator[Any]:
        for split in self._splits:
            offsets = RecordOffsets(input_of(job), split)
            for index, record in enumerate(self._read(job, input_of_map(job), split)):
                self._offset = partial(offsets.of, index)
                self._place = _place(input_of(job), split, index)
                yield record

    def batches(self, job: Job) -> Iterator[Any]:
        for split in self._splits:
            index, offsets = 0, RecordOffsets(input_of(job), split)
            for batch in self._read_batches(job, input_of(job), split):
                self._offset = partial(offsets.of, index)
                self._place = _from_place(input_of(job), split, index)
                yield batch
                index += len(batch)

    def with_places(self, job: Job) -> Iterator[tuple[Any, Callable[[], str]]]:
        """Each record, or of a job without map each batch of one; and where it is.

        Records that can't be read come as `BadRecord`.
        """
        has_map = type(job).map is not Job.map
        records = copy(input_of_map(job) if has_map else input_of(job))
        records.keeps_bad = True
        for split in self._splits:
            if has_map:
                found = self._read(job, records, split)
            else:
                batches = self._read_batches(job, records, split)
                found = (batch.slice(at, 1) for batch in batches for at in range(len(batch)))
            offsets = RecordOffsets(records, split)
            for index, record in enumerate(found):
                self._offset = partial(offsets.of, index)
                yield record, _place(records, split, index)

    def _read(self, job: Job, input_format: InputFormat, split: Split) -> Iterator[Any]:
        with _reading(split):
            self._path, self._offset = split.path, lambda: None
            for records, size_bytes in unchanged(split, input_format.read(split, job.count)):
                yield from records
                self.n_records += len(records)
                self.size_bytes += size_bytes

    def _read_batches(self, job: Job, input_format: InputFormat, split: Split) -> Iterator[Any]:
        with _reading(split):
            self._path, self._offset = split.path, lambda: None
            read = input_format.read_batches(split, job.count)
            for batch, size_bytes in unchanged(split, read):
                yield batch
                self.n_records += len(batch)
                self.size_bytes += size_bytes


@contextmanager
def _reading(split: Split) -> Iterator[None]:
    """What can't be read has as its `zmr_place` where that is, and as `zmr_reason` why."""
    try:
        yield
    except (BadRecord, OSError) as error:
        if isinstance(error, BadRecord):
            where = f"{error.path}, {error.place}" if error.place else error.path
            reason = error.reason
        else:
            where, reason = split.path, error.strerror or str(error)
        if isinstance(error, OSError) or not error.place:
            error.zmr_file = split.path  # type: ignore[union-attr]  # all of which is bad
        error.zmr_place = f"reading {where}"  # type: ignore[union-attr]
        error.zmr_reason = reason  # type: ignore[union-attr]
        raise


class PairTask:
    """Pairs that the step before has put out, as records."""

    size_bytes = 0  # no file was read

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.n_records = len(pairs)
        self._pairs = pairs

    def where(self) -> str:
        return "a pair of the step before"

    def records(self, job: Job) -> Iterator[Pair]:
        return iter(self._pairs)

    def batches(self, job: Job) -> Iterator[Any]:
        from zmr.formats.pairs import batch_of, refuse_pickled

        if self._pairs:
            batch = batch_of(self._pairs)
            refuse_pickled(batch, "the pairs of the step before")
            yield batch


def file_tasks(files: Iterable[InputFile], split_bytes: int) -> list[FileTask]:
    """The map tasks over these files."""
    return [FileTask(splits) for splits in plan(list(files), split_bytes)]


def pair_tasks(partitions: Sequence[Sequence[Pair]], split_bytes: int) -> list[PairTask]:
    """The map tasks over what the step before has put out, as if it were in files.

    A file of more than `split_bytes` is cut, of which a task's share is that of its bytes; the
    other engines cut between blocks. Raises `PickleError` for what no file could hold.
    """
    from zmr.formats.pairs import PairsOutput

    encode = PairsOutput().encode_pairs
    sizes_bytes = [len(encode(pairs)) for pairs in partitions]
    files = [InputFile(str(n), size_bytes, True) for n, size_bytes in enumerate(sizes_bytes)]
    tasks = []
    for splits in plan(files, split_bytes):
        of_task: list[Pair] = []
        for split in splits:
            number = int(split.path)
            of_task += _share(partitions[number], split, sizes_bytes[number])
        tasks.append(PairTask(of_task))
    return tasks


class BadRecordsOfJob:
    """The bad records of all map tasks of a job: up to `limit`, in a file for each task."""

    def __init__(self, output: str, limit: int) -> None:
        self._folder = os.path.join(output, SKIPPED)
        self._limit = limit
        self._found: list[BadRecords] = []

    def begin_anew(self) -> None:
        """The task that was last is to be run once more."""
        self._found.pop().discard()

    def good(
        self,
        job: Job,
        task: FileTask,
        make: Callable[[Any], Iterable[Pair]],
        for_reduces: bool,
    ) -> Iterator[list[Pair]]:
        """What `make` makes of each good record of the next task.

        Raises what it raises of the first record too many.
        """
        from zmr.tasks.skip_records import BAD, BadRecords, error_of

        path = os.path.join(self._folder, skipped_name(len(self._found)))
        bad = BadRecords(job, SkippedFile(path), for_reduces)
        self._found.append(bad)
        for record, where in task.with_places(job):
            try:
                yield bad.pairs_of(record, make)
            except BAD as error:
                if sum(each.n for each in self._found) == self._limit:
                    for each in self._found:
                        each.discard()
                    raise
                place = where()
                bad.add(place, record, error_of(place, record, error))
        bad.finish()


class BadFilesOfJob:
    """The files that can't be read of a job: up to `limit` are left out, and named in a file."""

    def __init__(self, output: str, limit: int) -> None:
        self.paths: list[str] = []
        self._folder = os.path.join(output, SKIPPED)
        self._left_out = SkippedFile(os.path.join(self._folder, "files.jsonl"))
        self._limit = limit

    def leave_out(self, task: FileTask, error: Exception) -> None:
        """The task is to begin anew, without the file of which the error is. Raises the error if it
        is of none, or of one too many.
        """
        path = getattr(error, "zmr_file", "")
        if not path or not self._limit:
            raise error
        reason = f"{error.zmr_reason} ({error.zmr_place})"  # type: ignore[attr-defined]
        if len(self.paths) == self._limit:
            most = counted(self._limit, "bad file")
            error.zmr_place = ""  # type: ignore[attr-defined]
            error.zmr_reason = f"more than {most} (--skip-bad-files), the last: {reason}"  # type: ignore[attr-defined]
            raise error
        self.paths.append(path)
        self._left_out.add_file(path, reason)
        task.leave_out(path)

    def finish(self) -> None:
        """All maps are through."""
        self._left_out.finish()

    def discard(self) -> None:
        """The job has failed."""
        self._left_out.discard()
        with suppress(OSError):  # which has other files, or is not there
            os.rmdir(self._folder)


def _from_place(records: InputFormat, split: Split, index: int) -> Callable[[], str]:
    return lambda: f"{split.path}, the batch from {records.locate(split, index)} on"


def _place(records: InputFormat, split: Split, index: int) -> Callable[[], str]:
    return lambda: f"{split.path}, {records.locate(split, index)}".rstrip(", ")


def _share(pairs: Sequence[Pair], split: Split, size_bytes: int) -> Sequence[Pair]:
    if split.length < 0:
        return pairs
    begin, end = split.offset, split.offset + split.length
    return pairs[len(pairs) * begin // size_bytes : len(pairs) * end // size_bytes]
