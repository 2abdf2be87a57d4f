r"""Find where rows of CSV text begin and end, with regard to quotes.

The grammar is that of Arrow's parser, and of nearly everyone's: a quote opens a field only where
the field begins; within it two quotes are one; after the closing quote, and in fields that begin
otherwise, quotes are ordinary. `\n`, `\r\n` and `\r` outside quotes end a row.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from zmr.columns.arrays import Index

_LF, _CR = 10, 13


class Quoted(NamedTuple):
    """Where in a block quotes open and close. The last one is `open` if nothing closes it."""

    starts: Index
    ends: Index  # just past the closing quote
    is_open: bool

    def outside(self, positions: Index) -> Index:
        """Those of the positions that are not within quotes."""
        if not len(self.starts):
            return positions
        before = np.searchsorted(self.starts, positions) - 1
        return positions[(before < 0) | (positions >= self.ends[before])]


class CsvRows:
    """Finds rows in blocks that begin with one.

    `quote` is empty where there are no quotes, and so is `escape`. With `skips_space`, spaces
    before a field are no part of it.
    """

    def __init__(
        self, delimiter: str, quote: str, escape: str = "", skips_space: bool = False
    ) -> None:
        self.delimiter, self.quote, self.escape = delimiter, quote, escape
        self.skips_space = skips_space
        self._delimiter, self._quote = delimiter.encode(), quote.encode()
        self._escape = escape.encode()
        self.is_plain = not escape and not skips_space  # delimiters and quotes only
        self._field = quoted_field(self._delimiter, self._quote, self._escape, skips_space)
        escaped = rb"(%b.)|" % re.escape(self._escape) if escape else rb"()"
        ends_field = rb"([%b\r\n]) +" % re.escape(self._delimiter)
        self._space = re.compile(escaped + ends_field, re.DOTALL)

    def quoted(self, block: memoryview) -> Quoted:
        """The quoted fields of the block."""
        if not self.is_plain and self._quote:
            return self._quoted_one_by_one(block)
        data = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(data == self._quote[0]) if self._quote else np.empty(0, np.int64)
        if not len(quotes):
            return Quoted(quotes, quotes, False)
        opening, closing = quotes[0::2], quotes[1::2]
        # Every other quote opens, if each of these stands where a field begins, or at once after
        # a closing one, with which it is a quote within the field.
        previous = data[opening - 1]
        ordinary = (opening == 0) | (previous == _LF) | (previous == self._delimiter[0])
        ordinary[1:] |= opening[1:] - 1 == closing[: max(0, len(opening) - 1)]
        if not (ordinary | (previous == _CR)).all():
            return self._quoted_one_by_one(block)
        is_open = len(opening) > len(closing)
        ends = np.append(closing + 1, len(data)) if is_open else closing + 1
        return Quoted(opening, ends, is_open)

    def end_of_last_row(self, block: memoryview) -> int:
        """Where the last whole row of the block ends; 0 if none does."""
        data = np.frombuffer(block, np.uint8)
        quoted = self.quoted(block)
        data = data[:-1] if len(data) and data[-1] == _CR else data  # an LF may follow
        # The last row is short as a rule, so the line ends before it need no look.
        reach = 1 << 16
        while True:
            first = max(0, len(data) - reach)
            near = data[first:]
            ends = quoted.outside(np.flatnonzero((near == _LF) | (near == _CR)) + first)
            ends = self._unescaped(data, ends)
            if len(ends) or not first:
                return int(ends[-1]) + 1 if len(ends) else 0
            reach *= 8

    def starts(self, block: memoryview) -> Index:
        """Where in a block of whole rows those begin that aren't empty."""
        data = np.frombuffer(block, np.uint8)
        starts = np.append(np.zeros(1, np.int64), self.ends(block))
        starts = starts[starts < len(data)]
        first = data[starts]
        found: Index = starts[(first != _LF) & (first != _CR)]
        return found

    def ends(self, block: memoryview) -> Index:
        """Just past each character of the block that ends a row."""
        data = np.frombuffer(block, np.uint8)
        ends = self.quoted(block).outside(np.flatnonzero((data == _LF) | (data == _CR)))
        return self._unescaped(data, ends) + 1

    def _quoted_one_by_one(self, block: memoryview) -> Quoted:
        fields: list[Any] = [each for each in self._field.finditer(block) if each[1] is not None]
        starts = np.array([field.start(1) for field in fields], np.int64)
        ends = np.array([field.end() for field in fields], np.int64)
        is_open = bool(fields) and not fields[-1][2]
        return Quoted(starts, ends, is_open)

    def _unescaped(self, data: Any, ends: Index) -> Index:
        """Those of the line ends that no escape makes a part of a field."""
        if not self._escape:
            return ends
        escape = self._escape[0]

        def is_escaped(at: int) -> bool:
            before = at
            while before and data[before - 1] == escape:
                before -= 1
            return (at - before) % 2 == 1

        found: Index = ends[[not is_escaped(int(at)) for at in ends]] if len(ends) else ends
        return found

    def without_initial_space(self, block: memoryview) -> memoryview:
        """The block without the spaces that are no part of a field."""
        if not self.skips_space:
            return block
        quoted = self.quoted(block)
        parts, at = [], 0
        for start, end in zip(quoted.starts, quoted.ends, strict=True):
            parts += [self._space.sub(rb"\1\2", bytes(block[at:start])), bytes(block[start:end])]
            at = end
        parts.append(self._space.sub(rb"\1\2", bytes(block[at:])))
        parts[0] = parts[0].lstrip(b" ")
        return memoryview(b"".join(parts))


@lru_cache(maxsize=16)
def rows_of(delimiter: str, quote: str, escape: str, skips_space: bool) -> CsvRows:
    """The same, made once: there may be thousands of files."""
    return CsvRows(delimiter, quote, escape, skips_space)


def quoted_field(
    delimiter: bytes, quote: bytes, escape: bytes, skips_space: bool
) -> re.Pattern[bytes]:
    """Matches a quoted field where a field begins; group 1 is the field, 2 what closes it, if any.

    An escaped character is a match without groups.
    """
    before, q, e = re.escape(delimiter + b"\r\n"), re.escape(quote), re.escape(escape)
    if not quote:
        return re.compile(rb"(?!)()()")
    if not escape and not skips_space:
        return re.compile(
            rb"(?:\A|(?<=[%b]))(%b[^%b]*+(?:%b%b[^%b]*+)*+(%b?))" % (before, q, q, q, q, q, q)
        )
    inner = rb"(?:[^%b%b]|%b%b" % (q, e, q, q) + (rb"|%b." % e if escape else b"") + rb")*+"
    escaped = rb"%b.|" % e if escape else b""
    space = b" *+" if skips_space else b""
    return re.compile(
        escaped + rb"(?:\A|[%b])%b(%b%b(%b?))" % (before, space, q, inner, q), re.DOTALL
    )
