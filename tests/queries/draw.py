"""Tables and queries, drawn from a seed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa

from zmr import Collect, Count, Distinct, Max, Mean, Min, Reducer, Sum, Top

# What a column may hold, and how SQL calls it.
TYPES: dict[str, tuple[pa.DataType, str]] = {
    "small": (pa.int64(), "BIGINT"),
    "large": (pa.int64(), "BIGINT"),
    "fraction": (pa.float64(), "DOUBLE"),
    "text": (pa.string(), "VARCHAR"),
    "long text": (pa.string(), "VARCHAR"),
    "flag": (pa.bool_(), "BOOLEAN"),
    "day": (pa.date32(), "DATE"),
}
NUMBERS = ("small", "large", "fraction")

# What stands between tab, quotes, delimiters and characters of one to four bytes.
_LETTERS = [
    "a",
    "b",
    "B",
    " ",
    "\t",
    '"',
    ",",
    "'",
    "\n",
    "é",
    "ß",
    "\u2028",
    "漢",
    "🙂",
    "\\",
    "0",
]


@dataclass(frozen=True)
class Table:
    """Columns by their names; `kinds` are those of `TYPES`."""

    kinds: dict[str, str]
    rows: list[dict[str, Any]]

    @property
    def schema(self) -> pa.Schema:
        """Of the Arrow table."""
        return pa.schema([(name, TYPES[kind][0]) for name, kind in self.kinds.items()])

    def to_arrow(self) -> pa.Table:
        """The same, as Arrow's."""
        return pa.Table.from_pylist(self.rows, self.schema)


@dataclass(frozen=True)
class Aggregate:
    """What is made of the values of a key."""

    name: str
    sql: str  # with {v} in the place of the column
    reducer: Callable[[], Reducer]
    numbers_only: bool = False


AGGREGATES = (
    Aggregate("sum", "sum({v})", Sum, numbers_only=True),
    Aggregate("mean", "avg({v})", Mean, numbers_only=True),
    Aggregate("count", "count({v})", Count),
    Aggregate("min", "min({v})", Min),
    Aggregate("max", "max({v})", Max),
    Aggregate("distinct", "list(DISTINCT {v} ORDER BY {v})", Distinct),
    Aggregate("top", "list({v} ORDER BY {v} DESC)[:3]", lambda: Top(3)),
    Aggregate("collect", "list({v} ORDER BY n)", Collect),
)


@dataclass(frozen=True)
class Query:
    """SELECT keys, aggregate(value) ... WHERE column = literal GROUP BY keys."""

    keys: tuple[str, ...]
    value: str
    aggregate: Aggregate
    where: tuple[str, Any] | None  # rows in which this column has this value
    with_nulls: frozenset[str]  # columns that have some

    def sql(self, table: str) -> tuple[str, list[Any]]:
        """The statement, and its parameters. Rows without a value take no part, as in zmr."""
        given: list[Any] = []
        conditions = [f"{self.value} IS NOT NULL"]
        if self.where is not None:
            conditions.append(f"{self.where[0]} = ?")
            given.append(self.where[1])
        made = self.aggregate.sql.format(v=self.value)
        keys = ", ".join(self.keys)
        where = " AND ".join(conditions)
        return f"SELECT {keys}, {made} FROM {table} WHERE {where} GROUP BY {keys}", given


def draw_table(rng: Random, types: Sequence[str]) -> Table:
    """Draw up to 300 rows of three to six columns; `n` numbers them."""
    kinds = {"n": "small"}
    for name in "abcde"[: rng.randint(2, 5)]:
        kinds[name] = rng.choice(types)
    values = {name: _values(rng, kind) for name, kind in kinds.items()}
    nulls = {name: rng.choice([0.0, 0.0, 0.1, 0.9]) for name in kinds}
    rows = [
        {name: None if rng.random() < nulls[name] else rng.choice(values[name]) for name in kinds}
        | {"n": number}
        for number in range(rng.choice([0, 1, 7, 60, 300]))
    ]
    return Table(kinds, rows)


def _values(rng: Random, kind: str) -> list[Any]:
    """What the column's values are chosen from."""
    n = rng.choice([1, 3, 20, 200])
    match kind:
        case "small":
            return [rng.randint(-5, 20) for _ in range(n)]
        case "large":
            edges = [2**63 - 1, -(2**63), 0, 2**53 + 1]
            return [rng.choice([rng.randint(-(2**63), 2**63 - 1), *edges]) for _ in range(n)]
        case "fraction":
            fractions = [0.1, 0.2, 1e-300, 3.0, -0.0, 1e6]
            return [rng.choice([rng.uniform(-10, 10), *fractions]) for _ in range(n)]
        case "flag":
            return [False, True]
        case "day":
            first = dt.date(1969, 12, 25).toordinal()
            return [dt.date.fromordinal(first + rng.randint(0, 20 * n)) for _ in range(n)]
    longest = 400 if kind == "long text" else 6
    return ["".join(rng.choice(_LETTERS) for _ in range(rng.randint(0, longest))) for _ in range(n)]


def draw_query(rng: Random, table: Table) -> Query:
    """Draw a query that the table can answer."""
    names = list(table.kinds)
    key_names = [name for name in names if table.kinds[name] != "fraction"]
    keys = rng.sample(key_names, min(rng.choice([1, 1, 2, 3]), len(key_names)))
    aggregate = rng.choice(AGGREGATES)
    fitting = [name for name in names if not aggregate.numbers_only or table.kinds[name] in NUMBERS]
    where = None
    if table.rows and rng.random() < 0.4:
        name = rng.choice([name for name in names if table.kinds[name] != "fraction"])
        value = rng.choice(table.rows)[name]
        where = None if value is None else (name, value)
    with_nulls = frozenset(n for n in keys if any(row[n] is None for row in table.rows))
    return Query(tuple(keys), rng.choice(fitting), aggregate, where, with_nulls)
