"""A job with its inputs, run by the inline engine."""

from __future__ import annotations

from collections.abc import Iterable

from zmr.core.actions import Outcome
from zmr.core.plan import SPLIT_BYTES
from zmr.engines.inline import run_inline as run_prepared
from zmr.engines.prepare import Prepared, n_reduce_of
from zmr.job import Job
from zmr.messages import InputFile, JobSpec, Step
from zmr.pipeline import Pipeline


def run_inline(
    job: Job | Pipeline,
    inputs: Iterable[InputFile],
    output: str,
    n_reduce: int,
    skip_bad_records: int = 0,
    skip_bad_files: int = 0,
    split_bytes: int = SPLIT_BYTES,
) -> Outcome:
    """Run the job, whatever is in the folder `output` already. Raises what the job raises."""
    steps = job.jobs if isinstance(job, Pipeline) else ()
    spec = JobSpec(
        job_id="j1",
        name=type(job).__name__,
        reference="",
        source=b"",
        search_path="",
        params=(),
        n_reduce=n_reduce_of(steps[-1] if isinstance(job, Pipeline) else job, n_reduce),
        output=output,
        steps=tuple(Step(type(each).__name__, (), n_reduce_of(each, n_reduce)) for each in steps),
        skip_bad_records=skip_bad_records,
        skip_bad_files=skip_bad_files,
    )
    return run_prepared(Prepared(spec, job, tuple(inputs)), split_bytes)
