"""From what the user wrote to what a master takes: the job checked, its inputs listed, its output
folder made ready. Every mistake is found here, before anything starts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from zmr.display import short_repr
from zmr.engines.inputs import list_inputs
from zmr.engines.options import JobOptions, JobSettings
from zmr.errors import InputError, JobError, OutputError, UsageError
from zmr.job import Job, input_of, inputs_of
from zmr.job_inputs import for_input
from zmr.job_loader import find_job
from zmr.key_types import KeyTypeError, keys_to_bytes, sortable, type_of_keys
from zmr.messages import InputFile, JobSpec, Step, Submit
from zmr.output.folder import claim_output, prepare_output
from zmr.partitioners import Range
from zmr.pickled_job import pickle_job
from zmr.pipeline import Pipeline, parameters_of_steps, refuse_skipping


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that can start."""

    spec: JobSpec
    job: Job | Pipeline
    inputs: tuple[InputFile, ...]

    @property
    def submit(self) -> Submit:
        """What a master is handed."""
        return Submit(self.spec, self.inputs)


def prepare(options: JobOptions, claims_output: bool = True) -> Prepared:
    """Check everything and make the output folder ready. Raises a `UsageError` of some kind.

    With `claims_output`, other jobs are kept out of the folder, until `clean_temporary`.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UsageError("the current folder is gone: go to another one") from None
    if not options.output:
        raise OutputError("the name of the output folder is empty")
    source = options.given or find_job(options.job)
    settings = options.settings
    job = source.create(settings.params)
    jobs = job.jobs if isinstance(job, Pipeline) else (job,)
    first, last = jobs[0], jobs[-1]
    refuse_skipping(job, settings.skip_bad_records, settings.skip_bad_files)
    for number, later in enumerate(jobs[1:], 2):
        _refuse_sampling(number, later, options.n_reduce)
    paths, inputs = list_inputs_of(first, options.inputs, settings)
    output = os.path.abspath(options.output)
    bounds = b""
    partition = first.partition
    if type(partition) is Range and partition.bounds:
        _check_bounds(first, partition.bounds)
    elif type(partition) is Range and n_reduce_of(first, options.n_reduce) > 1:
        bounds = _sampled(first, inputs, n_reduce_of(first, options.n_reduce), settings)
    prepare_output(output, settings.overwrite, paths)
    spec = JobSpec(
        job_id=f"{_identifier(source.name)}-{os.urandom(4).hex()}",
        name=source.name,
        reference=source.reference,
        source=source.source if source.given is None else pickle_job(job),
        search_path=source.search_path,
        params=settings.params,
        n_reduce=n_reduce_of(last, options.n_reduce),
        output=output,
        max_attempts=settings.max_attempts,
        task_timeout_s=settings.task_timeout_s,
        backup_after_s=settings.backup_after_s,
        bounds=bounds,
        steps=_steps(job, options) if isinstance(job, Pipeline) else (),
        skip_bad_records=settings.skip_bad_records,
        skip_bad_files=settings.skip_bad_files,
        setup_timeout_s=settings.setup_timeout_s,
    )
    if claims_output:
        claim_output(output, spec.job_id)
    return Prepared(spec, job, inputs)


def list_inputs_of(
    job: Job, given: Sequence[str], settings: JobSettings
) -> tuple[list[str], tuple[InputFile, ...]]:
    """The paths that the user named, and the files behind them. Raises `InputError`.

    Of a job with several inputs, what is given is NAME=PATH; of another, a path may have a "=".
    """
    how = settings.hidden_files, settings.skip_bad_files > 0
    declared = inputs_of(type(job))
    if not declared:
        return list(given), list_inputs(given, input_of(job), *how)
    of_each: dict[str, list[str]] = {name: [] for name in declared}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or name not in declared:
            names = " or ".join(declared)
            raise InputError(
                f"{text}: {type(job).__name__} has several inputs: write NAME=PATH, NAME is {names}"
            )
        of_each[name].append(path)
    if missing := [name for name, paths in of_each.items() if not paths]:
        raise InputError(f"{type(job).__name__} reads {missing[0]}, too: give {missing[0]}=PATH")
    files: list[InputFile] = []
    for number, paths in enumerate(of_each.values()):
        found = list_inputs(paths, input_of(for_input(job, number)), *how)
        files += (replace(file, input=number) for file in found)
    return [path for paths in of_each.values() for path in paths], tuple(files)


def n_reduce_of(job: Job, asked: int) -> int:
    """The number of the job's partitions, where the user asks for so many; 0: it is map-only."""
    return 0 if job.reduce is None else asked if job.reducers is None else job.reducers


def _steps(pipeline: Pipeline, options: JobOptions) -> tuple[Step, ...]:
    own_params = parameters_of_steps(type(pipeline), options.settings.params)
    return tuple(
        Step(type(job).__name__, tuple(params), n_reduce_of(job, options.n_reduce))
        for job, params in zip(pipeline.jobs, own_params, strict=True)
    )


def _refuse_sampling(number: int, job: Job, asked: int) -> None:
    """Raise `JobError` if the job, a later step of a pipeline, needs a sample of its input."""
    partition = job.partition
    if type(partition) is Range and not partition.bounds and n_reduce_of(job, asked) > 1:
        raise JobError(
            f"step {number}, {type(job).__name__}, has Range(), for which its input would have to "
            "be sampled before step 1 begins: give it reducers = 1, or Range() its bounds"
        )


def _check_bounds(job: Job, bounds: Sequence[Any]) -> None:
    """Raise `JobError` unless the bounds that the job gives Range() are keys, and ascend."""
    name = type(job).__name__
    try:
        type_of_keys(bounds)
    except KeyTypeError as error:
        raise JobError(f"{name} gives Range() bounds that are no keys: {error}") from None
    in_order = list(map(sortable, bounds))
    if any(not one < other for one, other in pairwise(in_order)):
        raise JobError(f"{name} gives Range() bounds that don't ascend: {short_repr(bounds)}")


def _sampled(job: Job, inputs: Sequence[InputFile], n_reduce: int, settings: JobSettings) -> bytes:
    """Give the job's range partitioner its bounds; the same for its spec."""
    from zmr.engines.sampling import sample_bounds

    try:
        skips = settings.skip_bad_records > 0, settings.skip_bad_files > 0
        bounds = sample_bounds(job, inputs, n_reduce, *skips)
    except OSError as error:
        raise InputError(f"can't sample the input: {error}") from None
    except KeyTypeError as error:
        name = type(job).__name__
        raise JobError(f"{name} fails on a sample of its input: TypeError: {error}") from None
    job.partition = Range(bounds)
    return keys_to_bytes(bounds) if bounds else b""


def _identifier(name: str) -> str:
    """The part of a job's id that a person recognises; ids become parts of paths."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:40].strip("-") or "job"
