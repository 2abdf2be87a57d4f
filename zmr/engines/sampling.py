"""Where to cut the keys of a job into ranges of about equal size, by a sample of its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from zmr.errors import JobError
from zmr.formats import BadRecord, InputFormat
from zmr.formats.line_blocks import count_line_ends
from zmr.formats.offsets import RecordOffsets
from zmr.job import Job, begin_task, input_of
from zmr.job_inputs import for_input
from zmr.key_types import KeyTypeError, OneType, plain_key, sortable
from zmr.messages import InputFile, Split

# So many places are looked at, evenly spread over the input, and so many records at each. With
# several hundred samples a partition, partitions differ in size by some percent.
_PLACES = 100
_PLACE_BYTES = 64 * 1024
_RECORDS_A_PLACE = 200


def sample_bounds(
    job: Job,
    inputs: Sequence[InputFile],
    n_partitions: int,
    skip_bad: bool = False,
    skip_files: bool = False,
) -> list[Any]:
    """The first keys of the partitions after the first; fewer where keys are few.

    The job's own map is run, here, over a sample of the records, or its map_batch if it has no map.
    Raises `JobError` for what goes wrong with it, and OSError. With `skip_bad`, records that map
    raises on are passed over, and so are whole batches of map_batch; with `skip_files`, files that
    can't be read.
    """
    try:
        jobs: dict[int, Job] = {}  # by the number of the input
        keys: list[Any] = []
        one_type = OneType()
        for split in _places(inputs):
            if split.input not in jobs:
                jobs[split.input] = begin_task(for_input(job, split.input))
            with suppress(*((OSError, BadRecord) if skip_files else ())):
                if input_of(jobs[split.input]).needs_lines_before:
                    split = _with_estimate(split)
                for key in map(plain_key, _keys(jobs[split.input], split, skip_bad)):
                    with suppress(*((KeyTypeError,) if skip_bad else ())):
                        one_type.check(key)
                        keys.append(key)
    except (OSError, KeyTypeError):
        raise
    except Exception as error:
        name = type(job).__name__
        raise JobError(
            f"{name} fails on a sample of its input: {type(error).__name__}: {error}"
        ) from error
    keys.sort(key=sortable)
    bounds = [keys[len(keys) * i // n_partitions] for i in range(1, n_partitions)] if keys else []
    return [key for i, key in enumerate(bounds) if i == 0 or key != bounds[i - 1]]


def _places(inputs: Sequence[InputFile]) -> Iterator[Split]:
    total_bytes = sum(file.size_bytes for file in inputs)
    step_bytes = max(total_bytes // _PLACES, _PLACE_BYTES)
    begins = 0  # of the file, in all of the input
    place = 0
    for file in inputs:
        while place < begins + file.size_bytes:
            offset = place - begins
            length = min(_PLACE_BYTES, file.size_bytes - offset)
            yield (
                Split(file.path, offset, length, input=file.input)
                if file.splittable
                else Split(file.path, input=file.input)
            )
            place += step_bytes
            if not file.splittable:
                place = begins + file.size_bytes
        begins += file.size_bytes


def _with_estimate(split: Split) -> Split:
    """The split, with about as many lines before it as there would be of lines like its own.

    To count them would be to read all of the input, here; and a sample need not be exact.
    """
    if split.length < 0:
        return split
    n_lines = count_line_ends(split.path, split.offset, split.offset + split.length)
    return replace(split, lines_before=split.offset * n_lines // split.length)


class _Source:
    """Where the record is from that map gets, or the batch."""

    def __init__(self, records: InputFormat, split: Split) -> None:
        self.path = split.path
        self.index = 0  # in the split
        self._offsets = RecordOffsets(records, split)

    @property
    def offset(self) -> int | None:
        return self._offsets.of(self.index)


def _keys(job: Job, split: Split, skip_bad: bool) -> Iterator[Any]:
    """The keys of the first records of the split."""
    if type(job).map is Job.map:
        with suppress(*((Exception, SystemExit) if skip_bad else ())):
            yield from _keys_of_batches(job, split)
        return
    records = copy(input_of(job))
    records.keeps_bad = skip_bad
    job._source = source = _Source(records, split)
    pieces = records.read(split, lambda name, n: None)
    some = islice(chain.from_iterable(some for some, _ in pieces), _RECORDS_A_PLACE)
    for source.index, record in enumerate(some):
        if isinstance(record, BadRecord):
            continue
        with suppress(*((Exception, SystemExit) if skip_bad else ())):
            yield from [key for key, _ in job.map(record) or ()]


def _keys_of_batches(job: Job, split: Split) -> Iterator[Any]:
    from zmr.columns.from_batch import from_map_batch
    from zmr.columns.rows import keys_of

    job._source = _Source(input_of(job), split)
    for batch, _ in islice(input_of(job).read_batches(split, lambda name, n: None), 1):
        result = job.map_batch(batch.slice(0, _RECORDS_A_PLACE))
        if result is not None:
            yield from keys_of(from_map_batch(result))
