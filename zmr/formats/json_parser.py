"""Blocks of JSON lines as Arrow record batches, by Arrow's own parser.

It reads most blocks, and many times as fast as Python. Blocks that it would change are left to
`zmr.formats.json_columns`: it makes floats of integers beyond 64 bits, or of those beside floats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import json

from zmr.columns.arrays import Index
from zmr.formats.arrow_text import one_batch
from zmr.formats.json_columns import Types, columns_of, first_json_type

# From here on, not every integer is a float64.
_INEXACT = 2.0**53
_LONG_INTEGER = re.compile(rb"[:\[,\s]-?[0-9]{16,}\s*[,}\]]")
_NOT_A_NUMBER = re.compile(rb"[:\[,\s]-?(?:NaN|Inf)")


class JsonParser:
    """Parses blocks, with the types that some columns are to have.

    With `columns`, batches have these alone.
    """

    def __init__(self, types: Types, columns: Sequence[str] = ()) -> None:
        if columns:
            types = {name: types[name] for name in columns if name in types}
        self._types = types
        self._columns = columns
        self._unexpected = "ignore" if columns and len(types) == len(columns) else "infer"
        self._first_types = {name: first_json_type(kind) for name, kind in types.items()}
        self._is_native = None not in self._first_types.values()
        # Of other columns: those that Arrow has taken for points in time, as strings; and those
        # with integers of 64 bits without a sign.
        self._learned: Types = {}
        self._order = {name: i for i, name in enumerate(columns or types)}

    def parse(self, block: memoryview, starts: Index) -> pa.RecordBatch | None:
        """The records of the lines that begin at `starts`; None if Arrow can't give them exactly.

        Then it may be that not all lines are objects.
        """
        if not self._is_native or not _begin_objects(block, starts):
            return None
        try:
            batch = self._parse(block)
            # Arrow would also take two objects on a line, or one on two lines.
            if batch.num_rows != len(starts) or not self._is_exact(batch, block):
                return None
            return self._in_order(batch)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None

    def from_records(self, records: list[Any], texts: list[str]) -> pa.RecordBatch:
        """The same of records that Python has parsed from `texts`. Raises `ColumnError`."""
        if self._columns:
            wanted = frozenset(self._columns)
            records = [{k: v for k, v in record.items() if k in wanted} for record in records]
        columns = columns_of(records, texts, self._types)
        self._learned |= {
            name: column.type
            for name, column in columns.items()
            if column.type == pa.uint64() and name not in self._types
        }
        batch = pa.record_batch(list(columns.values()), list(columns))
        if not columns:  # of empty objects
            batch = pa.RecordBatch.from_struct_array(pa.array(records, pa.struct([])))
        return self._in_order(batch)

    def _parse(self, block: memoryview) -> pa.RecordBatch:
        try:
            return self._with_dates_as_strings(block)
        except pa.ArrowInvalid:
            if not self._learned:
                raise
            self._learned = {}
            return self._with_dates_as_strings(block)

    def _in_order(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The columns in the types that are said, and in the order in which they first came."""
        if self._columns:
            batch = _with_columns(batch, self._columns)
        self._remember_order(batch)
        for at, name in enumerate(batch.schema.names):
            kind = self._types.get(name)
            if kind is not None and batch.column(at).type != kind:
                batch = batch.set_column(at, name, batch.column(at).cast(kind))
        return batch.select(sorted(batch.schema.names, key=self._order.__getitem__))

    def _remember_order(self, batch: pa.RecordBatch) -> None:
        """Columns keep the place in which they first came."""
        for name in batch.schema.names:
            self._order.setdefault(name, len(self._order))

    def _with_dates_as_strings(self, block: memoryview) -> pa.RecordBatch:
        batch = self._read(block)
        found = {
            field.name: plain
            for field in batch.schema
            if field.name not in self._types and (plain := _without_dates(field.type)) != field.type
        }
        if not found:
            return batch
        self._remember_order(batch)
        self._learned |= found
        return self._read(block)

    def _read(self, block: memoryview) -> pa.RecordBatch:
        types = self._first_types | self._learned
        table = json.read_json(
            pa.BufferReader(pa.py_buffer(block)),
            json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            json.ParseOptions(
                explicit_schema=pa.schema(types.items()) if types else None,
                unexpected_field_behavior=self._unexpected,
            ),
        )
        return one_batch(table)

    def _is_exact(self, batch: pa.RecordBatch, block: memoryview) -> bool:
        """Whether no float stands for an integer that it does not equal, or for NaN."""
        large = [
            name
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
            if any(map(_has_large, _floats(column)))
        ]
        if not large:
            return True
        may_round = all(name in self._types for name in large)  # it was the user's wish
        return not _NOT_A_NUMBER.search(block) and (may_round or not _LONG_INTEGER.search(block))


def _floats(column: pa.Array) -> Iterator[pa.Array]:
    """The columns of floats in a column."""
    if pa.types.is_floating(column.type):
        yield column
    elif pa.types.is_struct(column.type):
        for child in column.flatten():
            yield from _floats(child)
    elif pa.types.is_list(column.type):
        yield from _floats(column.flatten())


def _has_large(floats: pa.Array) -> bool:
    """Whether there is a value, or no number, that may stand for something else."""
    numbers = np.abs(floats.drop_null().to_numpy(zero_copy_only=False))
    return not bool((numbers < _INEXACT).all())


def _begin_objects(block: memoryview, starts: Index) -> bool:
    """Whether all lines begin as objects do."""
    others = starts[np.frombuffer(block, np.uint8)[starts] != ord("{")]
    return all(bytes(block[at : at + 100]).lstrip(b" \t\r")[:1] == b"{" for at in others)


def _with_columns(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The columns of these names; one that no record has is null."""
    there = set(batch.schema.names)
    columns = [batch.column(name) if name in there else pa.nulls(len(batch)) for name in names]
    return pa.record_batch(columns, list(names))


def _without_dates(kind: pa.DataType) -> pa.DataType:
    """The type with strings in place of timestamps, which Arrow infers from strings."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_dates(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_dates(field.type)) for field in kind])
    return kind
