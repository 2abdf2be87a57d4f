"""Blocks of CSV rows as Arrow record batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from zmr.columns.row_dicts import dicts_of
from zmr.formats.arrow_text import allocate, one_batch, valid_utf8
from zmr.formats.bad_row import find_bad_row, line_place, python_values
from zmr.formats.base import BadRecord, unique_names
from zmr.formats.csv.fields import Conversion, Selection
from zmr.formats.csv.rows import CsvRows
from zmr.formats.csv.split import MOST_ROW_BYTES, OPEN_QUOTE
from zmr.formats.csv.wide import WIDE_COLUMNS, as_text, columns_of, parse_rows
from zmr.formats.line_blocks import Place, line_blocks, past_byte_order_mark
from zmr.formats.text_input import BYTE_ORDER_MARK, open_text
from zmr.messages import Split

Made = TypeVar("Made")

_HEADER_BYTES = 1 << 16
_PIECE_BYTES = 1 << 17
_TO_LOWER = np.uint8(ord("x") ^ ord("X"))


class CsvParser:
    """Parses the rows of one file, whose first one after the header begins at `begin`."""

    def __init__(
        self,
        rows: CsvRows,
        begin: int,
        names: Sequence[str],
        conversion: Conversion,
        columns: Sequence[str],
    ) -> None:
        self.rows = rows
        self.begin = begin
        self.n_columns = len(names)
        self._names = list(names)
        self._columns = list(columns)  # those of the names that records have, in their order
        self._conversion = conversion
        self._types = dict.fromkeys(names, pa.string()) | conversion.first_types
        typed = conversion.types.keys() & set(columns)
        self._typed = [i for i, name in enumerate(names) if name in typed]
        self._whole = {  # columns in which Arrow takes hexadecimal numbers, and wraps large ones
            name
            for name, kind in conversion.first_types.items()
            if pa.types.is_integer(kind) or pa.types.is_duration(kind)
        }
        self._cast = {
            name: kind for name, kind in conversion.types.items() if self._types[name] != kind
        }
        self._is_wide = len(self._names) >= WIDE_COLUMNS

    def parse(self, place: Place, block: memoryview, one_line_rows: bool) -> pa.RecordBatch:
        """The rows of a block of valid UTF-8. Raises `BadRecord`."""
        make = self._wide_batch if self._is_wide else self._read
        return self._checked(make, place, block, one_line_rows)

    def records(self, place: Place, block: memoryview, one_line_rows: bool) -> list[dict[str, Any]]:
        """The same as dicts."""
        if self._typed or not self._is_wide:
            return _dicts(place.path, self.parse(place, block, one_line_rows))
        rows = self._checked(self._wide_rows, place, block, one_line_rows)
        if self._columns != self._names:
            rows = list(map(self._picked, rows))
        return [dict(zip(self._columns, row, strict=True)) for row in rows]

    def _checked(
        self,
        make: Callable[[memoryview], Made],
        place: Place,
        block: memoryview,
        one_line_rows: bool,
    ) -> Made:
        self._check_quotes(place, block, one_line_rows)
        try:
            return make(block)
        except pa.ArrowInvalid:
            starts = self.rows.starts(block)
            raise find_bad_row(place, block, starts, self._names, self._read) from None

    def _picked(self, row: list[str]) -> list[str]:
        fields = dict(zip(self._names, row, strict=True))
        return [fields[name] for name in self._columns]

    def _wide_rows(self, block: memoryview) -> list[list[str]]:
        return parse_rows(block, self.rows, len(self._names))

    def _wide_batch(self, block: memoryview) -> pa.RecordBatch:
        rows = self._wide_rows(block)
        columns = columns_of(rows) if rows else [pa.array([], pa.string())] * len(self._names)
        if self._typed:
            text = memoryview(as_text(rows, self._typed))
            names = [self._names[i] for i in self._typed]
            typed = self._read(text, names, csv.ParseOptions(newlines_in_values=True))
            for i, column in zip(self._typed, typed.columns, strict=True):
                columns[i] = column
        return pa.record_batch(columns, self._names).select(self._columns)

    def _check_quotes(self, place: Place, block: memoryview, one_line_rows: bool) -> None:
        quoted = self.rows.quoted(block)
        if one_line_rows:
            line_ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            across = np.searchsorted(line_ends, quoted.starts) < np.searchsorted(
                line_ends, quoted.ends
            )
            if across.any():
                line = line_place(place, block, int(quoted.starts[across.argmax()]))
                reason = "a line end within quotes, which needs Csv(quoted_newlines=True)"
                raise BadRecord(place.path, line, reason)
        if quoted.is_open:
            line = line_place(place, block, int(quoted.starts[-1]))
            raise BadRecord(place.path, line, OPEN_QUOTE)

    def _read(
        self,
        block: memoryview,
        names: Sequence[str] | None = None,
        options: csv.ParseOptions | None = None,
    ) -> pa.RecordBatch:
        """The rows of a block; or of CSV in other words, of these columns."""
        wanted = self._columns if names is None else names
        names = self._names if names is None else names
        if options is None:
            block = self.rows.without_initial_space(block)
        if block[:3] == BYTE_ORDER_MARK:  # of which Arrow would take away one
            block = memoryview(BYTE_ORDER_MARK + bytes(block))
        options = options or _parse_options(self.rows.delimiter, self.rows.quote, self.rows.escape)
        table = self._parsed(block, names, wanted, options, self._types)
        if self._whole and _has_hexadecimal(block):
            self._refuse_hexadecimal(block, names, wanted, options)
        for name in self._cast.keys() & set(wanted):
            at = wanted.index(name)
            table = table.set_column(at, name, table.column(at).cast(self._cast[name]))
        return one_batch(table)

    def _parsed(
        self,
        block: memoryview,
        names: Sequence[str],
        wanted: Sequence[str],
        options: csv.ParseOptions,
        types: Mapping[str, pa.DataType],
    ) -> pa.Table:
        return csv.read_csv(
            pa.BufferReader(pa.py_buffer(block)),
            csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=names),
            options,
            csv.ConvertOptions(
                column_types={name: types[name] for name in wanted},
                include_columns=wanted,
                check_utf8=False,
                null_values=["", *self._conversion.nulls],
            ),
        )

    def _refuse_hexadecimal(
        self,
        block: memoryview,
        names: Sequence[str],
        wanted: Sequence[str],
        options: csv.ParseOptions,
    ) -> None:
        """Raise `ArrowInvalid`, as Arrow would, for a whole number that is none in decimal."""
        whole = [name for name in wanted if name in self._whole]
        if not whole:
            return
        text = self._parsed(block, names, whole, options, dict.fromkeys(whole, pa.string()))
        for name in whole:
            column = text.column(name)
            begins = pc.MatchSubstringOptions("^ *0[xX]")
            found = column.filter(pc.call_function("match_substring_regex", [column], begins))
            if len(found):
                raise pa.ArrowInvalid(
                    f"In CSV column #{names.index(name)}: CSV conversion error to "
                    f"{self._types[name]}: invalid value '{found[0]}'"
                )


def open_csv(
    path: str,
    encoding: str | None,
    rows: CsvRows,
    header: bool | Sequence[str],
    skip_lines: int,
    conversion: Conversion,
    selection: Selection,
) -> CsvParser | None:
    """The parser of a file by its first row; None if there is no row. Raises `BadRecord`."""
    begin, row = _plain_header(path, encoding, rows) if not skip_lines else (0, b"")
    position = begin
    if not row:
        begin = _past_lines(path, encoding, skip_lines)
        position, row = _first_row(path, encoding, rows, begin)
    if not row:
        return None
    if rows.quoted(memoryview(row)).is_open:
        line = Place(path, position, encoding).line(0)
        raise BadRecord(path, line, OPEN_QUOTE)
    if header is True:
        begin = position + len(row)
    try:
        names = list(header) if not isinstance(header, bool) else _names(rows, row)
    except pa.ArrowInvalid:
        line = Place(path, position, encoding).line(0)
        raise BadRecord(path, line, "no row of fields; does it end in an escape?") from None
    if header is False:
        names = [f"f{i}" for i in range(len(names))]
    unknown = ", ".join(sorted(map(repr, {*conversion.types, *selection.columns} - set(names))))
    if unknown:
        raise BadRecord(path, "", f"there is no column {unknown}; there are {', '.join(names)}")
    return CsvParser(rows, begin, names, conversion, selection.of(names, conversion.types))


def _has_hexadecimal(block: memoryview) -> bool:
    """Whether 0x or 0X is anywhere in the block. In pieces, which stay in the processor's cache."""
    data = np.frombuffer(block, np.uint8)
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES + 1]
        if ((piece[:-1] == ord("0")) & (piece[1:] | _TO_LOWER == ord("x"))).any():
            return True
    return False


def _plain_header(path: str, encoding: str | None, rows: CsvRows) -> tuple[int, bytes]:
    """Where the first line begins, and the line if it is a row with nothing special about it."""
    with open_text(path, encoding) as file:
        head = file.read(_HEADER_BYTES)
    begin = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
    row = head[begin : head.find(b"\n") + 1]
    fields = row[:-1].removesuffix(b"\r")
    is_one = fields and b"\r" not in fields and rows.quote.encode() not in fields
    return begin, row if is_one and rows.is_plain else b""


def _past_lines(path: str, encoding: str | None, n: int) -> int:
    """Where the text begins that comes after so many lines."""
    begin = past_byte_order_mark(path, encoding)
    if not n:
        return begin
    with open_text(path, encoding) as file:
        file.read(begin)
        while n and (piece := file.readline(_HEADER_BYTES)):
            begin += len(piece)
            n -= piece.endswith(b"\n")
    return begin


def row_blocks(
    path: str, encoding: str | None, rows: CsvRows, block_bytes: int, begin: int
) -> Iterator[tuple[int, memoryview]]:
    """All rows of a file from `begin` on, as (position, block). Raises OSError and `BadRecord`."""
    end = begin

    def end_of_last(block: memoryview) -> int:
        size = rows.end_of_last_row(block)
        if not size and len(block) > MOST_ROW_BYTES:
            line = Place(path, end, encoding).line(0)
            raise BadRecord(path, line, "a row without end; is a quote never closed?")
        return size

    for position, block in line_blocks(
        Split(path), block_bytes, encoding, begin, allocate, end_of_last
    ):
        yield position, block
        end = position + len(block)


def _first_row(path: str, encoding: str | None, rows: CsvRows, begin: int) -> tuple[int, bytes]:
    """The first row that isn't empty, and where it begins."""
    for position, block in row_blocks(path, encoding, rows, _HEADER_BYTES, begin):
        starts = rows.starts(block)
        if len(starts):
            start = int(starts[0])
            ends = rows.ends(block)
            after = ends[ends > start]
            return position + start, bytes(block[start : int(after[0]) if len(after) else None])
    return 0, b""


def _names(rows: CsvRows, row: bytes) -> list[str]:
    """The fields of the header; one that was there before gets a number."""
    text = bytes(rows.without_initial_space(valid_utf8(memoryview(row), lambda name, n: None)))
    if text.startswith(BYTE_ORDER_MARK):
        text = BYTE_ORDER_MARK + text
    return list(_fields_of(text + b"\n", rows.delimiter, rows.quote, rows.escape))


@lru_cache(maxsize=16)
def _fields_of(text: bytes, delimiter: str, quote: str, escape: str) -> list[str]:
    """The fields of a row, each under another name. Kept: many small files have one header."""
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(use_threads=False, block_size=len(text) + 1),
        _parse_options(delimiter, quote, escape),
    )
    return unique_names(table.column_names)


def _dicts(path: str, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = batch.schema.names
    columns = (
        column.to_numpy(zero_copy_only=False).tolist()
        if column.type == "string"
        else python_values(path, name, column)
        for name, column in zip(names, batch.columns, strict=True)
    )
    return dicts_of(names, columns)


def _parse_options(delimiter: str, quote: str, escape: str) -> csv.ParseOptions:
    return csv.ParseOptions(
        delimiter=delimiter,
        quote_char=quote or False,
        escape_char=escape or False,
        newlines_in_values=True,
    )
