"""JSON records that Python has parsed, as Arrow columns: every value as it is, or an error.

Slower than Arrow's own parser, and for what that can't do: integers beyond 64 bits, names that come
twice in an object, and types that it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import time
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import json as arrow_json

from zmr.formats.arrow_text import one_batch

Types = dict[str, pa.DataType]
Convert = Callable[[list[Any]], pa.Array]

_UNREADABLE = (pa.ArrowException, OverflowError, ValueError, TypeError)
_KINDS = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


class ColumnError(Exception):
    """The record number `index` does not go with the others; the text says why."""

    def __init__(self, index: int, text: str) -> None:
        super().__init__(text)
        self.index = index


def first_json_type(kind: pa.DataType) -> pa.DataType | None:
    """The type in which Arrow's parser reads what a cast makes values of this type.

    None if there is none.
    """
    types = pa.types
    if types.is_date(kind) or types.is_dictionary(kind):
        return pa.string() if types.is_date(kind) else first_json_type(kind.value_type)
    if types.is_float16(kind):
        return pa.float64()
    if types.is_duration(kind):
        return pa.int64()
    if types.is_fixed_size_binary(kind):
        return pa.binary()
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        value = first_json_type(kind.value_type)
        return None if value is None else pa.list_(value)
    if types.is_struct(kind):
        fields = [(field.name, first_json_type(field.type)) for field in kind]
        return None if any(each is None for _, each in fields) else pa.struct(fields)
    return kind if _is_native(kind) else None


def columns_of(
    records: list[dict[str, Any]], texts: list[str], types: Types
) -> dict[str, pa.Array]:
    """The columns of the records, by name, those of `types` in these types or in one to be cast.

    Raises `ColumnError`.
    """
    names = list(types) + [name for name in dict.fromkeys(_names(records)) if name not in types]
    return {name: _column(name, records, texts, types.get(name)) for name in names}


def _column(
    name: str, records: list[dict[str, Any]], texts: list[str], kind: pa.DataType | None
) -> pa.Array:
    if kind is not None and pa.types.is_decimal(kind):  # of which a float is not exact
        records = [json.loads(text, parse_float=Decimal) for text in texts]
    values = [record.get(name) for record in records]
    convert = _inferred if kind is None else _said(kind)
    try:
        return convert(values)
    except _UNREADABLE as error:
        index = _first_bad(convert, values)
        reason = _mixture(values, index) or _why(values[index], error, kind)
        raise ColumnError(index, f"column {name!r}: {reason}") from None


def _names(records: list[dict[str, Any]]) -> Iterator[str]:
    for record in records:
        yield from record


def _inferred(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (OverflowError, pa.ArrowInvalid):
        if all(type(value) is int for value in values if value is not None):
            return pa.array(values, pa.uint64())
        if any(type(value) is float for value in values):
            return _exact_floats(values)
        raise


def _exact_floats(values: list[Any]) -> pa.Array:
    """Integers beside fractions, if each of them equals a float."""
    floats = [float(v) if type(v) is int and float(v) == v else v for v in values]
    return pa.array(floats, pa.float64())


def _said(kind: pa.DataType) -> Convert:
    """What makes a column of this type."""
    if pa.types.is_decimal(kind):
        return lambda values: pa.array([None if v is None else _decimal(v) for v in values], kind)
    if pa.types.is_time(kind):
        return lambda values: pa.array([None if v is None else _time(v) for v in values], kind)
    if pa.types.is_map(kind):
        return lambda values: pa.array([None if v is None else _items(v) for v in values], kind)
    first = first_json_type(kind)
    if first is None:
        return lambda values: pa.array(values, kind)
    return lambda values: _by_arrow(values, first).cast(kind)


def _by_arrow(values: list[Any], kind: pa.DataType) -> pa.Array:
    """The values as Arrow's parser reads them, so that they are what they are in other blocks."""
    text = "\n".join(json.dumps({"v": value}) for value in values).encode()
    table = arrow_json.read_json(
        pa.BufferReader(text),
        arrow_json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        arrow_json.ParseOptions(explicit_schema=pa.schema({"v": kind})),
    )
    return one_batch(table).column(0)


def _decimal(value: Any) -> Decimal:
    if type(value) not in (int, str, Decimal):
        raise TypeError(f"a JSON {_kind(value)} is no decimal number")
    return Decimal(value)


def _items(value: Any) -> list[Any]:
    if type(value) is not dict:
        raise TypeError(f"a JSON {_kind(value)} is no map")
    return list(value.items())


def _time(value: Any) -> time:
    found = time.fromisoformat(value)
    if found.tzinfo is not None:
        raise ValueError(f"{value!r} has a time zone, which this type has not")
    return found


def _first_bad(convert: Convert, values: list[Any]) -> int:
    """The index of the first value with which `convert` fails, and before which it does not."""
    good, bad = 0, len(values)  # so many convert, and so many do not
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(values[:middle])
            good = middle
        except _UNREADABLE:
            bad = middle
    return good


def _mixture(values: list[Any], index: int) -> str:
    """That a value is of another kind than those before it; "" if it isn't."""
    here = _kind(values[index])
    before = {_kind(value) for value in values[:index]} - {"null", here}
    if not before or here == "null":
        return ""
    return f"changed from {before.pop()} to {here}"


def _why(value: Any, error: Exception, kind: pa.DataType | None) -> str:
    if kind is None and type(value) is int:
        return (
            f"the integer {value} is beyond 64 bits or beside others that no type of 64 bits holds "
            "exactly: give the column a type, such as types={...: pyarrow.decimal128(38)}"
        )
    return " ".join(str(error).split()) + ("" if kind is None else f", for {kind}")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "null" if value is None else "number")


def _is_native(kind: pa.DataType) -> bool:
    """Whether Arrow's parser reads values of this type from what stands for them in JSON."""
    types = pa.types
    tests = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_binary,
        types.is_large_binary,
        types.is_binary_view,
        types.is_timestamp,
        types.is_decimal,
    )
    return any(test(kind) for test in tests)
