"""Rows of columns as dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

Records = list[dict[str, Any]]

_MOST_NAMES = 200  # Python compiles what is longer in too much time


def dicts_of(names: Sequence[str], columns: Iterable[Sequence[Any]]) -> Records:
    """A dict for each row, by these names. Columns are equally long, and there is one at least."""
    rows = zip(*columns, strict=True)
    if len(names) > _MOST_NAMES:
        return [dict(zip(names, row, strict=True)) for row in rows]
    return _maker(tuple(map(str, names)))(rows)


@lru_cache(maxsize=64)
def _maker(names: tuple[str, ...]) -> Callable[[Iterator[tuple[Any, ...]]], Records]:
    """A function that makes the dicts: with the names in its code, in less than half of the time.

    The names are there as literals, whatever their characters are.
    """
    fields = [f"f{i}" for i in range(len(names))]
    items = ", ".join(f"{name!r}: {field}" for name, field in zip(names, fields, strict=True))
    make: Callable[[Iterator[tuple[Any, ...]]], Records] = eval(
        f"lambda rows: [{{{items}}} for {', '.join(fields)}, in rows]"
    )
    return make
