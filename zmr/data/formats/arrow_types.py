"""The column types that users name: Python's own, or any of Arrow's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa

_ARROW_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    bytes: pa.binary(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    date: pa.date32(),
    datetime: pa.timestamp("us"),
}


def arrow_types(types: Mapping[str, Any]) -> dict[str, pa.DataType]:
    """The Arrow types of columns, by name. Raises TypeError, which names the column."""
    found = {}
    for name, kind in types.items():
        found[name] = kind if isinstance(kind, pa.DataType) else _ARROW_TYPES.get(kind)
        if found[name] is None:
            known = ", ".join(each.__name__ for each in _ARROW_TYPES)
            raise TypeError(f"types[{name!r}] must be {known} or an Arrow type, not {kind!r}")
    return found
