"""From what the user wrote to what a master takes: the job checked, its inputs listed, its output
folder made ready. Every mistake is found here, before anything starts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from zmr.core.messages import InputFile, JobSpec, Submit
from zmr.data.inputs import list_inputs
from zmr.data.output import prepare_output
from zmr.data.partition import Range
from zmr.engines.options import JobOptions
from zmr.errors import InputError, OutputError, UsageError
from zmr.job import Job, find_job


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that can start."""

    spec: JobSpec
    job: Job
    inputs: tuple[InputFile, ...]

    @property
    def submit(self) -> Submit:
        """What a master is handed."""
        return Submit(self.spec, self.inputs)


def prepare(options: JobOptions) -> Prepared:
    """Check everything and make the output folder ready. Raises a `UsageError` of some kind."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UsageError("the current folder is gone: go to another one") from None
    if not options.output:
        raise OutputError("the name of the output folder is empty")
    source = find_job(options.job)
    settings = options.settings
    job = source.create(settings.params)
    inputs = list_inputs(options.inputs, job.input)
    output = os.path.abspath(options.output)
    n_reduce = 0 if job.reduce is None else options.n_reduce
    bounds = b""
    if type(job.partition) is Range and n_reduce > 1:
        bounds = _sampled(job, inputs, n_reduce, skip_bad=settings.skip_bad_records > 0)
    prepare_output(output, settings.overwrite, options.inputs)
    spec = JobSpec(
        job_id=f"{_identifier(source.name)}-{os.urandom(4).hex()}",
        name=source.name,
        reference=source.reference,
        source=source.source,
        search_path=source.search_path,
        params=settings.params,
        n_reduce=n_reduce,
        output=output,
        max_attempts=settings.max_attempts,
        task_timeout_s=settings.task_timeout_s,
        backup_after_s=settings.backup_after_s,
        bounds=bounds,
        skip_bad_records=settings.skip_bad_records,
    )
    return Prepared(spec, job, inputs)


def _sampled(job: Job, inputs: Sequence[InputFile], n_reduce: int, skip_bad: bool) -> bytes:
    """Give the job's range partitioner its bounds; the same for its spec."""
    from zmr.data.rows import keys_to_bytes
    from zmr.engines.sampling import sample_bounds

    try:
        bounds = sample_bounds(job, inputs, n_reduce, skip_bad)
    except OSError as error:
        raise InputError(f"can't sample the input: {error}") from None
    job.partition = Range(bounds)
    return keys_to_bytes(bounds) if bounds else b""


def _identifier(name: str) -> str:
    """The part of a job's id that a person recognises; ids become parts of paths."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:40].strip("-") or "job"
