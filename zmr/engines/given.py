"""Inputs that are given as Python objects: as files, for tasks to read.

Tasks run in processes of their own and may be tried again, so what is given is written down first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from zmr.display import short_repr
from zmr.engines.result import Result
from zmr.errors import InputError, PickleError
from zmr.formats.base import InputFormat
from zmr.formats.pairs import Pairs, PairsOutput, Records
from zmr.formats.parquet import Parquet
from zmr.job import Job, input_of, inputs_of

_MOST_RECORDS = 4096  # in a block
_MOST_ROWS = 1 << 17  # in a row group


class Given(NamedTuple):
    """Files, and as what they are read, if not as the job's input."""

    paths: tuple[str, ...]
    reads: InputFormat | None = None


def give_inputs(job: Job, inputs: Any, folder: str) -> tuple[str, ...]:
    """The inputs as a command would name them. The job reads them as what they are.

    Files are made in `folder`, for records, Arrow data and results. Raises `InputError`.
    """
    declared = inputs_of(type(job))
    if not declared:
        if isinstance(inputs, Mapping):
            raise InputError("a job has one input: give what it reads, and no dict of inputs")
        given = _given(inputs, os.path.join(folder, "input"), input_of(job))
        job._reads = given.reads
        return given.paths
    if not isinstance(inputs, Mapping):
        raise InputError(
            f"{type(job).__name__} has several inputs: give a dict of {', '.join(declared)}"
        )
    reads_of: dict[str, InputFormat] = {}
    named: list[str] = []
    for name, of_name in inputs.items():
        if name not in declared:
            raise InputError(
                f"{type(job).__name__} has no input {name!r}; it has {', '.join(declared)}"
            )
        given = _given(of_name, os.path.join(folder, name), declared[name].format)
        if given.reads is not None:
            reads_of[name] = given.reads
        named += (f"{name}={path}" for path in given.paths)
    job._reads_of = reads_of
    return tuple(named)


def _given(inputs: Any, path: str, input_format: InputFormat) -> Given:
    """What is given for one input; a file is made at `path`, if need be."""
    if isinstance(inputs, (str, os.PathLike)):
        return Given((os.fspath(inputs),))
    if isinstance(inputs, Result):
        if inputs.is_temporary:
            return Given(tuple(inputs.files), Pairs())
    elif hasattr(inputs, "__arrow_c_stream__") or hasattr(inputs, "__arrow_c_array__"):
        path += ".parquet"
        _write_table(inputs, path)
        return Given((path,), input_format if isinstance(input_format, Parquet) else Parquet())
    elif isinstance(inputs, (list, tuple)) and inputs and all(map(_is_path, inputs)):
        return Given(tuple(map(os.fspath, inputs)))
    if isinstance(inputs, bytes) or not isinstance(inputs, Iterable):
        raise InputError(
            "inputs are names of files or folders, records, or Arrow data, not "
            f"{short_repr(inputs)}"
        )
    _write_records(inputs, path)
    return Given((path,), Records())


def _is_path(given: object) -> bool:
    return isinstance(given, (str, os.PathLike))


def _write_table(given: Any, path: str) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    try:
        table = given if isinstance(given, pa.Table) else pa.table(given)
        if table.num_rows and not table.num_columns:
            raise InputError("a table without columns has no records to give")
        write_table(table, path, row_group_size=_MOST_ROWS, compression="lz4")
    except (pa.ArrowException, TypeError) as error:
        raise InputError(f"a table that can't be written as Parquet: {error}") from None
    except OSError as error:
        raise InputError(f"can't keep the input in {path}: {error.strerror or error}") from None


def _write_records(records: Iterable[Any], path: str) -> None:
    output = PairsOutput()
    block: list[tuple[int, Any]] = []
    with _keeping(path):
        file = open(path, "xb")  # noqa: SIM115 -- it is closed below, and what it raises is named
    with closing(file):
        for n, record in enumerate(records):  # what this raises is the caller's own
            block.append((n, record))
            if len(block) == _MOST_RECORDS:
                with _keeping(path):
                    file.write(output.encode_pairs(block))
                block.clear()
        with _keeping(path):
            file.write(output.encode_pairs(block) + output.footer(path))
            file.flush()


@contextmanager
def _keeping(path: str) -> Iterator[None]:
    """Raise `InputError` where records can't be pickled, or the disk is full."""
    try:
        yield
    except PickleError as error:
        raise InputError(f"a record can't be sent to other processes: {error}") from None
    except OSError as error:
        raise InputError(f"can't keep the records in {path}: {error.strerror}") from None
