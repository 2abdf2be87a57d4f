"""Blocks of JSON lines as Arrow record batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyarrow import json

from zmr.columns.arrays import Index
from zmr.formats.arrow_text import one_batch
from zmr.formats.bad_row import find_bad_row

Types = dict[str, pa.DataType]


class JsonParser:
    """Parses blocks, with the types that some columns are to have."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._dates: Types = {}  # columns that Arrow has taken for points in time, as strings
        self._order = {name: i for i, name in enumerate(types)}

    def parse(self, block: memoryview, starts: Index) -> pa.RecordBatch | None:
        """The records of the lines that begin at `starts`; None if not all are objects."""
        if (np.frombuffer(block, np.uint8)[starts] != ord("{")).any():
            return None
        try:
            batch = self._parse(block)
        except pa.ArrowInvalid:
            return None
        # Arrow would also take two objects on a line, or one on two lines.
        return batch if batch.num_rows == len(starts) else None

    def parse_or_raise(
        self, path: str, position: int, block: memoryview, starts: Index
    ) -> pa.RecordBatch:
        """The same for a block in which each line by itself is right. Raises `BadRecord`."""
        try:
            return self._parse(block)
        except pa.ArrowInvalid:
            raise find_bad_row(path, position, block, starts, self._parse) from None

    def _parse(self, block: memoryview) -> pa.RecordBatch:
        try:
            batch = self._with_dates_as_strings(block)
        except pa.ArrowInvalid:
            if not self._dates:
                raise
            self._dates = {}
            batch = self._with_dates_as_strings(block)
        self._remember_order(batch)
        return batch.select(sorted(batch.schema.names, key=self._order.__getitem__))

    def _remember_order(self, batch: pa.RecordBatch) -> None:
        """Columns keep the place in which they first came."""
        for name in batch.schema.names:
            self._order.setdefault(name, len(self._order))

    def _with_dates_as_strings(self, block: memoryview) -> pa.RecordBatch:
        batch = _read(block, self._types | self._dates)
        found = {
            field.name: plain
            for field in batch.schema
            if field.name not in self._types and (plain := _without_dates(field.type)) != field.type
        }
        if not found:
            return batch
        self._remember_order(batch)
        self._dates |= found
        return _read(block, self._types | self._dates)


def _read(block: memoryview, types: Types) -> pa.RecordBatch:
    table = json.read_json(
        pa.BufferReader(pa.py_buffer(block)),
        json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        json.ParseOptions(explicit_schema=pa.schema(types.items()) if types else None),
    )
    return one_batch(table)


def _without_dates(kind: pa.DataType) -> pa.DataType:
    """The type with strings in place of timestamps, which Arrow infers from strings."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_dates(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_dates(field.type)) for field in kind])
    return kind
