"""A list of Python values as an Arrow column, and back, without changing any of them.

The round trip is exact: a value comes back with its type and its value. No int becomes a float, no
tuple a list. So a column is typed only where Arrow can promise that: for values of one plain type,
some of them perhaps None, and for lists of such values. All others are pickled, value by value.
Pickles are read by the slot processes of the job that wrote them, and by nothing else.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.columns.types import arrow_type

_ALWAYS_EXACT = (str, bytes, int, float, bool, date)
_PICKLED = {b"zmr": b"pickled"}


class PickleError(Exception):
    """A value that can't be kept from map to reduce. `index` is its place in the column."""

    def __init__(self, index: int, text: str) -> None:
        super().__init__(text)
        self.index = index


def encode(name: str, values: Sequence[Any], kind: type | None = None) -> tuple[pa.Field, pa.Array]:
    """The values as a column with its field. Raises `PickleError`.

    `kind` is their type, if all of them are known to have one: then they are not looked at again.
    """
    kinds: set[type] = {kind} if kind in _ALWAYS_EXACT else set(map(type, values))
    column_type = _type_of(values, kinds)
    if column_type is not None:
        try:
            return pa.field(name, column_type), _array(values, kinds, column_type)
        except (OverflowError, UnicodeEncodeError, pa.ArrowException):
            pass  # an int beyond 64 bits, a lone surrogate
    return encode_pickled(name, values)


def encode_pickled(name: str, values: Sequence[Any]) -> tuple[pa.Field, pa.Array]:
    """The values as a column of pickles with its field. Raises `PickleError`."""
    return pickled_field(name), pa.array(_pickle_all(values), pa.large_binary())


def pickled_field(name: str) -> pa.Field:
    """The field of a column of pickles."""
    return pa.field(name, pa.large_binary(), metadata=_PICKLED)


def decode(field: pa.Field, column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values of a column. Raises what the unpickling of a user's own class may raise."""
    values: list[Any] = column.to_pylist()
    return list(map(pickle.loads, values)) if is_pickled(field) else values


def is_pickled(field: pa.Field) -> bool:
    """Whether the column holds pickles."""
    return bool(field.metadata == _PICKLED)


def _array(values: Sequence[Any], kinds: set[type], column_type: pa.DataType) -> pa.Array:
    if kinds == {int}:  # numpy takes half the time
        return pa.array(np.fromiter(values, np.int64, len(values)))
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
        for value in values:
            pickled.append(pickle.dumps(value, 5))  # noqa: PERF401 - its length names the culprit
    except Exception as error:
        index = len(pickled)
        kind = type(values[index]).__name__
        raise PickleError(index, f"a value of type {kind} can't be kept: {error}") from error
    return pickled
