"""What a user writes: a `Job`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zmr.display import short_repr
from zmr.errors import JobError
from zmr.formats import InputFormat, Lines
from zmr.formats.output import OutputFormat, Text
from zmr.messages import Counters
from zmr.parameters import Parameter, bind, declared
from zmr.partitioners import Hash
from zmr.reducers import Identity, Reducer


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

    reducers: int | None = None
    """The number of partitions, where the job needs another one than the user asks for."""

    combine: Any = None
    """Optionally a method of reduce's shape, applied to what one map task has for a key. It may be
    applied or not, so reduce must make the same of its output as of its input."""

    partition: Any = Hash()
    """The partition of a key: the default, or a method `partition(self, key, n)` giving an int
    from 0 to n - 1."""

    _counters: dict[str, int]
    _is_set_up = False
    _reads: InputFormat | None = None  # as a step of a pipeline, in place of `input` ...
    _writes: OutputFormat | None = None  # ... and of `output`

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
            raise TypeError(
                f"count(name, n) takes a str and an int, not {short_repr(name)}, {short_repr(n)}"
            )
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


def input_of(job: Job) -> InputFormat:
    """What the job reads: its input, or as a step of a pipeline what the step before put out."""
    return job._reads or job.input


def output_of(job: Job) -> OutputFormat:
    """What the job writes: its output, or as a step of a pipeline what the next step reads."""
    return job._writes or job.output


def create_job(job_class: type[Job], params: Iterable[tuple[str, object]]) -> Job:
    """A job with these parameters. Raises `JobError` for one that is wrong or missing."""
    # Bound here once more, because a dict would swallow a parameter that is given twice.
    values = bind(job_class.__name__, parameters_of(job_class), params)
    try:
        job = job_class(**values)
    except JobError:
        raise
    except Exception as error:
        raise JobError(
            f"{job_class.__name__} can't be created: {type(error).__name__}: {error} "
            f"(a job prepares itself in setup(), not in __init__)"
        ) from error
    try:
        _ = job.input  # which may depend on parameters
    except ValueError as error:
        raise JobError(f"{job_class.__name__}.input: {error}") from None
    return job


def check_job(job_class: type[Job]) -> None:
    """Raise `JobError` for what could only fail later, and many times."""
    name, reduce = job_class.__name__, job_class.reduce
    parameters_of(job_class)
    if job_class.map is Job.map and job_class.map_batch is None:
        raise JobError(
            f"{name} has no map: write a method map(self, record) that yields (key, value) pairs, "
            "or map_batch"
        )
    if not isinstance(job_class.input, (InputFormat, property)):  # may depend on parameters
        raise JobError(
            f"{name}.input must be an input format, such as Lines(), "
            f"not {short_repr(job_class.input)}"
        )
    if isinstance(reduce, type) or not (reduce is None or callable(reduce) or _declared(reduce)):
        raise JobError(
            f"{name}.reduce must be a method, or a reducer such as Sum(), not {short_repr(reduce)}"
        )
    if job_class.combine is not None and (reduce is None or _declared(reduce)):
        why = "there is no reduce" if reduce is None else "its reducer combines by itself"
        raise JobError(f"{name}.combine is never used: {why}")
    for method in ("combine", "map_batch", "partition"):
        value = getattr(job_class, method)
        if isinstance(value, type) or not (value is None or callable(value)):
            ready_made = ", or Hash() or Range()" if method == "partition" else ""
            raise JobError(f"{name}.{method} must be a method{ready_made}, not {short_repr(value)}")
    reducers: Any = job_class.reducers
    if reducers is not None and not (type(reducers) is int and reducers > 0):
        raise JobError(f"{name}.reducers must be an int from 1 on, not {short_repr(reducers)}")
    if job_class.partition is None:
        raise JobError(f"{name}.partition must be a method, or Hash() or Range(), not None")


def _declared(reduce: object) -> bool:
    return isinstance(reduce, (Identity, Reducer))
