"""Of which types the keys and values of a text output are, so that they can be read back as such.

A type is noted only where its text says exactly which value it was: one of the scalar types, alone
or with None, or a tuple of such elements, `(str, int or None)`. The names are those of
`zmr.key_types`. All else, values of several types included, is `TEXT`: it is read back as the text
that it was written as.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from types import NoneType
from typing import TYPE_CHECKING, Any

from zmr.fields import TYPE_NAME_LENGTH
from zmr.key_types import common_type

if TYPE_CHECKING:
    import pyarrow as pa

TEXT = "str"

# By its full name, what the plain value of each numpy scalar is that is written as one.
NUMPY_SCALARS = {
    **dict.fromkeys(("numpy.int32", "numpy.int64", "numpy.uint32", "numpy.uint64"), "int"),
    **dict.fromkeys(("numpy.float32", "numpy.float64"), "float"),
    **dict.fromkeys(("numpy.bool", "numpy.bool_"), "bool"),
    "numpy.str_": "str",
    "numpy.bytes_": "bytes",
}
_NAMES = {
    **{f"builtins.{name}": name for name in ("str", "bytes", "int", "float", "bool")},
    **{f"datetime.{name}": name for name in ("date", "datetime")},
    "decimal.Decimal": "Decimal",
    "uuid.UUID": "UUID",
    **NUMPY_SCALARS,
}

# Where None and a value have one text, in a field that is no JSON.
_AMBIGUOUS = ("str or None", "bytes or None")


def common(one: str, other: str) -> str:
    """The type as which both values of the one type and of the other are read; "": no values."""
    if not one or not other:
        return one or other
    return _readable(common_type(one, other))


def type_of_values(values: Sequence[Any], kinds: set[type]) -> str:
    """The type of the values, which are of these kinds."""
    return _readable(_exact(values, kinds)) if values else ""


def types_of_columns(keys: Sequence[pa.Array], are_tuples: bool, values: pa.Array) -> list[str]:
    """The types of keys, one or, for tuples, a column for each element, and of values."""
    if not len(values):
        return ["", ""]
    of_keys = list(map(_exact_of_column, keys))
    key_type = _of_tuple(of_keys) if are_tuples else of_keys[0]
    return [_readable(key_type), _readable(_exact_of_column(values))]


def _readable(name: str | None) -> str:
    return TEXT if name is None or name in _AMBIGUOUS or len(name) > TYPE_NAME_LENGTH else name


def _exact(values: Sequence[Any], kinds: set[type]) -> str | None:
    """The one type that all the values have exactly, if there is one."""
    if kinds == {tuple}:
        if len(set(map(len, values))) > 1:
            return None
        return _of_tuple([_exact(part, set(map(type, part))) for part in zip(*values, strict=True)])
    names = {_NAMES.get(f"{kind.__module__}.{kind.__qualname__}") for kind in kinds - {NoneType}}
    if not names:
        return "None"
    name = names.pop()
    if name is None or names or (datetime in kinds and any(map(_is_beyond_text, values))):
        return None
    return common_type(name, "None") if NoneType in kinds else name


def _of_tuple(elements: Sequence[str | None]) -> str | None:
    names = [name for name in elements if name is not None and not name.startswith("(")]
    return f"({', '.join(names)})" if len(names) == len(elements) else None


def _is_beyond_text(moment: datetime | None) -> bool:
    """Whether the text does not say all of it: it has no names of time zones, and no fold."""
    return moment is not None and (moment.tzinfo is not None or bool(moment.fold))


def _exact_of_column(column: pa.Array) -> str | None:
    """The same of the values of a column, of which there are some."""
    from zmr.columns.mixed import PICKLES, children_of, has_value, is_mixed, none_rows, to_pylist

    if not is_mixed(column.type):
        name = _name_of(column.type)
        return common_type(name, "None") if name is not None and column.null_count else name
    names: list[str | None] = ["None"] if len(none_rows(column)) else []
    for child_name, child in children_of(column).items():
        rows = has_value(child)
        if not len(rows):
            continue
        if child_name == PICKLES:
            values = to_pylist(column.take(_indexes(rows)))
            names.append(_exact(values, set(map(type, values))))
        else:
            names.append(_name_of(child.type))
    return _common_of(names)


def _indexes(rows: Any) -> pa.Array:
    import pyarrow as pa

    return pa.array(rows)


def _common_of(names: Iterable[str | None]) -> str | None:
    def both(one: str | None, other: str | None) -> str | None:
        return None if one is None or other is None else common_type(one, other)

    return reduce(both, names)


def _name_of(kind: pa.DataType) -> str | None:
    """The name of the Python type of values in columns of this Arrow type."""
    import pyarrow as pa

    from zmr.columns.types import arrow_type
    from zmr.key_types import COLUMN_TYPES

    if pa.types.is_null(kind):
        return "None"
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return "str" if pa.types.is_string(kind) else "bytes"
    return next((each.__name__ for each in COLUMN_TYPES if arrow_type(each) == kind), None)
