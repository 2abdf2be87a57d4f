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

    A large file is split between row groups: a row group belongs to the split that its first byte
    lies in.

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
            for group in _row_groups(file, split):
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
            for group in _row_groups(file, split):
                metadata = file.metadata.row_group(group)
                row_bytes = max(1, _read_bytes(metadata, wanted) // max(1, metadata.num_rows))
                batches = file.iter_batches(
                    max(1, min(_MOST_ROWS, batch_bytes // row_bytes)),
                    row_groups=[group],
                    columns=wanted,
                    use_threads=False,
                )
                size_bytes = _size(metadata)
                reported = done = 0
                for batch in batches:
                    done += batch.num_rows
                    share = size_bytes * done // metadata.num_rows
                    columns = batch.select(order).rename_columns([names[at] for at in positions])
                    yield columns, share - reported
                    reported = share
                if done != metadata.num_rows:
                    reason = f"row group {group + 1} has {done} rows and not {metadata.num_rows}"
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
            _check_footer(path, file.metadata)
            yield file
    except MemoryError:  # Arrow's own is both
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = f"this is no Parquet file, or a damaged one ({' '.join(str(error).split())})"
        raise OSError(EIO, reason, path) from error


def _check_footer(path: str, metadata: Any) -> None:
    """Raise OSError unless the footer counts the rows the same wherever it does.

    A reader takes as many rows of a row group as it says, though the columns may have more, and no
    row group that begins outside of the file.
    """
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    n_rows = sum(group.num_rows for group in groups)
    if n_rows != metadata.num_rows:
        raise OSError(f"{metadata.num_rows} rows in all, but {n_rows} in its row groups")
    columns = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    flat = [i for i, column in enumerate(columns) if not column.max_repetition_level]
    size_bytes = os.path.getsize(path)
    for number, group in enumerate(groups, 1):
        if not 0 <= _start(group) < size_bytes:
            raise OSError(f"row group {number} is not within the file")
        for i in flat:
            n_values = group.column(i).num_values
            if n_values != group.num_rows:
                raise OSError(
                    f"row group {number} has {group.num_rows} rows, and {n_values} values"
                )


def _row_groups(file: Any, split: Split) -> Iterator[int]:
    """The row groups that begin within the split."""
    end = float("inf") if split.length < 0 else split.offset + split.length
    for group in range(file.num_row_groups):
        if split.offset <= _start(file.metadata.row_group(group)) < end:
            yield group


def _start(metadata: Any) -> int:
    """Where the first page of a row group is; its own `file_offset` is unreliable."""
    if not metadata.num_columns:
        return 0
    column = metadata.column(0)
    data: int = column.data_page_offset
    return min(data, column.dictionary_page_offset or data)


def _read_bytes(metadata: Any, names: Collection[str] | None) -> int:
    """The size of these columns of a row group, not compressed; None: of all."""
    if names is None:
        return int(metadata.total_byte_size)
    wanted = set(names)
    columns = map(metadata.column, range(metadata.num_columns))
    # Columns of lists and structs are several, with paths that begin with the name.
    return sum(
        column.total_uncompressed_size
        for column in columns
        if column.path_in_schema in wanted or column.path_in_schema.split(".", 1)[0] in wanted
    )


def _size(metadata: Any) -> int:
    return sum(metadata.column(i).total_compressed_size for i in range(metadata.num_columns))
