"""What a user writes: a `Job`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from weakref import WeakKeyDictionary

from zmr.display import short_repr
from zmr.errors import JobError
from zmr.formats import InputFormat, Lines
from zmr.formats.input import Input
from zmr.formats.output import OutputFormat, Text
from zmr.messages import Counters
from zmr.parameters import Parameter, bind, declared
from zmr.partitioners import Hash

if TYPE_CHECKING:
    from logging import Logger

R = TypeVar("R")


def once(method: Callable[[Any], R]) -> Callable[[Any], R]:
    """Make a method of a job run once in each process: later calls get what the first one returned.

    It is for what takes long to make and is the same for all tasks, such as a model or a table that
    `map` looks into. What the tasks of a process share must hold nothing of any of them, or the
    answer would depend on which tasks a process gets. The method takes no arguments but self.

    Example:
        class Places(zmr.Job):
            path: str

            @zmr.once
            def names(self):
                return dict(zmr.read(self.path))

            def map(self, line):
                yield self.names().get(line, "elsewhere"), 1
    """

    @wraps(method)
    def made(self: Any) -> R:
        if method not in self._once:
            self._once[method] = method(self)
        found: R = self._once[method]
        return found

    return made


class Source(Protocol):
    """Where the record is from that map is called with, or the batch of map_batch."""

    @property
    def path(self) -> str:
        """Its file, an absolute path. Empty where there is none: in later steps of a pipeline, and
        outside of map.
        """
        ...

    @property
    def offset(self) -> int | None:
        """Where in its file it begins, in bytes; of a batch, its first record.

        Of a compressed file as decompressed, of one in another encoding as UTF-8. None where
        records have no such place, as of `Parquet()`, `Warc()` and `WholeFiles()`, and where there
        is no file. To find it, the task reads its piece of the file once more.
        """
        ...


class _Nowhere:
    path = ""
    offset = None


class Job:
    """A MapReduce job: subclass it, write `map`, and write or choose `reduce`.

    What a job is made of; only `map`, or `map_batch`, must be there:

        map(self, record)           yields (key, value) pairs for one record
        map_batch(self, batch)      returns (keys, values) for many records, as Arrow arrays
        reduce(self, key, values)   yields (key, value) pairs for all values of a key; or a
                                    reducer, `reduce = Sum()`
        combine(self, key, values)  yields pairs like reduce, for the values of one map task
        partition(self, key, n)     returns the number of a key's partition, from 0 to n - 1; or
                                    `partition = Range()`
        sort_values                 True: reduce gets the values of a key in their order; or a
                                    method sort_values(self, value), by which they are sorted
        setup(self)                 is called at the start of each task, on a job object that is
                                    the task's own; `@zmr.once` is for what a process makes once
        finish_map(self)            yields pairs at the end of each map task, like map
        finish_reduce(self)         yields pairs at the end of each reduce task, like reduce
        input                       what a record is: `Lines()`, `Csv()`, ...; a job with several
                                    inputs has an attribute `Input(Csv())` for each
        output                      how pairs are written: `Text()` or `Raw()`
        reducers                    the number of partitions, an int; None: as the user asks for
        source.path, source.offset  the file that map's record is from, and where it begins there
        log.warning("...")          shows a line, as do log.info and log.error
        count(name, n=1)            adds to a counter; the job's sums are shown when it is done
        counters_of(step)           the counters of an earlier step of a pipeline, as a dict

    Parameters are annotated class attributes: str, int, float, bool, `re.Pattern`, which is a
    regular expression, or `Secret`. `zmr run -p NAME=VALUE` sets them, in Python
    `Grep(pattern="x")`:

        class Grep(Job):
            pattern: str                  # must be given
            ignore_case: bool = False     # may be given

    A key is str, bytes, int, float, bool, date, datetime, Decimal, UUID or a tuple of them, of one
    type in a job, or None; a value is anything that can be pickled.
    """

    input: InputFormat = Lines()
    """What a record is: `Lines()`, a str without the end of its line, if nothing else is said."""

    output: OutputFormat = Text()
    """What the output files hold: `Text()`, lines of key, tab, value; or `Raw()` bytes."""

    map_batch: Any = None
    """Optionally a method `map_batch(self, batch)`, called in place of map with many records.

    `batch` is an Arrow array, of str or bytes, a record each; or of `JsonLines()`, `Csv()`,
    `Parquet()` and in later steps of a pipeline a record batch. It returns (keys, values), two
    Arrow arrays of one length; for keys that are tuples, a tuple of arrays in place of the first;
    with `Count()`, keys alone; or a table with the columns `key` (or `key.0`, `key.1`, ...) and
    `value`.
    """

    reduce: Any = None
    """A declarative reducer such as `Sum()`; or a method `reduce(self, key, values)`.

    The method is called for each key, in the order of the keys of its partition, with an iterator
    over all values of the key, in the order of the input; it yields (key, value) pairs. None makes
    a map-only job, whose pairs are put out as map yields them.
    """

    combine: Any = None
    """Optionally a method `combine(self, key, values)`, of reduce's shape.

    It is called with the values that one map task has for a key, or with some of them, or not at
    all; so reduce must make the same of its output as of its input.
    """

    finish_map: Any = None
    """Optionally a method `finish_map(self)`, called when a map task has come to its last record.

    It yields pairs, or returns them, as map does: what the task has gathered in `self`.
    """

    finish_reduce: Any = None
    """Optionally a method `finish_reduce(self)`, called after the last key of a reduce task.

    It yields (key, value) pairs, which are put out after those of reduce.
    """

    sort_values: Any = False
    """True: reduce gets the values of a key in ascending order, and not in that of the input.

    Or a method `sort_values(self, value)`, which gives for each value what it is sorted by: like a
    value that is sorted itself, a key, of one type in a job. Of equal ones, the order is that of
    the input. They are sorted on the disk, however many there are.
    """

    partition: Any = Hash()
    """The partition of a key: `Hash()`; `Range()`; or a method `partition(self, key, n)`.

    The method returns an int from 0 to n - 1, where n is the number of partitions. With `Range()`
    all files of the output, one after the other, are in the order of the keys.
    """

    reducers: int | None = None
    """The number of partitions, where the job needs another one than the user asks for."""

    _counters: dict[str, int]
    _counted: Sequence[tuple[str, Counters]] = ()  # by the steps of a pipeline before this one
    _once: dict[Any, Any]  # what methods marked so have made, for all tasks of the process
    _given: dict[str, object]  # as it was created with
    _source: Source = _Nowhere()
    _reads: InputFormat | None = None  # as a step of a pipeline, in place of `input` ...
    _reads_of: Mapping[str, InputFormat] = MappingProxyType({})  # of several inputs, likewise
    _writes: OutputFormat | None = None  # ... and of `output`

    def __new__(cls, **params: object) -> Self:
        job = super().__new__(cls)
        job._counters = {}
        job._once = {}
        job._given = params
        return job

    def __init__(self, **params: object) -> None:
        """A job with these parameters. Raises `JobError` for one that is wrong or missing."""
        declared_here = parameters_of(type(self))
        for name, value in bind(type(self).__name__, declared_here, params.items()).items():
            setattr(self, name, value)

    def setup(self) -> None:
        """Called at the start of each task, map or reduce; a place to open, and to begin counting.

        Each task has a job object of its own: what it keeps in `self`, no other task sees.
        `@zmr.once` marks a method for what takes long and may be shared.
        """

    def map(self, record: Any, /) -> Iterable[tuple[Any, Any]] | None:
        """Called for each record; yields (key, value) pairs, or returns them, or None.

        What `record` is, `input` says: a str for `Lines()`; in later steps of a pipeline it is a
        (key, value) pair.
        """
        raise NotImplementedError

    @property
    def source(self) -> Source:
        """Where the record is from that map is called with: `self.source.path` is its file, and
        `self.source.offset` its place there.
        """
        return self._source

    @property
    def log(self) -> Logger:
        """A logger of Python's: `self.log.warning("no user in %r", line)`.

        Its lines, from level INFO on, go to stderr as all that a task prints does: named by job and
        task, and kept in `OUT/_logs`.
        """
        from zmr.job_log import LOGGER

        return LOGGER

    def count(self, name: str, n: int = 1) -> None:
        """Add n to the counter of this name. The job's sums are shown when it is done.

        An attempt counts if its output does. Raises `TypeError` if name is no str or n no int, and
        `ValueError` for a name of over 100 characters or a task with over 4,000 names.
        """
        if type(name) is not str or type(n) is not int:
            raise TypeError(
                f"count(name, n) takes a str and an int, not {short_repr(name)}, {short_repr(n)}"
            )
        if name not in self._counters:
            if len(name) > _LONGEST_COUNTER or len(self._counters) >= _MOST_COUNTERS:
                raise ValueError(
                    f"count({short_repr(name)}): a task has at most {_MOST_COUNTERS:,} counters, "
                    f"and their names at most {_LONGEST_COUNTER} characters; to count by key, "
                    "yield name, 1 and reduce with Sum()"
                )
            self._counters[name] = 0
        self._counters[name] += n

    def counters_of(self, step: str | type[Job]) -> dict[str, int]:
        """The counters of an earlier step of the pipeline: of its class, or the class's name.

        What has not been counted there is not among them: `.get("odd lines", 0)`. Of several steps
        of this class, it is the last one before. Raises `LookupError` if there is none.
        """
        name = step if isinstance(step, str) else step.__name__
        for of_step, counters in reversed(self._counted):
            if of_step == name:
                return dict(counters)
        steps = ", ".join(of_step for of_step, _ in self._counted)
        raise LookupError(
            f"counters_of({short_repr(name)}): no step before this one has this name"
            + (f" (they are {steps})" if steps else "")
        )


# Of one task: all go to the master with its result.
_MOST_COUNTERS = 4_000
_LONGEST_COUNTER = 100

# What engines give a job; the rest is what its parameters and its own `__init__` make of it.
_OF_ENGINES = frozenset({"_given", "_counted", "_once", "_reads", "_writes", "partition", "reduce"})

FORMATS: tuple[tuple[str, type, str], ...] = (
    ("input", InputFormat, "Lines()"),
    ("output", OutputFormat, "Text() or Raw()"),
)

_inputs: WeakKeyDictionary[type[Job], dict[str, Input]] = WeakKeyDictionary()

RESERVED = frozenset(name for name in vars(Job) if not name.startswith("_"))


def begin_task(job: Job) -> Job:
    """A job object for one task, like `job` before any task, with setup() called.

    Attributes that the job was given are the same objects; a job with an `__init__` of its own is
    created again.
    """
    kind = type(job)
    if kind.__init__ is Job.__init__:
        own = kind.__new__(kind)
        own.__dict__.update(job.__dict__)
    else:
        own = kind(**job._given)
        own.__dict__.update(
            {
                name: value
                for name, value in job.__dict__.items()
                if name not in own.__dict__ or name in _OF_ENGINES
            }
        )
    own._counters = {}
    own.setup()
    return own


def counters_of(job: Job) -> Counters:
    """What the job has counted since the task began, by name."""
    return tuple(sorted(job._counters.items()))


def parameters_of(job_class: type[Job]) -> dict[str, Parameter]:
    """The parameters that a job class declares, by name. `JobError` for an impossible one."""
    return declared(job_class, Job, RESERVED)


def inputs_of(job_class: type[Job]) -> dict[str, Input]:
    """The inputs of a job that reads several, in the order in which they are declared."""
    found = _inputs.get(job_class)
    if found is None:  # each task asks
        found = _inputs[job_class] = {
            name: value
            for owner in reversed(job_class.__mro__)
            for name, value in vars(owner).items()
            if isinstance(value, Input)
        }
    return found


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
    for name, base, example in FORMATS:
        try:
            given = getattr(job, name)  # which may depend on parameters
        except ValueError as error:
            raise JobError(f"{job_class.__name__}.{name}: {error}") from None
        if not isinstance(given, base):
            raise JobError(no_format(job_class, name, given, example))
    return job


def no_format(job_class: type[Job], name: str, given: object, example: str) -> str:
    """What to say of an `input` or `output` that is no format."""
    return f"{job_class.__name__}.{name} must be an {name} format, such as {example}, not " + (
        f"{short_repr(given)}, which is an input format"
        if name == "output" and isinstance(given, InputFormat)
        else short_repr(given)
    )
