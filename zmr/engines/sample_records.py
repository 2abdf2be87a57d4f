"""Some records of a job's inputs, to try it on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from zmr.engines.options import JobSettings
from zmr.engines.prepare import list_inputs_of
from zmr.errors import InputError, JobError
from zmr.formats.offsets import RecordOffsets
from zmr.job import Job, input_of
from zmr.job_inputs import for_input
from zmr.job_loader import find_job
from zmr.messages import InputFile, Split
from zmr.pipeline import Pipeline


def sample_records(
    reference: str, inputs: Sequence[str], params: Sequence[tuple[str, str]], most: int
) -> tuple[Job, list[tuple[Any, InputFile, int | None]]]:
    """The job of this name, and the first records of its files, with their offsets.

    There are at most so many, of each file as many as of another.

    Raises a `UsageError` of some kind.
    """
    job = find_job(reference).create(params)
    if isinstance(job, Pipeline):
        steps = ", ".join(type(step).__name__ for step in job.jobs)
        raise JobError(f"{type(job).__name__} is a pipeline: check its steps ({steps}) alone")
    _, files = list_inputs_of(job, inputs, JobSettings())
    of_each = -(-most // max(1, len(files)))
    try:
        found = [
            (record, file, offset)
            for file in files
            for record, offset in islice(_records(job, file), of_each)
        ]
    except OSError as error:
        raise InputError(f"can't read the input: {error}") from None
    return job, found[:most]


def _records(job: Job, file: InputFile) -> Iterator[tuple[Any, int | None]]:
    records = input_of(for_input(job, file.input))
    split = Split(file.path, file_bytes=file.size_bytes)
    offsets = RecordOffsets(records, split)
    read = chain.from_iterable(some for some, _ in records.read(split, lambda name, n: None))
    return ((record, offsets.of(index)) for index, record in enumerate(read))
