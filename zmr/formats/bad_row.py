"""What is wrong with records that Arrow has refused, or that it has and Python can't.

The first is found in a block for which a parser of whole blocks has refused the block.

Arrow's parsers name a row of their own count, or none. The `invalid_row_handler` of its CSV parser
would get the row that has too many or too few fields, but not an earlier one with a field that
can't be converted: fields are converted when all rows have been parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from zmr.columns.arrays import Index
from zmr.formats.base import BadRecord
from zmr.formats.line_blocks import Place

_ROW_IN_BLOCK = re.compile(r"^CSV parse error: |Row #\d+: | in row \d+$")
_ZONE = "expected no zone offset"
_CONVERSION = re.compile(
    r"^In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to (.+?): (.*)"
)


def find_bad_row(
    place: Place,
    block: memoryview,
    starts: Index,
    names: Sequence[str],
    parse: Callable[[memoryview], object],
) -> BadRecord:
    """The error of the first record with which `parse` fails, and before which it does not.

    `starts` says where in the block the records begin, `names` how the columns are called. Found
    by binary search: about 17 parses.
    """
    good, bad = 0, len(starts)  # so many records parse, and so many do not
    reason = ""
    edges = [*starts, len(block)]
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            parse(block[: edges[middle]])
            good = middle
        except pa.ArrowInvalid as error:
            bad, reason = middle, str(error)
    if not reason:
        try:
            parse(block)
        except pa.ArrowInvalid as error:
            reason = str(error)
    line = line_place(place, block, int(starts[good]))
    return BadRecord(place.path, line, _without_location(reason, names))


def line_place(place: Place, block: memoryview, start: int) -> str:
    """The line of a record, "line 17": it begins at `start` in the block at `place`.

    Counted in lines, so that it holds for a block whose invalid UTF-8 has been replaced.
    """
    return place.line(bytes(block[:start]).count(b"\n"))


def _without_location(reason: str, names: Sequence[str]) -> str:
    """Arrow's message with the name of a column and without the row, which it counts by block."""
    if found := _CONVERSION.match(reason):
        number, kind, what = found.groups()
        unit = kind.removeprefix("timestamp[").removesuffix("]")
        hint = f"; pyarrow.timestamp({unit!r}, 'UTC') has a zone" if _ZONE in what else ""
        return f"column {names[int(number)]!r}: {what}, for {kind}{hint}"
    return _ROW_IN_BLOCK.sub("", reason)


def python_values(
    path: str, name: str, column: pa.Array, truncate_ns: bool | None = None
) -> list[Any]:
    """The values of a column of the file, whose times have microseconds as Python's do.

    `truncate_ns` leaves out nanoseconds; None where there is no such choice. Raises `BadRecord`.
    """
    kind = _in_microseconds(column.type)
    if kind != column.type:
        try:
            column = column.cast(kind, safe=not truncate_ns)
        except pa.ArrowInvalid:
            reason = f"column {name!r} has times with nanoseconds, which Python's have not"
            out = "" if truncate_ns is None else ", and truncate_ns=True leaves them out"
            raise BadRecord(path, "", f"{reason}: map_batch has them{out}") from None
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError) as error:
        reason = f"column {name!r} has a {column.type} that Python has not ({error})"
        raise BadRecord(path, "", f"{reason}: map_batch has it") from None
    return values


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    """The type with microseconds in place of nanoseconds."""
    types = pa.types
    if types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_in_microseconds(kind.value_type)))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_in_microseconds(field.type)) for field in kind])
    return kind
