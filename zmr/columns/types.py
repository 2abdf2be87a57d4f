"""Which Arrow type stands for which Python type: the only table of them.

Arrow is loaded when a type is asked for and not before, so that a job that names no types is
defined at no cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from types import NoneType
from typing import Any

# By the names that pyarrow knows them by. Texts are of the large types, whose arrays have no limit.
_ARROW_NAMES = {
    str: "large_string",
    bytes: "large_binary",
    int: "int64",
    float: "float64",
    bool: "bool",
    date: "date32",
    datetime: "timestamp[us]",
    NoneType: "null",
}

# What users of `map_batch` get in a column that they gave a Python type: texts as Arrow has them
# by default.
_USERS_NAMES = {**_ARROW_NAMES, str: "string", bytes: "binary"}
del _USERS_NAMES[NoneType]


def arrow_type(kind: type) -> Any:
    """The Arrow type of columns of such values between map and reduce; None if there is none."""
    return _arrow_types().get(kind)


def arrow_types(types: Mapping[str, Any] | None) -> dict[str, Any]:
    """The Arrow types of columns that users gave types, Python's own or Arrow's, by column name.

    Raises TypeError, which names the column, for anything else.
    """
    if not types:
        return {}
    import pyarrow as pa

    found = {}
    for name, kind in types.items():
        if isinstance(kind, pa.DataType):
            found[name] = kind
        elif isinstance(kind, type) and kind in _USERS_NAMES:
            found[name] = pa.type_for_alias(_USERS_NAMES[kind])
        else:
            names = ", ".join(each.__name__ for each in _USERS_NAMES)
            raise TypeError(f"types[{name!r}] must be {names} or an Arrow type, not {kind!r}")
    return found


@cache
def _arrow_types() -> dict[type, Any]:
    import pyarrow as pa

    return {kind: pa.type_for_alias(name) for kind, name in _ARROW_NAMES.items()}
