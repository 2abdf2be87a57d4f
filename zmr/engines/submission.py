"""From what the user wrote to what a master takes: the job checked, its inputs listed, its output
folder made ready. Every mistake is found here, before anything starts.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from zmr.core.messages import InputFile, JobSpec, Submit
from zmr.data.inputs import list_inputs
from zmr.data.output import prepare_output
from zmr.engines.options import JobOptions
from zmr.job import Job, find_job, load_job


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
    source = find_job(options.job)
    spec = JobSpec(
        job_id=f"{_identifier(source.name)}-{secrets.token_hex(4)}",
        name=source.name,
        reference=source.reference,
        source=source.source,
        search_path=source.search_path,
        params=options.params,
        n_reduce=options.n_reduce,
        output=os.path.abspath(options.output),
        max_attempts=options.max_attempts,
        task_timeout_s=options.task_timeout_s,
        backup_after_s=options.backup_after_s,
    )
    job = load_job(spec)
    if job.reduce is None:
        spec = _map_only(spec)
    inputs = _splittable(list_inputs(options.inputs), job)
    prepare_output(spec.output, options.overwrite, options.inputs)
    return Prepared(spec, job, inputs)


def _map_only(spec: JobSpec) -> JobSpec:
    from dataclasses import replace

    return replace(spec, n_reduce=0)


def _splittable(inputs: Sequence[InputFile], job: Job) -> tuple[InputFile, ...]:
    splittable = job.input.splittable
    return tuple(InputFile(file.path, file.size_bytes, splittable) for file in inputs)


def _identifier(name: str) -> str:
    """The part of a job's id that a person recognises; ids become parts of paths."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:40].strip("-") or "job"
