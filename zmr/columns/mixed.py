"""Columns of values of several kinds, each of them in the Arrow type that is its own.

A *mixed* column is a struct with a child for each of these types, and perhaps one of pickles for
what no type of Arrow's holds exactly. In each row at most one child has a value; where none has,
the value is None. So what few values are does not change how the others are kept and worked on.

Keys are mixed too: those of one Python type, of which some are beyond Arrow's (integers beyond 64
bits, strings with lone surrogates, moments with `fold`). These are pickled. In any column of keys,
mixed or not, nulls are None.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns.arrays import Index, as_arrow

_PREFIX = "zmr:"
PICKLES = f"{_PREFIX}pickles"

_NO_ROWS = np.zeros(0, np.int64)

Kinds = npt.NDArray[np.int64]  # the child that has the value of each row; -1 for None
Part = tuple[Index, pa.Array]  # values, and the rows that they are of


def is_mixed(kind: pa.DataType) -> bool:
    """Whether columns of this type are mixed."""
    return bool(
        pa.types.is_struct(kind) and kind.num_fields and kind.field(0).name.startswith(_PREFIX)
    )


def of_pickles(pickles: pa.Array) -> pa.Array:
    """A mixed column of pickles alone."""
    return pa.StructArray.from_arrays([pickles], [PICKLES])


def children_of(column: pa.Array) -> dict[str, pa.Array]:
    """The children by name, that of pickles last; of a plain column, itself."""
    kind = column.type
    if pa.types.is_null(kind):
        return {}
    if not is_mixed(kind):
        return {f"{_PREFIX}{kind}": column}
    return {kind.field(i).name: column.field(i) for i in range(kind.num_fields)}


def kinds_of(column: pa.Array) -> Kinds:
    """Which child each row of a column has its value in."""
    kinds = np.full(len(column), -1)
    for number, child in enumerate(children_of(column).values()):
        kinds[has_value(child)] = number
    return kinds


def has_value(column: pa.Array) -> Index:
    """The rows that have a value."""
    if not column.null_count:
        return np.arange(len(column))
    return np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))


def none_rows(column: pa.Array) -> Index:
    """The rows whose value is None."""
    if is_mixed(column.type):
        return np.flatnonzero(kinds_of(column) < 0)
    if not column.null_count:
        return _NO_ROWS
    return np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))


def common_type(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """The type of columns that hold all that columns of these types do."""
    found = {kind for kind in kinds if not pa.types.is_null(kind)}
    if not found:
        return pa.null()
    if len(found) == 1:
        return found.pop()
    fields: dict[str, pa.DataType] = {}
    for kind in found:
        fields |= {name: child.type for name, child in children_of(pa.nulls(0, kind)).items()}
    return pa.struct(sorted(fields.items(), key=lambda item: (item[0] == PICKLES, item[0])))


def widened(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column in a common type of its own and others."""
    if column.type == kind:
        return column
    if not is_mixed(kind):
        return column.cast(kind)
    return _from_children(children_of(column), kind, len(column))


def put_together(n_rows: int, parts: Sequence[Part]) -> pa.Array:
    """One column of parts. No row is in two of them; those that are in none are None."""
    some = [part for part in parts if len(part[0]) and not pa.types.is_null(part[1].type)]
    kind = common_type([column.type for _, column in some])
    places = np.full(n_rows, -1)
    first = 0
    for rows, _ in some:
        places[rows] = np.arange(first, first + len(rows))
        first += len(rows)
    if not some:
        return pa.nulls(n_rows)
    column = pa.concat_arrays([widened(column, kind) for _, column in some])
    taken = column.take(as_arrow(places, places >= 0))
    if not is_mixed(kind) or not taken.null_count:
        return taken
    # A null of the struct is to be one of its children: these are all there is.
    names = [kind.field(i).name for i in range(kind.num_fields)]
    return _from_children(dict(zip(names, taken.flatten(), strict=True)), kind, n_rows)


def to_pylist(column: pa.Array) -> list[Any]:
    """The values. Unpickling may raise anything."""
    if not is_mixed(column.type):
        values: list[Any] = column.to_pylist()
        return values
    found: list[Any] = [None] * len(column)
    for name, child in children_of(column).items():
        rows = has_value(child)
        some = child.take(as_arrow(rows)).to_pylist()
        if name == PICKLES:
            some = list(map(pickle.loads, some))
        if len(some) == len(found):
            return some  # type: ignore[no-any-return]
        for row, value in zip(rows.tolist(), some, strict=True):
            found[row] = value
    return found


def odd_keys(column: pa.Array) -> tuple[pa.Array | None, Index, list[Any]]:
    """Of a mixed column of keys: the plain child, if any, and the other rows with their keys."""
    plain, pickles = None, pa.nulls(len(column), pa.large_binary())
    for name, child in children_of(column).items():
        if name == PICKLES:
            pickles = child
        else:
            plain = child
    rows = has_value(pickles)
    return plain, rows, list(map(pickle.loads, pickles.take(as_arrow(rows)).to_pylist()))


def comparable(keys: Sequence[Any]) -> pa.Array | None:
    """A plain column that compares as these odd keys do, and as their plain ones; None for ints."""
    if isinstance(keys[0], str):
        texts = [key.encode("utf-8", "surrogatepass") for key in keys]
        return pa.array(texts, pa.large_binary())
    if isinstance(keys[0], datetime):  # without time zones, they are equal whatever `fold` is
        return pa.array([key.replace(fold=0) for key in keys], pa.timestamp("us"))
    return None


def _from_children(
    children: Mapping[str, pa.Array], kind: pa.DataType, n_rows: int
) -> pa.StructArray:
    fields = [kind.field(i) for i in range(kind.num_fields)]
    columns = [
        children[field.name] if field.name in children else pa.nulls(n_rows, field.type)
        for field in fields
    ]
    return pa.StructArray.from_arrays(columns, fields=fields)
