"""JSON lines: one object a line."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zmr.columns.types import arrow_types
from zmr.formats.base import BadRecord, Batch, Chunk, CountUp
from zmr.formats.line_blocks import Place, decode, line_blocks
from zmr.formats.text_format import TextFormat
from zmr.formats.text_input import UTF8
from zmr.messages import Split

if TYPE_CHECKING:
    import pyarrow as pa

    from zmr.columns.arrays import Index
    from zmr.formats.json_parser import JsonParser

_SPACE = " \t\r"
_LF = "\n"
_MARK = secrets.randbits(62)
_BETWEEN = f",{_MARK},"  # two lines, where a block is parsed as one array


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


_decoder = json.JSONDecoder(parse_constant=_no_number)
_raw_decode = _decoder.raw_decode  # without the checks that `decode` makes first


class JsonLines(TextFormat):
    """Each line of a text file is a JSON object, and as a record a dict.

    Blank lines are skipped. Any other line that is not one object is an error (`BadRecord`). Of a
    name that comes twice in an object, the last one counts. NaN and Infinity are no JSON.

    Parameters:
        types: the types of columns in batches, by name: str, bytes, int, float, bool, date,
            datetime, or a type of Arrow's. Columns with a type are in every batch. Raises
            TypeError for any other type.
        columns: the names that records have, where a line has them; None: all. Batches have a
            column for each, in this order.
        encoding: that of the text, as for `Lines`.

    A record is a dict such as {"id": 7, "tags": ["a"]}, whatever `types` says. For `map_batch`, a
    batch is an Arrow RecordBatch with a column for each name in it. A column without a type in
    `types` has that of its values, which may differ from batch to batch; strings that look like
    dates stay strings. Numbers are exact: integers are int64 or, if they need it, uint64. One that
    neither of them nor, beside fractions, float64 holds is an error (`BadRecord`): give the column
    a type, such as `pyarrow.decimal128(38)`.

    Example:
        class Latency(zmr.Job):
            input = zmr.JsonLines(types={"ms": float})

            def map(self, record):
                yield record["host"], record["ms"]

            reduce = zmr.Mean()
    """

    splittable = True

    def __init__(
        self,
        types: Mapping[str, Any] | None = None,
        *,
        columns: Sequence[str] | None = None,
        encoding: str = UTF8,
    ) -> None:
        super().__init__(encoding)
        if isinstance(columns, str) or (columns is not None and not columns):
            raise ValueError("JsonLines(columns) takes a list of names")
        self._columns = tuple(columns or ())
        self._types = arrow_types(types)

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for position, block in self.blocks(split):
            place = Place(split.path, position, self.encoding)
            records = _parse_lines(place, decode(block, count), self.keeps_bad)
            yield (self._narrow(records) if self._columns else records), len(block)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        from zmr.formats.arrow_text import allocate, valid_utf8
        from zmr.formats.json_parser import JsonParser

        parser = JsonParser(self._types, self._columns)
        for position, block in line_blocks(
            split, self.batch_bytes, self.encoding, allocate=allocate
        ):
            text = valid_utf8(block, count)
            starts = self.starts(text)
            if not len(starts):
                continue
            batch = parser.parse(text, starts)
            if batch is None:
                batch = _parse_in_python(
                    parser, Place(split.path, position, self.encoding), text, starts
                )
            yield batch, len(block)

    def _narrow(self, records: list[Any]) -> list[Any]:
        columns = self._columns
        return [
            record
            if isinstance(record, BadRecord)
            else {name: record[name] for name in columns if name in record}
            for record in records
        ]

    def starts(self, block: memoryview) -> Index:
        from zmr.formats.arrow_text import line_starts, without_blank_lines

        return without_blank_lines(block, line_starts(block))


def _parse_in_python(
    parser: JsonParser, place: Place, block: memoryview, starts: Index
) -> pa.RecordBatch:
    """The batch of a block that Arrow does not read. Raises `BadRecord`."""
    from zmr.formats.bad_row import line_place
    from zmr.formats.json_columns import ColumnError

    text = str(block, "utf-8")
    records = _parse_lines(place, text)
    try:
        return parser.from_records(
            records, [each for each in text.split("\n") if each.strip(_SPACE)]
        )
    except ColumnError as error:
        line = line_place(place, block, int(starts[error.index]))
        raise BadRecord(place.path, line, str(error)) from None


def _parse_lines(place: Place, text: str, keeps_bad: bool = False) -> list[Any]:
    """The records of a block. A bad one raises `BadRecord`, or stands there as a `BadRecord`."""
    at_once = _parsed_at_once(text)
    if at_once is not None:
        return at_once
    records: list[Any] = []
    for number, line in enumerate(text.split("\n")):
        try:
            record, end = _raw_decode(line)
        except (ValueError, RecursionError):
            end = len(line) + 1
        if end != len(line) and line[end:] != "\r":
            line = line.strip(_SPACE)
            if not line:
                continue
            try:
                record = _decoder.decode(line)
            except (ValueError, RecursionError) as error:
                record = _bad_line(place, number, f"no JSON: {_describe(error)}")
        if type(record) is not dict:
            if not isinstance(record, BadRecord):
                reason = f"a JSON {_json_type(record)} and not an object"
                record = _bad_line(place, number, reason)
            if not keeps_bad:
                raise record
            record.text = line
        records.append(record)
    return records


def _parsed_at_once(text: str) -> list[Any] | None:
    """The records of a block if each line is an object, else None.

    The lines are parsed as one array, which spares a call and new strings for the names of each.
    Between them stands a number that nobody can know: it shows that none of them has more than one
    value or goes on in the next.
    """
    lines = text.removesuffix("\n")
    n_between = lines.count("\n")
    try:
        found = _decoder.decode(f"[{lines.replace(_LF, _BETWEEN)}]")
    except (ValueError, RecursionError):
        return None
    records: list[Any] = found[::2]
    are_parted = len(found) == 2 * n_between + 1 and found[1::2].count(_MARK) == n_between
    return records if are_parted and set(map(type, records)) == {dict} else None


def _bad_line(place: Place, number: int, reason: str) -> BadRecord:
    return BadRecord(place.path, place.line(number), reason)


def _describe(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return str(error)


def _json_type(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
