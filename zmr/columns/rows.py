"""Rows between map and reduce: an Arrow record batch of keys and values.

Key columns come first: one, named "key", or for tuples one for each element, "key.0", "key.1", ...
Then the column "value", if there is one. The schema's metadata names the Python type of the keys
("str", "(str, int or None)"): all of a job have a common one (`zmr.key_types.common_type`).

Where Arrow can't hold some keys or values exactly, their column is mixed (`zmr.columns.mixed`), and
where it can hold none of them it is pickled (`zmr.columns.values`). Keys that are pickled can't be
sorted as columns; such rows are *opaque*, and are handled one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import pyarrow as pa

from zmr.columns.arrays import Index, as_arrow
from zmr.columns.mixed import is_mixed, to_pylist
from zmr.columns.values import (
    decode,
    encode,
    encode_pickled,
    is_pickled,
    pickled_field,
)
from zmr.display import short_repr
from zmr.errors import PickleError
from zmr.key_types import may_be_none, sortable, type_of_keys

KEY, VALUE = "key", "value"
_KEY_TYPE = b"zmr.key"
_ROWS_AT_ONCE = 4096
_ROW_BYTES = 40


def from_lists(
    keys: Sequence[Any], values: Sequence[Any] | None, key_type: str = ""
) -> pa.RecordBatch:
    """Rows of these keys and values. Raises `PickleError`, naming the key, and `KeyTypeError`."""
    key_type = key_type or type_of_keys(keys)
    kind = type(keys[0]) if keys and not may_be_none(key_type) else None
    are_tuples = bool(keys) and type(keys[0]) is tuple and bool(keys[0])
    fields, arrays = encode_columns(keys, values, are_tuples, kind)
    return pa.record_batch(arrays, schema=_schema(fields, key_type))


def encode_columns(
    keys: Sequence[Any], values: Sequence[Any] | None, are_tuples: bool, kind: type | None = None
) -> tuple[list[pa.Field], list[pa.Array]]:
    """The columns of keys and values. Raises `PickleError`, naming the key.

    `are_tuples` says that all keys are tuples of one length, which is not 0; `kind` is the type
    that all of them are known to have.
    """
    encoded = _encode_tuples(keys) if are_tuples else []
    if not encoded or any(is_pickled(field) for field, _ in encoded):
        encoded = [encode(KEY, keys, kind, is_key=True)]
    if values is not None:
        try:
            encoded.append(encode(VALUE, values))
        except PickleError as error:
            text = f"{error} (under the key {short_repr(keys[error.index])})"
            raise PickleError(error.index, text) from error
    return [field for field, _ in encoded], [array for _, array in encoded]


def _encode_tuples(keys: Sequence[tuple[Any, ...]]) -> list[tuple[pa.Field, pa.Array]]:
    return [
        encode(f"{KEY}.{position}", elements, is_key=True)
        for position, elements in enumerate(zip(*keys, strict=True))
    ]


def from_arrays(keys: Sequence[pa.Array], values: pa.Array | None, key_type: str) -> pa.RecordBatch:
    """Rows of Arrow columns, none of them pickled. For a `key_type` of tuples, `keys` has a column
    for each element.
    """
    is_tuple = key_type.startswith("(")
    names = [f"{KEY}.{i}" for i in range(len(keys))] if is_tuple else [KEY]
    fields = [pa.field(name, array.type) for name, array in zip(names, keys, strict=True)]
    batch = pa.record_batch(list(keys), schema=_schema(fields, key_type))
    return batch if values is None else with_values(batch, values)


def with_values(
    keys: pa.RecordBatch, values: pa.Array, field: pa.Field | None = None
) -> pa.RecordBatch:
    """Rows of these keys, which have no values yet. `field` is that of values that are pickled."""
    field = field if field is not None else pa.field(VALUE, values.type)
    schema = pa.schema([*keys.schema, field], keys.schema.metadata)
    return pa.record_batch([*keys.columns, values], schema=schema)


def opaque(keys: Sequence[Any], pickled_values: pa.Array | None, key_type: str) -> pa.RecordBatch:
    """Rows of any keys, and of values, if any, that are pickled already. Raises `PickleError`."""
    field, array = encode_pickled(KEY, keys)
    batch = pa.record_batch([array], schema=_schema([field], key_type))
    if pickled_values is None:
        return batch
    return with_values(batch, pickled_values, pickled_field(VALUE))


def key_type(schema: pa.Schema) -> str:
    """The name of the keys' Python type; "" if there are no rows."""
    name: bytes = (schema.metadata or {}).get(_KEY_TYPE, b"")
    return name.decode()


def key_metadata(key_type: str) -> dict[bytes, bytes]:
    """The metadata of rows whose keys have the Python type of this name."""
    return {_KEY_TYPE: key_type.encode()}


def is_opaque(schema: pa.Schema) -> bool:
    """Whether the keys can't be sorted as columns."""
    return is_pickled(schema.field(0))


def are_tuples(schema: pa.Schema) -> bool:
    """Whether the key columns are the elements of tuples."""
    return bool(schema.names[0] != KEY)


def has_values(schema: pa.Schema) -> bool:
    """Whether there is a value to each key."""
    return bool(schema.names[-1] == VALUE)


def key_names(schema: pa.Schema) -> list[str]:
    """The names of the key columns."""
    return [name for name in schema.names if name != VALUE]


def key_columns(batch: pa.RecordBatch) -> list[pa.Array]:
    """The key columns."""
    return [batch.column(name) for name in key_names(batch.schema)]


def size_bytes(batch: pa.RecordBatch) -> int:
    """The size of the rows as they are written. Takes a twentieth of the time of `batch.nbytes`."""
    return pa.ipc.get_record_batch_size(batch)  # type: ignore[no-any-return]


def working_bytes(batch: pa.RecordBatch) -> int:
    """About the memory for one copy of the rows while they are sorted; there are several then."""
    return size_bytes(batch) + _ROW_BYTES * len(batch)


def keys_of(batch: pa.RecordBatch) -> list[Any]:
    """The keys as Python values. Unpickling may raise anything."""
    found = key_columns(batch)
    if not are_tuples(batch.schema):
        return decode(batch.schema.field(0), found[0])
    return list(zip(*map(to_pylist, found), strict=True))


class Keys:
    """The keys, of which each becomes a Python object when it is asked for: for `bisect`.

    They are as `zmr.key_types.sortable` makes them.
    """

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._keys = batch.select(key_names(batch.schema))
        # A column alone is quicker to look into.
        is_column = not (are_tuples(batch.schema) or is_opaque(batch.schema))
        is_column = is_column and not is_mixed(batch.schema.field(0).type)
        self._column = batch.column(0) if is_column else None

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, place: int) -> Any:
        if self._column is not None:
            return sortable(self._column[place].as_py())
        return sortable(keys_of(self._keys.slice(place, 1))[0])


def values_of(batch: pa.RecordBatch) -> list[Any]:
    """The values as Python values. Unpickling may raise anything."""
    return decode(batch.schema.field(VALUE), batch.column(VALUE))


def each_key(batch: pa.RecordBatch) -> Iterator[Any]:
    """The keys, of which only some are Python objects at a time."""
    return chain.from_iterable(map(keys_of, _slices(batch)))


def each_value(batch: pa.RecordBatch) -> Iterator[Any]:
    """The values, of which only some are Python objects at a time; None for rows without values."""
    if not has_values(batch.schema):
        return repeat(None, len(batch))
    return chain.from_iterable(map(values_of, _slices(batch)))


def each_value_at(batch: pa.RecordBatch, places: Index) -> Iterator[Any]:
    """The values of the rows at these places, of which only some are Python objects at a time."""
    if not has_values(batch.schema):
        return repeat(None, len(places))
    return each_value(batch.select([VALUE]).take(as_arrow(places)))


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    return (batch.slice(start, _ROWS_AT_ONCE) for start in range(0, len(batch), _ROWS_AT_ONCE))


def _schema(fields: Sequence[pa.Field], key_type: str) -> pa.Schema:
    return pa.schema(fields, key_metadata(key_type))
