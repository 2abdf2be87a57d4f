"""The rows that a job's map_batch gives, in the Arrow types that stand for the Python types.

So int32 becomes int64, a dictionary its strings, and so on: a key looks the same wherever it came
from, and the same as one that was given as a Python object.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.take import as_variable
from zmr.columns.types import arrow_type
from zmr.errors import YieldError
from zmr.key_types import COLUMN_TYPES, KeyTypeError, checked_common_type

_TYPE_NAMES = {arrow_type(kind): kind.__name__ for kind in COLUMN_TYPES}
_ALLOWED = "strings, binaries, integers, floats, booleans, dates, timestamps without time zone"


def from_map_batch(result: Any, needs_values: bool = False) -> pa.RecordBatch:
    """The rows of (keys, values), of keys alone unless it `needs_values`, or of a table with both.

    Keys are an Arrow array, or a tuple of arrays for tuples; a table has columns "key" (or "key.0",
    "key.1", ...) and, if it likes, "value". Raises `YieldError` for anything else, and
    `KeyTypeError` for what no key may be.
    """
    keys, values = _parts(result)
    if values is None and needs_values:
        raise YieldError("map_batch gave keys alone, which is only enough for Count()")
    is_tuple = isinstance(keys, tuple)
    arrays = [_array(column) for column in (keys if is_tuple else (keys,))]
    if values is not None:
        values = _array(values)
    lengths = {len(array) for array in arrays} | ({len(values)} if values is not None else set())
    if len(lengths) != 1:
        raise YieldError(f"map_batch gave columns of different lengths: {sorted(lengths)}")
    key_columns = [_key_column(array) for array in arrays]
    names = list(map(_type_name, key_columns))
    key_type = f"({', '.join(names)})" if is_tuple else names[0]
    if lengths == {0}:
        key_type = "()" if is_tuple else ""
    return rows.from_arrays(key_columns, _value_column(values), key_type)


def _parts(result: Any) -> tuple[Any, Any]:
    """Keys, a tuple of them if keys are tuples, and values or None."""
    if isinstance(result, (pa.Table, pa.RecordBatch)):
        return _parts_of_table(result)
    if isinstance(result, tuple) and len(result) == 2:
        return result
    if isinstance(result, tuple):
        raise YieldError(f"map_batch must give (keys, values), not a tuple of {len(result)}")
    return result, None


def _parts_of_table(table: Any) -> tuple[Any, Any]:
    names = table.schema.names
    values = table.column(rows.VALUE) if rows.VALUE in names else None
    key_names = [name for name in names if name != rows.VALUE]
    if key_names == [rows.KEY]:
        return table.column(rows.KEY), values
    numbered = [f"{rows.KEY}.{i}" for i in range(len(key_names))]
    if not numbered or sorted(key_names) != sorted(numbered):
        raise YieldError(
            'the columns of a table from map_batch must be "key", or "key.0", "key.1" and so on, '
            f'and "value", not {names}'
        )
    return tuple(table.column(name) for name in numbered), values


def _array(column: Any) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else column.combine_chunks()
    if not isinstance(column, pa.Array):
        raise YieldError(f"map_batch must give Arrow arrays, not {type(column).__name__}")
    if isinstance(column, pa.DictionaryArray):
        return column.dictionary_decode()
    return column


def _key_column(array: pa.Array) -> pa.Array:
    if array.null_count == len(array):  # and if there are none: of whatever type they are
        return pa.nulls(len(array))
    try:
        column = _canonical(array)
    except pa.ArrowInvalid as error:
        raise KeyTypeError(
            f"map_batch gave keys of type {array.type} that are beyond what keys can be: {error}"
        ) from None
    if column.type not in _TYPE_NAMES:
        raise KeyTypeError(f"map_batch gave keys of type {array.type}: keys are {_ALLOWED}")
    if column.type == pa.float64() and np.isnan(column.drop_null().to_numpy()).any():
        raise KeyTypeError("NaN can't be a key: it equals nothing, not even itself")
    return column


def _type_name(column: pa.Array) -> str:
    """The name of the Python type of the column's keys, of which the nulls are None."""
    if pa.types.is_null(column.type):
        return "None"
    name = _TYPE_NAMES[column.type]
    return checked_common_type(name, "None") if column.null_count else name


def _value_column(array: pa.Array | None) -> pa.Array | None:
    if array is None:
        return None
    try:
        return _canonical(array)
    except pa.ArrowInvalid:  # numbers beyond 64 bits with a sign, moments between microseconds
        return array


def _canonical(column: pa.Array) -> pa.Array:
    """The column in the one Arrow type that stands for its Python type, if it can be.

    Raises `ArrowInvalid` where that would change a value.
    """
    kind = column.type
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width:
        return (
            column.cast(pa.large_binary())
            if column.null_count
            else as_variable(column, pa.large_binary())
        )
    if _is_binary(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_date64(kind):
        return column.cast(pa.date32())
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return column.cast(pa.timestamp("us"))
    return column


def _is_binary(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)
