r"""Cut CSV whose quoted fields may hold line ends: guess where a row begins, and verify the guess.

Whether a position is within quotes depends on all that stands before it. But the text after it
fits only one of the two as a rule: if the other one is assumed, closing quotes stand in front of
letters, and rows have too many fields or too few. So a split begins at the first row that seems to
begin after its start. Its task reads on to the first row that does begin after its end, which it
knows for sure, given that it began right; and that must be where the next split's guess is. So if
no task complains, all have begun right, as the first one has. After Ge et al., "Speculative
Distributed CSV Data Parsing for Big Data Analytics" (SIGMOD 2019).

A split begins after the first `\n`, outside quotes, at its start - 1 or later.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from functools import cache
from sys import maxsize
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from zmr.formats.arrow_text import allocate
from zmr.formats.base import BadRecord
from zmr.formats.csv.rows import CsvRows
from zmr.formats.line_blocks import Place

MOST_ROW_BYTES = 256 << 20
OPEN_QUOTE = "a quote that is never closed"

_WINDOW_BYTES = 1 << 16  # so much text after a quote is looked at ...
_REACH_BYTES = 1 << 20  # ... if there is one within this
_LF = 10


class CsvFile(NamedTuple):
    """A file of rows with so many columns, the first of which begins at `begin`."""

    path: str
    rows: CsvRows
    begin: int
    n_columns: int

    def blocks(self, start: int, end: int, block_bytes: int) -> Iterator[tuple[int, memoryview]]:
        """The rows of the split, as (position, block). Raises OSError and `BadRecord`."""
        with open(self.path, "rb") as file:
            first = self._first_row(file, start)
            after = yield from self._until(file, first, end, block_bytes)
            if end != maxsize and after != self._first_row(file, end):
                self._refuse_open_quote(file, after)
                line = Place(self.path, after).line(0)
                reason = "it can't be told which quotes open: read the file with Csv(split=False)"
                raise BadRecord(self.path, line, reason)

    def _refuse_open_quote(self, file: BinaryIO, position: int) -> None:
        """Raise `BadRecord` if this is why the guess is wrong, as it is said of a whole file."""
        for at, block in self._until(file, position, maxsize, _REACH_BYTES):
            quoted = self.rows.quoted(block)
            if quoted.is_open:
                line = Place(self.path, at + int(quoted.starts[-1])).line(0)
                raise BadRecord(self.path, line, OPEN_QUOTE)

    def _until(
        self, file: BinaryIO, position: int, end: int, block_bytes: int
    ) -> Generator[tuple[int, memoryview], None, int]:
        """Blocks of the rows from `position` to `end`; returns where the next row begins."""
        file.seek(position)
        rest = b""
        while rest or position < end:
            left = max(end - position - len(rest), 0) + _WINDOW_BYTES
            wanted = max(min(block_bytes, left), len(rest))
            block = memoryview(allocate(len(rest) + wanted)).cast("B")
            block[: len(rest)] = rest
            filled = len(rest) + file.readinto(block[len(rest) :])  # type: ignore[attr-defined]
            is_end = filled < len(block)
            block = block[:filled]
            last = self._end_of_split(block, end - position)
            cut = last or (filled if is_end else self.rows.end_of_last_row(block))
            if not cut and filled > MOST_ROW_BYTES:
                line = Place(self.path, position).line(0)
                raise BadRecord(self.path, line, "a row without end; is a quote never closed?")
            if cut:
                yield position, block[:cut]
            position += cut
            if last or is_end:
                break
            rest = bytes(block[cut:])
        return position

    def _end_of_split(self, block: memoryview, size_bytes: int) -> int:
        """Where in the block the split ends that has so many bytes of it; 0 if it goes on."""
        if size_bytes > len(block):
            return 0
        near = max(0, size_bytes - 1)
        ends = np.flatnonzero(np.frombuffer(block, np.uint8)[near:] == _LF) + near
        ends = self.rows.quoted(block).outside(ends)
        return int(ends[0]) + 1 if len(ends) else 0

    def _first_row(self, file: BinaryIO, at: int) -> int:
        """Where the split that starts at `at` begins: a guess that depends on nothing else."""
        if at <= self.begin:
            return self.begin
        file.seek(at - 1)
        while (piece := file.readline(_REACH_BYTES)) and not piece.endswith(b"\n"):
            pass
        line = file.tell()
        text = file.read(_REACH_BYTES)
        quote = text.find(self.rows.quote.encode())
        if quote < 0:
            return line
        window = text[: quote + _WINDOW_BYTES]
        is_end = len(window) == len(text) < _REACH_BYTES
        for is_strict in (True, False):
            grammar = _grammar(self.rows.delimiter, self.rows.quote, self.n_columns, is_strict)
            fits = grammar.first_row(window, False, is_end) is not None
            row = grammar.first_row(window, True, is_end)
            if fits and row is None:
                return line
            if row and not fits:
                return line + row
        return _returned(self._until(file, self.begin, at, _REACH_BYTES))


class _Grammar(NamedTuple):
    """What text of rows looks like."""

    quoted: re.Pattern[bytes]  # the rest of a quoted field
    fields: re.Pattern[bytes]  # after a quoted field, the rest of its row, with what ends it
    row: re.Pattern[bytes]
    last: re.Pattern[bytes]  # a row without end, at the end of the file
    part: re.Pattern[bytes]  # a row, or the rest of one, that goes on beyond the text

    def first_row(self, text: bytes, in_quotes: bool, is_end: bool) -> int | None:
        """Where the first row begins in text that begins a line, and there in quotes or not.

        None if the text can't be so. 0 where it may be, but there is no such row.
        """
        place = first = 0
        if in_quotes:
            quoted = self.quoted.match(text)
            if quoted is None:
                return None if is_end else 0
            fields = self.fields.match(text, quoted.end())
            if fields is None:
                may_go_on = self.part.match(text, quoted.end()) is not None
                return 0 if may_go_on else None
            place = fields.end()
            first = place if text[place - 1] == _LF else 0
        while place < len(text):
            row = self.row.match(text, place)
            if row is None:
                rest = (self.last if is_end else self.part).match(text, place)
                return None if rest is None else first
            place = row.end()
            if not first and text[place - 1] == _LF:
                first = place
        return first


@cache
def _grammar(delimiter: str, quote: str, n_columns: int, is_strict: bool) -> _Grammar:
    """With `is_strict`, quotes are only where RFC 4180 has them."""
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    rest = rb"[^%b]*+(?:%b%b[^%b]*+)*+" % (q, q, q, q)
    plain, after = rb"[^%b\r\n]*+" % d, rb"[^%b\r\n]*+" % d
    if is_strict:
        plain, after = rb"[^%b%b\r\n]*+" % (d, q), b""
    field = rb"(?:%b%b%b%b|(?!%b)%b)" % (q, rest, q, after, q, plain)
    end = rb"(?:\r?\n|\r)"
    more = rb"(?:%b%b)" % (d, field)
    part = rb"(?:%b%b?%b|(?!%b)%b)" % (q + rest, q, after, q, plain)
    return _Grammar(
        re.compile(rest + q + after),
        re.compile(rb"%b{0,%d}%b" % (more, n_columns - 1, end)),
        re.compile(rb"(?:%b%b{%d})?%b" % (field, more, n_columns - 1, end)),
        re.compile(rb"%b%b{%d}\Z" % (field, more, n_columns - 1)),
        re.compile(rb"(?:%b?%b{0,%d}%b)?%b?\r?\Z" % (field, more, n_columns - 1, d, part)),
    )


def _returned(rows: Generator[Any, None, int]) -> int:
    """What a generator returns."""
    while True:
        try:
            next(rows)
        except StopIteration as end:
            return int(end.value)
