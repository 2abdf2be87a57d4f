"""Rows between map and reduce: an Arrow record batch of keys and values.

Key columns come first: one, named "key", or for tuples one for each element, "key.0", "key.1", ...
Then the column "value", if there is one. The schema's metadata names the Python type of the keys
("str", "(str, int)"), which must be the same in all of a job.

Where Arrow can't hold keys or values exactly, their column is pickled (`zmr.data.columns`). Keys
that are pickled can't be sorted as columns; such rows are *opaque*, and are handled one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from zmr.data import columns
from zmr.data.columns import PickleError
from zmr.data.keys import type_of_keys
from zmr.data.shown import shown

KEY, VALUE = "key", "value"
_KEY_TYPE = b"zmr.key"


def from_lists(keys: list[Any], values: list[Any] | None, key_type: str = "") -> pa.RecordBatch:
    """Rows of these keys and values. Raises `PickleError`, naming the key, and `KeyTypeError`."""
    key_type = key_type or type_of_keys(keys)
    fields, arrays = _key_columns(keys)
    if values is not None:
        try:
            field, array = columns.encode(VALUE, values)
        except PickleError as error:
            key = keys[error.index]
            text = f"{error} (under the key {shown(key)})"
            raise PickleError(error.index, text) from error
        fields.append(field)
        arrays.append(array)
    return pa.record_batch(arrays, schema=pa.schema(fields, {_KEY_TYPE: key_type.encode()}))


def _key_columns(keys: list[Any]) -> tuple[list[pa.Field], list[pa.Array]]:
    if keys and type(keys[0]) is tuple and keys[0]:
        pairs = [
            columns.encode(f"{KEY}.{position}", elements)
            for position, elements in enumerate(zip(*keys, strict=True))
        ]
        if not any(columns.is_pickled(field) for field, _ in pairs):
            return [field for field, _ in pairs], [array for _, array in pairs]
    field, array = columns.encode(KEY, keys)
    return [field], [array]


def keys_to_bytes(keys: list[Any]) -> bytes:
    """Keys as they travel in a job's spec."""
    batch = from_lists(keys, None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def keys_from_bytes(data: bytes) -> list[Any]:
    """The keys again. For the job's own processes only: they may be pickled."""
    with pa.ipc.open_stream(data) as reader:
        return [key for batch in reader for key in keys_of(batch)]


def from_arrays(keys: Sequence[pa.Array], values: pa.Array | None, key_type: str) -> pa.RecordBatch:
    """Rows of Arrow columns, which must be of the types that `zmr.data.columns` uses."""
    names = [KEY] if len(keys) == 1 else [f"{KEY}.{i}" for i in range(len(keys))]
    arrays = list(keys)
    if values is not None:
        names.append(VALUE)
        arrays.append(values)
    fields = [pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)]
    return pa.record_batch(arrays, schema=pa.schema(fields, {_KEY_TYPE: key_type.encode()}))


def from_users(result: Any) -> pa.RecordBatch:
    """The rows that a job's map_batch gave: (keys, values), keys alone, or a table of both.

    Keys are an Arrow array, or a tuple of arrays for tuples; a table has columns "key" (or "key.0",
    "key.1", ...) and "value". Raises TypeError for anything else, for nulls among the keys, and for
    types that no key may have.
    """
    if isinstance(result, (pa.Table, pa.RecordBatch)):
        keys: Any = tuple(result.column(n) for n in result.schema.names if n != VALUE)
        values = result.column(VALUE) if VALUE in result.schema.names else None
    elif isinstance(result, tuple) and len(result) == 2:
        keys, values = result
    else:
        keys, values = result, None
    columns_of_keys = [
        _canonical(_one_array(k)) for k in (keys if type(keys) is tuple else (keys,))
    ]
    names = [_TYPE_NAMES.get(column.type) for column in columns_of_keys]
    if None in names or any(column.null_count for column in columns_of_keys):
        kinds = ", ".join(str(column.type) for column in columns_of_keys)
        raise TypeError(f"map_batch gave keys of type {kinds}, or nulls among them: {_KEYS_ARE}")
    name = names[0] if len(names) == 1 else f"({', '.join(map(str, names))})"
    if values is not None:
        values = _canonical(_one_array(values))
    return from_arrays(columns_of_keys, values, str(name))


_KEYS_ARE = "keys are strings, binaries, integers, floats, booleans, dates or timestamps"

_TYPE_NAMES = {
    pa.large_string(): "str",
    pa.large_binary(): "bytes",
    pa.int64(): "int",
    pa.float64(): "float",
    pa.bool_(): "bool",
    pa.date32(): "date",
    pa.timestamp("us"): "datetime",
}


def _one_array(column: Any) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
    if not isinstance(column, pa.Array):
        raise TypeError(f"map_batch must give Arrow arrays, not {type(column).__name__}")
    return column


def _canonical(column: pa.Array) -> pa.Array:
    """The column in the one Arrow type that stands for its Python type."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _canonical(column.dictionary_decode())
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return column.cast(pa.timestamp("us"))
    return column


def with_values(keys: pa.RecordBatch, values: list[Any]) -> pa.RecordBatch:
    """Rows of these keys, which have no values yet. Raises `PickleError`."""
    field, array = columns.encode(VALUE, values)
    return pa.record_batch(
        [*keys.columns, array], schema=pa.schema([*keys.schema, field], keys.schema.metadata)
    )


def opaque(keys: list[Any], values: list[Any], key_type: str) -> pa.RecordBatch:
    """Rows with keys and values pickled, whatever they are. Raises `PickleError`."""
    pairs = [columns.encode_pickled(KEY, keys), columns.encode_pickled(VALUE, values)]
    schema = pa.schema([field for field, _ in pairs], {_KEY_TYPE: key_type.encode()})
    return pa.record_batch([array for _, array in pairs], schema=schema)


def key_type(schema: pa.Schema) -> str:
    """The name of the keys' Python type; "" if there are no rows."""
    name: bytes = (schema.metadata or {}).get(_KEY_TYPE, b"")
    return name.decode()


def is_opaque(schema: pa.Schema) -> bool:
    """Whether the keys can't be sorted as columns."""
    return columns.is_pickled(schema.field(0))


def key_columns(batch: pa.RecordBatch) -> list[pa.Array]:
    """The key columns."""
    n_keys = sum(1 for name in batch.schema.names if name != VALUE)
    found: list[pa.Array] = batch.columns[:n_keys]
    return found


def keys_of(batch: pa.RecordBatch) -> list[Any]:
    """The keys as Python values. Unpickling may raise anything."""
    found = key_columns(batch)
    if len(found) == 1:
        return columns.decode(batch.schema.field(0), found[0])
    return list(zip(*(column.to_pylist() for column in found), strict=True))


def values_of(batch: pa.RecordBatch) -> list[Any]:
    """The values as Python values. Unpickling may raise anything."""
    return columns.decode(batch.schema.field(VALUE), batch.column(VALUE))
