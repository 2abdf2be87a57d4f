"""What a user writes, a `Job`, and how one is found and loaded.

A job is named in one of three ways: `wordcount` (built in), `path/to/file.py[:Class]`, or
`package.module:Class`. The client finds it (`find_job`), which tells at once all that is wrong
with it, and ships the text of a job file along; a worker loads it from what it was sent
(`load_job`), so it needs no copy of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from zmr.core.messages import Counters, JobSpec
from zmr.data.formats import InputFormat, Lines
from zmr.data.output_format import OutputFormat, Text
from zmr.data.partition import Hash, Range
from zmr.data.shown import shown
from zmr.errors import JobError
from zmr.jobs import BUILT_IN
from zmr.parameters import Parameter, bind, declared
from zmr.reducers import Identity, Reducer
from zmr.user_module import import_module, run_file


class Job:
    """A MapReduce job: subclass it, write `map`, and write or choose `reduce`.

    Annotated class attributes are parameters, which `zmr run -p NAME=VALUE` sets:

        class Grep(Job):
            pattern: str                  # must be given
            ignore_case: bool = False     # may be given
    """

    input: InputFormat = Lines()
    """What a record is."""

    reduce: Any = None
    """A declarative reducer such as `Sum()`, or a method `reduce(self, key, values)` that yields
    (key, value) pairs; `values` is an iterator. None makes a map-only job, whose pairs are put out
    as map yields them."""

    map_batch: Any = None
    """Optionally a method `map_batch(self, batch)`, called in place of map with many records at
    once, as Arrow data; it returns (keys, values) as Arrow arrays, or with `Count()` keys alone."""

    output: OutputFormat = Text()
    """What the output files hold: `Text()`, lines of key, tab, value; or `Raw()` bytes."""

    combine: Any = None
    """Optionally a method of reduce's shape, applied to what one map task has for a key. It may be
    applied or not, so reduce must make the same of its output as of its input."""

    partition: Any = Hash()
    """The partition of a key: the default, or a method `partition(self, key, n)` giving an int
    from 0 to n - 1."""

    _counters: dict[str, int]
    _is_set_up = False

    def __new__(cls, **params: object) -> Job:
        job = super().__new__(cls)
        job._counters = {}
        return job

    def __init__(self, **params: object) -> None:
        """A job with these parameters. Raises `JobError` for one that is wrong or missing."""
        declared_here = parameters_of(type(self))
        for name, value in bind(type(self).__name__, declared_here, params.items()).items():
            setattr(self, name, value)

    def setup(self) -> None:
        """Called once in each process before the first record; a place to compile and to open."""

    def map(self, record: Any) -> Iterable[tuple[Any, Any]] | None:
        """Called for each record; yields (key, value) pairs, or returns them, or None."""
        raise NotImplementedError

    @property
    def takes_batches(self) -> bool:
        """Whether records go to map_batch, many at once."""
        return self.map_batch is not None

    def count(self, name: str, n: int = 1) -> None:
        """Count up. The sums over all tasks are told when the job is done."""
        if type(name) is not str or type(n) is not int:
            raise TypeError(f"count(name, n) takes a str and an int, not {shown(name)}, {shown(n)}")
        self._counters[name] = self._counters.get(name, 0) + n


RESERVED = frozenset(name for name in vars(Job) if not name.startswith("_"))


def begin_task(job: Job) -> None:
    """Set the job up, the first time in this process, and let its counters start from zero."""
    if not job._is_set_up:
        job.setup()
        job._is_set_up = True
    job._counters = {}


def counters_of(job: Job) -> Counters:
    """What the job has counted since the task began, by name."""
    return tuple(sorted(job._counters.items()))


def parameters_of(job_class: type[Job]) -> dict[str, Parameter]:
    """The parameters that a job class declares, by name. `JobError` for an impossible one."""
    return declared(job_class, Job, RESERVED)


@dataclass(frozen=True, slots=True)
class JobSource:
    """A job that was found: what its `JobSpec` needs, and what help texts tell."""

    name: str  # for people: "wordcount", "Grep"
    reference: str
    source: bytes
    search_path: str
    doc: str
    job_class: type[Job]

    def create(self, params: Iterable[tuple[str, object]]) -> Job:
        """The job with these parameters. Raises `JobError` for one that is wrong or missing."""
        return _create(self.job_class, params)


def find_job(reference: str) -> JobSource:
    """The job that a user named. Raises `JobError` with what is wrong, and what there is."""
    if reference in BUILT_IN:
        _, job_class = _import_class(BUILT_IN[reference], "")
        return JobSource(reference, reference, b"", "", job_class.__doc__ or "", job_class)
    target, class_name = _split(reference)
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
        raise JobError(
            f"there is no built-in job {reference!r} (there are {', '.join(BUILT_IN)}); "
            f"other jobs are named path/to/file.py or package.module:Class"
        )
    where = f"{target}:{name}"
    return JobSource(name, where, source, search_path, job_class.__doc__ or "", job_class)


def load_job(spec: JobSpec) -> Job:
    """The job of a spec, ready to run, on any machine. Raises `JobError`."""
    if spec.reference in BUILT_IN:
        _, job_class = _import_class(BUILT_IN[spec.reference], "")
    elif spec.source:
        path, class_name = _split(spec.reference)
        _, job_class = _choose(run_file(path, spec.source, spec.search_path), path, class_name)
    else:
        _, job_class = _import_class(spec.reference, spec.search_path)
    job = _create(job_class, spec.params)
    if spec.bounds:
        from zmr.data.rows import keys_from_bytes

        job.partition = Range(keys_from_bytes(spec.bounds))
    return job


def _create(job_class: type[Job], params: Iterable[tuple[str, object]]) -> Job:
    # Bound here once more, because a dict would swallow a parameter that is given twice.
    values = bind(job_class.__name__, parameters_of(job_class), params)
    try:
        return job_class(**values)
    except JobError:
        raise
    except Exception as error:
        raise JobError(
            f"{job_class.__name__} can't be created: {type(error).__name__}: {error} "
            f"(a job prepares itself in setup(), not in __init__)"
        ) from error


def _split(reference: str) -> tuple[str, str]:
    """`target:Class` in its two parts; the second is empty where there is none."""
    target, colon, name = reference.rpartition(":")
    return (target, name) if colon and name.isidentifier() else (reference, "")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise JobError(f"can't read the job file {path}: {error.strerror}") from None


def _import_class(reference: str, search_path: str) -> tuple[str, type[Job]]:
    module_name, class_name = _split(reference)
    return _choose(import_module(module_name, search_path), module_name, class_name)


def _choose(module: ModuleType, where: str, class_name: str) -> tuple[str, type[Job]]:
    """The job class of the module that is meant, and its name there."""
    jobs = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Job) and value is not Job
    }
    own = [name for name, value in jobs.items() if value.__module__ == module.__name__]
    if class_name not in jobs:
        if not own:
            raise JobError(f"{where} has no job in it: no class that is derived from zmr.Job")
        if class_name:
            raise JobError(f"{where} has no job {class_name!r}; it has {', '.join(own)}")
        if len(own) > 1:
            raise JobError(
                f"{where} has several jobs; name one: "
                f"{', '.join(f'{where}:{name}' for name in own)}"
            )
    name = class_name or own[0]
    _check(jobs[name])
    return name, jobs[name]


def _check(job_class: type[Job]) -> None:
    """Refuse what could only fail later, and many times."""
    name, reduce = job_class.__name__, job_class.reduce
    parameters_of(job_class)
    if job_class.map is Job.map and job_class.map_batch is None:
        raise JobError(
            f"{name} has no map: write a method map(self, record) that yields (key, value) pairs, "
            "or map_batch"
        )
    if not isinstance(job_class.input, (InputFormat, property)):  # may depend on parameters
        raise JobError(
            f"{name}.input must be an input format, such as Lines(), not {shown(job_class.input)}"
        )
    if isinstance(reduce, type) or not (reduce is None or callable(reduce) or _declared(reduce)):
        raise JobError(
            f"{name}.reduce must be a method, or a reducer such as Sum(), not {shown(reduce)}"
        )
    if job_class.combine is not None and (reduce is None or _declared(reduce)):
        why = "there is no reduce" if reduce is None else "its reducer combines by itself"
        raise JobError(f"{name}.combine is never used: {why}")
    for method in ("combine", "map_batch", "partition"):
        value = getattr(job_class, method)
        if isinstance(value, type) or not (value is None or callable(value)):
            raise JobError(f"{name}.{method} must be a method, not {shown(value)}")
    if job_class.partition is None:
        raise JobError(f"{name}.partition must be a method, not None")


def _declared(reduce: object) -> bool:
    return isinstance(reduce, (Identity, Reducer))
