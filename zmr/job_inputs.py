"""A job that reads several inputs, as it is for one of them: where tasks and samples begin.

All that runs a map knows `map`, `map_batch` and `input`. Of a job with several inputs there is a
class for each, which has the methods of that input under these names.
"""

from __future__ import annotations

from inspect import getattr_static

from zmr.job import Job, inputs_of

_classes: dict[tuple[type[Job], int], type[Job]] = {}


def for_input(job: Job, number: int) -> Job:
    """The job, as it reads its input of this number. It shares what the job has."""
    inputs = inputs_of(type(job))
    if not inputs:
        return job
    kind = _classes.get((type(job), number))
    if kind is None:
        kind = _classes[type(job), number] = _class_for(type(job), number)
    own = kind.__new__(kind)
    own.__dict__.update(job.__dict__)
    own._reads = job._reads_of.get(list(inputs)[number])
    return own


def _class_for(job_class: type[Job], number: int) -> type[Job]:
    name, declared = list(inputs_of(job_class).items())[number]
    of_records, of_batches = declared.methods(name)
    attributes = {
        "map": getattr_static(job_class, of_records, Job.map),
        "map_batch": getattr_static(job_class, of_batches, None),
        "input": declared.format,
        "__module__": job_class.__module__,
        "__qualname__": job_class.__qualname__,
        "__doc__": job_class.__doc__,
    }
    return type(job_class.__name__, (job_class,), attributes)
