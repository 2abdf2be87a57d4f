"""Parquet files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from errno import EIO
from typing import Any

from zmr.columns.row_dicts import dicts_of
from zmr.formats.base import BadRecord, Batch, Chunk, CountUp, InputFormat, unique_names
from zmr.messages import Split

_MOST_ROWS = 1 << 16


class Parquet(InputFormat):
    """Each row of a Parquet file is a record: a dict by the names of the columns.

    A large file is split between row groups, as if all of its rows took the same number of bytes:
    a row group belongs to the split that its first row lies in.

    Parameters:
        columns: the names of the columns to read, in this order; the others are not read from the
            disk. None reads all that `map` looks at: if all that it does with a record is
            `record["name"]` and `record.get("name")`, those columns, else all. A column that a file
            does not have is an error (`BadRecord`).
        truncate_ns: True leaves out the nanoseconds of times, which Python's times do not have.
            Otherwise a record with some is an error (`BadRecord`).

    A record is a dict such as {"id": 7, "name": "Ada"}, of Python values. A name that comes twice
    gets a number: id, id_2. For `map_batch`, a batch
    is an Arrow RecordBatch with the types of the file.

    Example:
        class RowsPerName(zmr.Job):
            input = zmr.Parquet(columns=["name"])

            def map(self, record):
                yield record["name"], 1

            reduce = zmr.Sum()
    """

    splittable = True
    ignored_names = frozenset({"_metadata", "_common_metadata"})

    def __init__(self, columns: Sequence[str] | None = None, *, truncate_ns: bool = False) -> None:
        if isinstance(columns, str):
            raise ValueError("Parquet(columns) takes a list of names")
        self._columns = None if columns is None else list(columns)
        self._truncate_ns = truncate_ns
        self._used: Collection[str] | None = None  # others need not be in records

    def only(self, names: Collection[str]) -> Parquet:
        """The same, of whose records the other columns are left out."""
        if type(self) is not Parquet:  # which may look at others itself
            return self
        narrow = copy(self)
        narrow._used = names
        return narrow

    def can_split(self, path: str) -> bool:
        return True

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        from zmr.formats.bad_row import python_values

        for batch, size_bytes in self._batches(split, self.chunk_bytes):
            names = batch.schema.names
            columns = [
                python_values(split.path, name, column, self._truncate_ns)
                for name, column in zip(names, batch.columns, strict=True)
            ]
            records = dicts_of(names, columns) if columns else [{} for _ in range(len(batch))]
            yield records, size_bytes

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        return self._batches(split, self.batch_bytes)

    def locate(self, split: Split, index: int) -> str:
        with _open_parquet(split.path) as file:
            for group, _ in _row_groups(file, split):
                n_rows = file.metadata.row_group(group).num_rows
                if index < n_rows:
                    return f"row {index + 1} of row group {group + 1}"
                index -= n_rows
        return ""

    def _batches(self, split: Split, batch_bytes: int) -> Iterator[Batch]:
        with _open_parquet(split.path) as file:
            stored = file.schema_arrow.names
            names = unique_names(stored)
            positions = self._positions(split.path, names)
            # Those of a name come together, and the names in the order in which they are asked for.
            wanted: list[str] | None = list(dict.fromkeys(stored[at] for at in positions))
            there = [
                at for name in wanted or () for at, other in enumerate(stored) if other == name
            ]
            if any("." in name for name in stored):  # Arrow would take it for a path in a struct
                wanted, there = None, list(range(len(stored)))
            order = [there.index(at) for at in positions]
            for group, size_bytes in _row_groups(file, split):
                n_rows = file.metadata.row_group(group).num_rows
                reported = done = 0
                for batch in _batches_of(file, group, wanted, batch_bytes):
                    batch.validate(full=True)  # of a damaged page, text may be no UTF-8
                    done += batch.num_rows
                    share = size_bytes * done // n_rows
                    columns = batch.select(order).rename_columns([names[at] for at in positions])
                    yield columns, share - reported
                    reported = share
                if done != n_rows:
                    reason = f"row group {group + 1} has {done} rows and not {n_rows}"
                    raise OSError(reason)  # which becomes one with a path

    def _positions(self, path: str, names: list[str]) -> list[int]:
        """Where in the file the columns are that are to be read."""
        if self._columns is None:
            return [at for at, name in enumerate(names) if self._is_used(name)]
        for name in self._columns:
            if name not in names:
                reason = f"there is no column {name!r}; there are {', '.join(names)}"
                raise BadRecord(path, "", reason)
        return [names.index(name) for name in self._columns if self._is_used(name)]

    def _is_used(self, name: str) -> bool:
        return self._used is None or name in self._used


@contextmanager
def _open_parquet(path: str) -> Iterator[Any]:
    """The file as a ParquetFile; every error of Arrow's becomes an OSError."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    with open(path, "rb"):  # a missing or forbidden file has the usual OSError
        pass
    try:
        # Pages are read as they are needed: a row group may be larger than the memory.
        with ParquetFile(
            path, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True
        ) as file:
            _check_footer(file.metadata)
            yield file
    except MemoryError:  # Arrow's own is both
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = f"this is no Parquet file, or a damaged one ({' '.join(str(error).split())})"
        raise OSError(EIO, reason, path) from error


def _check_footer(metadata: Any) -> None:
    """Raise OSError unless the footer's row groups have as many rows as it counts in all."""
    counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    if sum(counts) != metadata.num_rows or min(counts, default=0) < 0:
        raise OSError(f"{metadata.num_rows} rows in all, but {sum(counts)} in its row groups")


def _row_groups(file: Any, split: Split) -> Iterator[tuple[int, int]]:
    """The row groups that belong to the split, and how many bytes of the file each stands for.

    By their rows: some writers leave out where a row group begins, and how large it is.
    """
    metadata = file.metadata
    file_bytes = os.path.getsize(split.path)
    split_end = float("inf") if split.length < 0 else split.offset + split.length
    n_rows = end = 0
    for group in range(metadata.num_row_groups):
        start = end
        group_rows = metadata.row_group(group).num_rows
        n_rows += group_rows
        end = file_bytes * n_rows // max(1, metadata.num_rows)
        if group_rows and split.offset <= start < split_end:
            yield group, end - start


def _batches_of(
    file: Any, group: int, names: Sequence[str] | None, batch_bytes: int
) -> Iterator[Any]:
    """The rows of a row group, in batches of about this size; of these columns, or of all.

    pyarrow ends the process if a damaged column of the footer is looked at (its `column` can't
    raise) that its reader has not been asked for before, which raises. So the first batch is read
    before the columns' sizes are known.
    """
    metadata = file.metadata.row_group(group)

    def read(size_bytes: int) -> tuple[int, Iterator[Any]]:
        most = max(1, min(_MOST_ROWS, batch_bytes * metadata.num_rows // max(1, size_bytes)))
        return most, file.iter_batches(most, row_groups=[group], columns=names, use_threads=False)

    most_rows, batches = read(metadata.total_byte_size)
    batch = next(batches, None)
    size_bytes = _check_columns(file, group, names)
    if most_rows < metadata.num_rows and names is not None:
        right_rows, anew = read(size_bytes)
        if right_rows > 2 * most_rows:  # the columns that are not read are most of the row group
            batches = anew
            batch = next(batches, None)
    while batch is not None:  # `yield from` passes on the StopIteration of a generator of pyarrow
        yield batch
        batch = next(batches, None)


def _check_columns(file: Any, group: int, names: Sequence[str] | None) -> int:
    """How large these columns of a row group are, not compressed.

    Raises OSError unless a flat column has as many values as the row group has rows: a reader takes
    as many as that, though the column may have more.
    """
    metadata, schema = file.metadata.row_group(group), file.metadata.schema
    wanted = None if names is None else set(names)
    size_bytes = 0
    for i in range(metadata.num_columns):
        # Columns of lists and structs are several, with paths that begin with the name.
        path = schema.column(i).path
        if wanted is not None and path not in wanted and path.split(".", 1)[0] not in wanted:
            continue
        column = metadata.column(i)
        size_bytes += column.total_uncompressed_size
        if not schema.column(i).max_repetition_level and column.num_values != metadata.num_rows:
            raise OSError(
                f"row group {group + 1} has {metadata.num_rows} rows, and {column.num_values} "
                "values"
            )
    return size_bytes
