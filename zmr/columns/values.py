"""A list of Python values as an Arrow column, and back, without changing any of them.

The round trip is exact: a value comes back with its type and its value. No int becomes a float, no
tuple a list. So a column is typed only where Arrow can promise that: for values of one plain type,
some of them perhaps None, and for lists of such values. Values of several such types are in a mixed
column (`zmr.columns.mixed`). All others are pickled, value by value, within a mixed column if there
are typed ones too.
Pickles are read by the slot processes of the job that wrote them, and by nothing else.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import chain, repeat
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.columns import mixed
from zmr.columns.arrays import as_arrow
from zmr.columns.types import arrow_type
from zmr.errors import PickleError

_ALWAYS_EXACT = (str, bytes, int, float, bool, date)
_PICKLED = {b"zmr": b"pickled"}
_MOST_AT_ONCE = 4096
_ODD = (int, str, datetime)  # the types of which single values may be beyond Arrow's
_MOST_KINDS = 8  # in a mixed column


def encode(
    name: str, values: Sequence[Any], kind: type | None = None, is_key: bool = False
) -> tuple[pa.Field, pa.Array]:
    """The values as a column with its field. Raises `PickleError`.

    `kind` is their type, if all of them are known to have one: then they are not looked at again.
    A column of keys is pickled as a whole if they are of several types.
    """
    if len(values) > _MOST_AT_ONCE:
        return _encode_pieces(name, values, kind, is_key)
    kinds: set[type] = {kind} if kind in _ALWAYS_EXACT else set(map(type, values))
    column_type = _type_of(values, kinds)
    if column_type is not None:
        try:
            return pa.field(name, column_type), _array(values, kinds, column_type)
        except (OverflowError, UnicodeEncodeError, pa.ArrowException):
            pass  # an int beyond 64 bits, a lone surrogate
    if not is_key or _may_be_mixed_keys(values, kinds):
        column = _encode_mixed(values, kinds - {NoneType}, is_key)
        if column is not None:
            return pa.field(name, column.type), column
    return encode_pickled(name, values)


def _encode_pieces(
    name: str, values: Sequence[Any], kind: type | None, is_key: bool
) -> tuple[pa.Field, pa.Array]:
    """The same for many values: what is odd about one is looked for only in its piece."""
    columns: list[pa.Array] = []
    for start in range(0, len(values), _MOST_AT_ONCE):
        try:
            field, column = encode(name, values[start : start + _MOST_AT_ONCE], kind, is_key)
        except PickleError as error:
            raise PickleError(start + error.index, str(error)) from error
        if is_key and is_pickled(field):
            return encode_pickled(name, values)
        columns.append(mixed.of_pickles(column) if is_pickled(field) else column)
    column_type = mixed.common_type([column.type for column in columns])
    column = pa.concat_arrays([mixed.widened(column, column_type) for column in columns])
    return pa.field(name, column_type), column


def encode_pickled(name: str, values: Sequence[Any]) -> tuple[pa.Field, pa.Array]:
    """The values as a column of pickles with its field. Raises `PickleError`."""
    return pickled_field(name), pa.array(_pickle_all(values), pa.large_binary())


def as_column(values: Sequence[Any]) -> pa.Array:
    """The values as a column, which is a mixed one if any is pickled. Raises `PickleError`."""
    field, column = encode("", values)
    return mixed.of_pickles(column) if is_pickled(field) else column


def pickled_field(name: str) -> pa.Field:
    """The field of a column of pickles."""
    return pa.field(name, pa.large_binary(), metadata=_PICKLED)


def decode(field: pa.Field, column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column. Raises what the unpickling of a user's own class may raise."""
    if is_pickled(field):
        return list(map(pickle.loads, column.to_pylist()))
    return mixed.to_pylist(column)


def is_pickled(field: pa.Field) -> bool:
    """Whether the column holds pickles."""
    return bool(field.metadata == _PICKLED)


def _may_be_mixed_keys(keys: Sequence[Any], kinds: set[type]) -> bool:
    """Whether keys of which some are beyond Arrow's types can still be sorted as columns."""
    kinds = kinds - {NoneType}
    if kinds == {datetime}:  # in one time zone, they don't compare as moments do
        return all(key is None or key.tzinfo is None for key in keys)
    return bool(kinds in ({int}, {str}))


def _encode_mixed(values: Sequence[Any], kinds: set[type], is_key: bool) -> pa.Array | None:
    """The values as a mixed column; None for values of which none has an Arrow type."""
    if len(kinds) > _MOST_KINDS:
        return None
    types = list(map(type, values))
    parts: list[mixed.Part] = []
    odd: list[int] = []
    for kind in kinds:
        rows = [row for row, its_type in enumerate(types) if its_type is kind]
        others = {row for row in rows if not _fits(values[row], kind)} if kind in _ODD else set()
        odd += others
        rows = [row for row in rows if row not in others] if others else rows
        some = [values[row] for row in rows]
        column_type = _type_of(some, {kind}) if some else None
        if column_type is None:
            odd += rows
            continue
        try:
            parts.append((np.array(rows), _array(some, {kind}, column_type)))
        except (OverflowError, UnicodeEncodeError, pa.ArrowException):  # in lists
            odd += rows
    if not parts and not (is_key and odd):
        return None
    if odd:
        odd.sort()
        try:
            pickles = pa.array(_pickle_all([values[row] for row in odd]), pa.large_binary())
        except PickleError as error:
            raise PickleError(odd[error.index], str(error)) from error
        parts.append((np.array(odd), mixed.of_pickles(pickles)))
    return mixed.put_together(len(values), parts)


def _fits(value: Any, kind: type) -> bool:
    """Whether a column of the kind's Arrow type can hold the value as it is."""
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is str:
        return bool(value.isascii()) or not any("\ud800" <= char <= "\udfff" for char in value)
    return kind is not datetime or (value.tzinfo is None and not value.fold)


def _array(values: Sequence[Any], kinds: set[type], column_type: pa.DataType) -> pa.Array:
    if kinds == {int}:  # numpy takes half the time
        return as_arrow(np.fromiter(values, np.int64, len(values)))
    return pa.array(values, column_type, from_pandas=False)


def _type_of(values: Sequence[Any], kinds: set[type]) -> pa.DataType | None:
    """The Arrow type that holds all of the values as they are, if there is one."""
    if kinds == {list}:
        return _type_of_lists(values)
    kind = _only_one(kinds)
    if kind is datetime and _beyond_arrow(values):
        return None
    return arrow_type(kind) if kind is not None else None


def _type_of_lists(lists: Sequence[list[Any]]) -> pa.DataType | None:
    elements = list(chain.from_iterable(lists))
    kinds = set(map(type, elements))
    if len(kinds) != 1 or (kinds == {datetime} and _beyond_arrow(elements)):
        return None
    element_type = arrow_type(kinds.pop())
    return None if element_type is None else pa.large_list(element_type)


def _only_one(kinds: set[type]) -> type | None:
    """The one type there is, if there is one; any may come with None."""
    if len(kinds) == 2:
        kinds = kinds - {NoneType}
    return next(iter(kinds)) if len(kinds) == 1 else None


def _beyond_arrow(moments: Iterable[datetime | None]) -> bool:
    return any(m is not None and (m.tzinfo is not None or m.fold) for m in moments)


def _pickle_all(values: Sequence[Any]) -> list[bytes]:
    pickled: list[bytes] = []
    try:
        pickled.extend(map(pickle.dumps, values, repeat(5)))  # its length names the culprit
    except Exception as error:
        index = len(pickled)
        raise PickleError.of(index, values[index], error) from error
    return pickled
