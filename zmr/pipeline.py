"""What a user writes where one job is not enough: a `Pipeline`.

class TopWords(Pipeline):
    steps = [WordCount, Top]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any, TypeVar

from zmr.display import short_repr
from zmr.errors import JobError, UsageError
from zmr.job import Job, create_job, inputs_of, parameters_of
from zmr.job_checks import check_job
from zmr.parameters import unknown

G = TypeVar("G")
Given = Iterable[tuple[str, G]]


class Pipeline:
    """Jobs of which each reads what the one before has put out: subclass it and list the steps.

    The first step reads the input. To the others a record is a (key, value) pair, with the types
    that it had; to their map_batch, a record batch with the columns "key" (for tuples "key.0",
    "key.1" and so on) and "value". The last one's output is that of the pipeline.
    """

    steps: Sequence[Any] = ()
    """Job classes, which get the parameters that the user gives; or jobs, with their own."""

    def __init__(self, **params: object) -> None:
        """A pipeline whose steps have these parameters. Raises `JobError` for a wrong one."""
        check_pipeline(type(self))
        self.jobs = _jobs(type(self), list(params.items()))
        """The jobs, in their order."""


def check_pipeline(pipeline: type[Pipeline]) -> None:
    """Raise `JobError` for what could only fail later."""
    name, steps = pipeline.__name__, pipeline.steps
    if not isinstance(steps, (list, tuple)):
        raise JobError(f"{name}.steps must be a list of jobs, not {short_repr(steps)}")
    if not steps:
        raise JobError(f"{name} has no steps: write steps = [FirstJob, SecondJob]")
    for number, step in enumerate(steps, 1):
        where = f"step {number} of {name}"
        found = step_class(step)
        if issubclass(found, Pipeline):
            raise JobError(
                f"{where} is a pipeline, {found.__name__}: list the jobs that it is made of"
            )
        if not issubclass(found, Job) or found is Job:
            raise JobError(f"{where} must be a job, not {short_repr(step)}")
        try:
            check_job(found)
        except JobError as error:
            raise JobError(f"{where}: {error}") from None
        if number > 1 and inputs_of(found):
            raise JobError(f"{where}, {found.__name__}, has several inputs: only step 1 may")
        if number > 1 and not _is_default(step.input):
            raise JobError(
                f"{where}, {found.__name__}, has an input of its own, but its records are the "
                f"pairs of step {number - 1}: leave out the input"
            )


def refuse_skipping(job: Job | Pipeline, n_records: int, n_files: int = 0) -> None:
    """Raise `UsageError` if so many bad records or files are to be left out of a pipeline."""
    if (n_records or n_files) and isinstance(job, Pipeline):
        names = [type(step).__name__ for step in job.jobs]
        option, what = (
            ("--skip-bad-records", "records") if n_records else ("--skip-bad-files", "files")
        )
        raise UsageError(
            f"{option} is not for pipelines, such as {type(job).__name__}: only the "
            f"first of its steps ({', '.join(names)}) reads {what} that can be bad; run that as a "
            f"job of its own to see which they are"
        )


def _is_default(input_format: object) -> bool:
    usual = Job.input
    return type(input_format) is type(usual) and vars(input_format) == vars(usual)


def step_class(step: Any) -> type:
    """The class of a step that is given as a class or as a job."""
    return step if isinstance(step, type) else type(step)


def create_pipeline(pipeline: type[Pipeline], given: Given[object]) -> Pipeline:
    """The pipeline with these parameters. Raises `JobError` for one that is wrong or missing."""
    created = pipeline.__new__(pipeline)
    created.jobs = _jobs(pipeline, list(given))
    return created


def create_step(pipeline: type[Pipeline], number: int, given: Given[object]) -> Job:
    """One of the jobs, numbered from 1, with its own parameters. Raises `JobError`."""
    step, n_steps = pipeline.steps[number - 1], len(pipeline.steps)
    job = create_job(step, given) if isinstance(step, type) else copy(step)
    if number > 1:
        from zmr.formats.pairs import Pairs

        job._reads = Pairs()
    if number < n_steps:
        from zmr.formats.pairs import PairsOutput

        job._writes = PairsOutput()
    job._counters = {}
    return job


def parameters_of_steps(pipeline: type[Pipeline], given: Given[G]) -> list[list[tuple[str, G]]]:
    """What of the given parameters each step declares. Raises `JobError` for what none does."""
    given = list(given)
    declared = [parameters_of(step) if isinstance(step, type) else {} for step in pipeline.steps]
    of_all = {name: parameter for own in declared for name, parameter in own.items()}
    for name, _ in given:
        if name not in of_all:
            raise JobError(unknown(pipeline.__name__, name, of_all))
    return [[(name, value) for name, value in given if name in own] for own in declared]


def _jobs(pipeline: type[Pipeline], given: Given[object]) -> tuple[Job, ...]:
    return tuple(
        create_step(pipeline, number, own)
        for number, own in enumerate(parameters_of_steps(pipeline, given), 1)
    )
