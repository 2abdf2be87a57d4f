"""The column types that users name: Python's own, or any of Arrow's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any


def arrow_types(types: Mapping[str, Any] | None) -> dict[str, Any]:
    """The Arrow types of columns, by name. Raises TypeError, which names the column.

    Arrow is loaded only if there are any, so that a job that has none is defined at no cost.
    """
    if not types:
        return {}
    import pyarrow as pa

    known = {
        str: pa.string(),
        bytes: pa.binary(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        date: pa.date32(),
        datetime: pa.timestamp("us"),
    }
    found = {}
    for name, kind in types.items():
        found[name] = kind if isinstance(kind, pa.DataType) else known.get(kind)
        if found[name] is None:
            names = ", ".join(each.__name__ for each in known)
            raise TypeError(f"types[{name!r}] must be {names} or an Arrow type, not {kind!r}")
    return found
