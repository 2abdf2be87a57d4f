"""What can be wrong with a job's class, found before anything starts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import getattr_static
from types import CodeType, FunctionType
from typing import Any

from zmr.display import short_repr
from zmr.errors import JobError
from zmr.formats import InputFormat
from zmr.formats.input import Input
from zmr.formats.output import OutputFormat
from zmr.job import FORMATS, RESERVED, Job, inputs_of, no_format, parameters_of
from zmr.partitioners import Hash, Range
from zmr.reducers import Collect, First, Identity, Reducer

_CO_VARARGS = 0x04  # a flag of code objects: `inspect`, which has it, takes long to import

# What zmr calls or looks for, and the names that other tools have for it.
_HOOKS = (
    "map",
    "map_batch",
    "reduce",
    "combine",
    "partition",
    "sort_values",
    "setup",
    "input",
    "output",
    "finish_map",
    "finish_reduce",
)
_NAMES_ELSEWHERE = {
    "mapper": "map",
    "reducer": "reduce",
    "combiner": "combine",
    "partitioner": "partition",
    **dict.fromkeys(("mapper_init", "reducer_init", "combiner_init", "map_init"), "setup"),
    **dict.fromkeys(("configure", "initialize", "set_up", "setUp"), "setup"),
    "map_partitions": "map_batch",
    "mapper_raw": "map",
    **dict.fromkeys(("mapper_final", "map_final"), "finish_map"),
    **dict.fromkeys(("reducer_final", "reduce_final"), "finish_reduce"),
}
_AT_THE_END = frozenset({"combiner_final", "teardown", "tear_down", "tearDown", "cleanup"})

# What zmr calls a job's methods with.
_CALLED_WITH = {
    "map": ("record",),
    "map_batch": ("batch",),
    "combine": ("key", "values"),
    "reduce": ("key", "values"),
    "partition": ("key", "n"),
    "setup": (),
    "finish_map": (),
    "finish_reduce": (),
    "sort_values": ("value",),
}

# Of what types the things are that zmr calls or looks for.
_OF_JOBS = (FunctionType, Reducer, Identity, InputFormat, OutputFormat, Hash, Range)


def check_job(job_class: type[Job]) -> None:
    """Raise `JobError` for what could only fail later, and many times."""
    name, reduce = job_class.__name__, job_class.reduce
    parameters_of(job_class)
    _check_names(job_class)
    inputs = inputs_of(job_class)
    _check_inputs(job_class, inputs)
    if not inputs and job_class.map is Job.map and job_class.map_batch is None:
        raise JobError(
            f"{name} has no map: write a method map(self, record) that yields (key, value) pairs, "
            "or map_batch"
        )
    for attribute, base, example in FORMATS:
        given = getattr(job_class, attribute)
        if not isinstance(given, (base, property)):  # may depend on parameters
            raise JobError(no_format(job_class, attribute, given, example))
    if isinstance(reduce, type) or not (reduce is None or callable(reduce) or _declared(reduce)):
        raise JobError(
            f"{name}.reduce must be a method, or a reducer such as Sum(), not {short_repr(reduce)}"
        )
    _check_uses(job_class)
    for method in ("combine", "map_batch", "partition", "finish_map", "finish_reduce"):
        value = getattr(job_class, method)
        if isinstance(value, type) or not (value is None or callable(value)):
            ready_made = ", or Hash() or Range()" if method == "partition" else ""
            raise JobError(f"{name}.{method} must be a method{ready_made}, not {short_repr(value)}")
    for method, given in _CALLED_WITH.items():
        raw = next(vars(owner)[method] for owner in job_class.__mro__ if method in vars(owner))
        if not _takes(raw, len(given)):
            hint = "; a pipeline's later step maps one (key, value) pair" if method == "map" else ""
            raise JobError(
                f"{name}.{method} can't be called as zmr does: write "
                f"def {method}({', '.join(['self', *given])}){hint}"
            )
    reducers: Any = job_class.reducers
    if reducers is not None and not (type(reducers) is int and reducers > 0):
        raise JobError(f"{name}.reducers must be an int from 1 on, not {short_repr(reducers)}")
    if job_class.partition is None:
        raise JobError(f"{name}.partition must be a method, or Hash() or Range(), not None")


def _check_inputs(job_class: type[Job], inputs: dict[str, Input]) -> None:
    """Raise `JobError` unless there are methods for the records of all inputs, and no others."""
    name = job_class.__name__
    for its_name, its_input in inputs.items():
        of_records, of_batches = its_input.methods(its_name)
        if not any(hasattr(job_class, method) for method in (of_records, of_batches)):
            raise JobError(
                f"{name} has no method for its input {its_name}: write {of_records}(self, record)"
            )
        for method, given in ((of_records, "record"), (of_batches, "batch")):
            raw = getattr_static(job_class, method, None)
            if not _takes(raw, 1):
                how = f"write def {method}(self, {given})"
                raise JobError(f"{name}.{method} can't be called as zmr does: {how}")
    if inputs and (job_class.map is not Job.map or job_class.map_batch is not None):
        first = next(iter(inputs))
        raise JobError(
            f"{name} has inputs of its own, so its map is never called: records of {first} go to "
            f"map_{first}"
        )


def _check_uses(job_class: type[Job]) -> None:
    """Raise `JobError` for a method that would never be called, with the job's reduce."""
    name, reduce = job_class.__name__, job_class.reduce
    if job_class.combine is not None and (reduce is None or _declared(reduce)):
        why = "there is no reduce" if reduce is None else "its reducer combines by itself"
        raise JobError(f"{name}.combine is never used: {why}")
    if job_class.sort_values is not False:
        _check_sorting(job_class)
    if job_class.finish_reduce is not None and reduce is None:
        raise JobError(f"{name}.finish_reduce is never called: there is no reduce")


def _check_sorting(job_class: type[Job]) -> None:
    name, reduce = job_class.__name__, job_class.reduce
    given: Any = job_class.sort_values
    if given is not True and (isinstance(given, type) or not callable(given)):
        raise JobError(f"{name}.sort_values must be True, or a method, not {short_repr(given)}")
    if reduce is None:
        raise JobError(f"{name}.sort_values is never used: there is no reduce")
    if _declared(reduce) and not isinstance(reduce, (First, Collect, Identity)):
        raise JobError(f"{name}.sort_values has no effect: {reduce!r} is the same in any order")
    if job_class.combine is not None:
        raise JobError(f"{name}.combine can't be used with sort_values: it changes the values")
    batches = [value for value in vars(job_class) if value.startswith("map_batch")]
    if job_class.map_batch is not None or batches:
        raise JobError(f"{name}.sort_values is not for map_batch: write map")


def _takes(method: object, n: int) -> bool:
    """Whether a plain method can be called with so many values; of any other callable, true."""
    if not isinstance(method, FunctionType):
        return True
    code = method.__code__
    most = sys.maxsize if code.co_flags & _CO_VARARGS else code.co_argcount
    least = code.co_argcount - len(method.__defaults__ or ())
    needs_names = code.co_kwonlyargcount > len(method.__kwdefaults__ or ())
    return least <= n + 1 <= most and not needs_names


def _check_names(job_class: type[Job]) -> None:
    """Raise `JobError` for what is likely meant for something that zmr calls, but not called so.

    It is only judged where the job has nothing of the right name, and no use of its own for the
    other one.
    """
    from difflib import get_close_matches

    owners = [c for c in job_class.__mro__ if issubclass(c, Job) and c is not Job]
    own = {name: value for owner in reversed(owners) for name, value in vars(owner).items()}
    used = {used for value in own.values() for used in _names_in(getattr(value, "__code__", None))}
    for name, its_input in inputs_of(job_class).items():
        used.update(its_input.methods(name))
    for name, value in own.items():
        if name in RESERVED or name.startswith("_") or name in used:
            continue
        if not isinstance(value, _OF_JOBS):
            continue
        if name in _AT_THE_END:
            raise JobError(
                f"{job_class.__name__}.{name} is never called: at the end of a task, zmr calls "
                "finish_map or finish_reduce, which may yield pairs"
            )
        near = get_close_matches(name.lower(), _HOOKS, n=1, cutoff=0.8)
        meant = _NAMES_ELSEWHERE.get(name) or (near[0] if near else "")
        if meant and meant not in own:
            raise JobError(f"{job_class.__name__}.{name} is never called: did you mean {meant}?")


def _names_in(code: CodeType | None) -> Iterator[str]:
    """The names that a function's code uses, and those of functions within it."""
    if code is not None:
        yield from code.co_names
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from _names_in(constant)


def _declared(reduce: object) -> bool:
    return isinstance(reduce, (Identity, Reducer))
