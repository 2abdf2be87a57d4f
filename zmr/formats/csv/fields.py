"""What becomes of the fields of CSV. Arrow is loaded when a type is asked for and not before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from zmr.columns.types import arrow_types


class Conversion(NamedTuple):
    """The Arrow types of columns, those in which Arrow reads them first, and words for None."""

    types: dict[str, Any]
    first_types: dict[str, Any]
    nulls: tuple[str, ...]


class Selection(NamedTuple):
    """Which columns of a file records have."""

    columns: tuple[str, ...] = ()  # what the user has said; (): all
    used: frozenset[str] | None = None  # what is looked at; None: perhaps all

    def of(self, names: Sequence[str], typed: Collection[str]) -> list[str]:
        """Those of the names, at least one. What has a type is checked, looked at or not."""
        columns = self.columns or names
        if self.used is None:
            return list(columns)
        used = [name for name in columns if name in self.used or name in typed]
        return used or list(columns[:1])


def conversion(types: Mapping[str, Any] | None, nulls: tuple[str, ...]) -> Conversion:
    """That of columns that users gave types. Raises TypeError, which names the column."""
    found = arrow_types(types)
    first = {name: _first_type(kind) for name, kind in found.items()}
    for name, kind in first.items():
        if kind is None:
            raise TypeError(f"types[{name!r}]: no field of CSV stands for {found[name]}")
    return Conversion(found, first, nulls)


def _first_type(kind: Any) -> Any:
    """The type in which Arrow's parser reads what a cast makes values of this type, if any."""
    import pyarrow as pa

    types = pa.types
    if types.is_nested(kind) or types.is_interval(kind) or types.is_union(kind):
        return None
    if types.is_float16(kind):
        return pa.float32()
    if types.is_decimal(kind):
        return pa.decimal128(min(kind.precision, 38), kind.scale) if kind.scale <= 38 else None
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_run_end_encoded(kind):
        return None
    return kind
