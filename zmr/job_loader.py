"""How a job or a pipeline is found, and how workers load what they are sent.

A job is named in one of three ways: `wordcount` (built in), `path/to/file.py[:Class]`, or
`package.module:Class`. The client finds it (`find_job`), which reports at once all that is wrong
with it, and ships the text of a job file along; a worker loads it from what it was sent
(`load_job`), so it needs no copy of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from zmr.display import short_repr
from zmr.errors import JobError
from zmr.job import Job, create_job
from zmr.job_checks import check_job
from zmr.key_types import keys_from_bytes
from zmr.messages import JobSpec
from zmr.module_loader import import_module, run_file
from zmr.partitioners import Range
from zmr.pickled_job import PICKLED, is_pickled, own_copy, unpickle_job
from zmr.pipeline import Pipeline, check_pipeline, create_pipeline, create_step, step_class

# The names that the built-in jobs are found by.
BUILT_IN = {
    "wordcount": "zmr.jobs.wordcount:WordCount",
    "grep": "zmr.jobs.grep:Grep",
    "index": "zmr.jobs.index:Index",
    "sort": "zmr.jobs.sort:Sort",
}

Found = type[Job] | type[Pipeline]


@dataclass(frozen=True, slots=True)
class JobSource:
    """A job that was found, or given: what its `JobSpec` needs, and what help texts say."""

    name: str  # for people: "wordcount", "Grep"
    reference: str
    source: bytes
    search_path: str
    doc: str
    job_class: type[Any]  # a Job or a Pipeline
    given: Any = None  # the job itself, if it was given as an object

    def create(self, params: Iterable[tuple[str, object]]) -> Any:
        """The job or pipeline with these parameters.

        Raises `JobError` for one that is wrong or missing.
        """
        if self.given is not None:
            return self.given
        if issubclass(self.job_class, Pipeline):
            return create_pipeline(self.job_class, params)
        return create_job(self.job_class, params)


def find_job(reference: str) -> JobSource:
    """The job that a user named. Raises `JobError` with what is wrong, and what there is."""
    if reference in BUILT_IN:
        _, job_class = _import_class(BUILT_IN[reference], "")
        return JobSource(reference, reference, b"", "", job_class.__doc__ or "", job_class)
    target, class_name = split_reference(reference)
    source = b""
    if target.endswith(".py") or os.sep in target:
        target = os.path.abspath(target)
        search_path = os.path.dirname(target)
        source = _read(target)
        name, job_class = _choose(run_file(target, source, search_path), target, class_name)
    elif class_name:
        search_path = os.getcwd()
        name, job_class = _import_class(reference, search_path)
    else:
        file = f"; did you mean {target}.py?" if os.path.exists(f"{target}.py") else ""
        raise JobError(
            f"there is no built-in job {reference!r} (there are {', '.join(BUILT_IN)}); other jobs "
            f"are named path/to/file.py or package.module:Class{file}"
        )
    where = f"{target}:{name}"
    return JobSource(name, where, source, search_path, job_class.__doc__ or "", job_class)


def given_job(job: type[Any] | Job | Pipeline) -> JobSource:
    """The source of a job that is given as an object, or as a class, in Python.

    Changes to the object from here on are none of the job's. Raises `JobError`.
    """
    job_class = job if isinstance(job, type) else type(job)
    if not issubclass(job_class, (Job, Pipeline)) or job_class in (Job, Pipeline):
        raise JobError(f"a job is a class that is derived from zmr.Job, not {short_repr(job)}")
    if issubclass(job_class, Pipeline):
        check_pipeline(job_class)
    else:
        check_job(job_class)
    if not isinstance(job, type):
        given = own_copy(job)
    elif issubclass(job_class, Pipeline):
        given = create_pipeline(job_class, ())
    else:
        given = create_job(job_class, ())
    name = job_class.__name__
    return JobSource(name, PICKLED + name, b"", "", job_class.__doc__ or "", job_class, given)


def load_job(spec: JobSpec) -> Job:
    """The job of a spec, or of the step of a pipeline's, ready to run, on any machine.

    Raises `JobError`.
    """
    if is_pickled(spec.reference):
        return _as_planned(_unpickled(spec), spec)
    if spec.reference in BUILT_IN:
        _, job_class = _import_class(BUILT_IN[spec.reference], "")
    elif is_file(spec):
        path, class_name = split_reference(spec.reference)
        _, job_class = _choose(run_file(path, spec.source, spec.search_path), path, class_name)
    else:
        _, job_class = _import_class(spec.reference, spec.search_path)
    if issubclass(job_class, Pipeline):
        if not spec.step or len(job_class.steps) != len(spec.steps):
            raise JobError(f"{spec.reference} has other steps here than where it was submitted")
        job = create_step(job_class, spec.step, spec.params)
    else:
        job = create_job(job_class, spec.params)
    return _as_planned(job, spec)


def is_file(spec: JobSpec) -> bool:
    """Whether the job was given as a file, whose text is its source."""
    return bool(spec.source) and not is_pickled(spec.reference)


def _unpickled(spec: JobSpec) -> Job:
    given = unpickle_job(spec.source)
    job: Job = given.jobs[spec.step - 1] if isinstance(given, Pipeline) else given
    return job


def _as_planned(job: Job, spec: JobSpec) -> Job:
    if spec.bounds:
        job.partition = Range(keys_from_bytes(spec.bounds))
    if spec.step > 1:
        job._counted = tuple((step.name, step.counters) for step in spec.steps[: spec.step - 1])
    return job


def split_reference(reference: str) -> tuple[str, str]:
    """`target:Class` in its two parts; the second is empty where there is none."""
    target, colon, name = reference.rpartition(":")
    return (target, name) if colon and name.isidentifier() else (reference, "")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise JobError(f"can't read the job file {path}: {error.strerror}") from None


def _import_class(reference: str, search_path: str) -> tuple[str, Found]:
    module_name, class_name = split_reference(reference)
    return _choose(import_module(module_name, search_path), module_name, class_name)


def _choose(module: ModuleType, where: str, class_name: str) -> tuple[str, Found]:
    """The job or pipeline of the module that is meant, and its name there."""
    jobs: dict[str, Found] = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, (Job, Pipeline))
        and value not in (Job, Pipeline)
    }
    own = [name for name, value in jobs.items() if value.__module__ == module.__name__]
    if class_name not in jobs:
        if not own:
            raise JobError(f"{where} has no job in it: no class that is derived from zmr.Job")
        if class_name:
            raise JobError(f"{where} has no job {class_name!r}; it has {', '.join(own)}")
        meant = _without_steps({name: jobs[name] for name in own})
        if len(meant) > 1:
            raise JobError(
                f"{where} has several jobs; name one: "
                f"{', '.join(f'{where}:{name}' for name in meant)}"
            )
        class_name = meant[0]
    found = jobs[class_name]
    if issubclass(found, Pipeline):
        check_pipeline(found)
    else:
        check_job(found)
    return class_name, found


def _without_steps(jobs: dict[str, Found]) -> list[str]:
    """The names of those that are no steps of another one; of all, if they are all steps."""
    pipelines = [job for job in jobs.values() if issubclass(job, Pipeline)]
    for pipeline in pipelines:
        check_pipeline(pipeline)
    steps = {step_class(step) for pipeline in pipelines for step in pipeline.steps}
    return [name for name, job in jobs.items() if job not in steps]
