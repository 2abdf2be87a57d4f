"""From merged groups to lines of output: where the job's reduce is called.

Lines come in pieces, each with the number of its lines. Whatever goes wrong in the job's own code
is raised as a `TaskError` that names the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from zmr.data import rows
from zmr.data.grouping import first_keys, results_column, sizes_of, states_of
from zmr.data.merge import Groups
from zmr.data.output_format import OutputFormat
from zmr.data.shown import shown
from zmr.execute.errors import users_code
from zmr.execute.progress import TaskProgress
from zmr.job import Job
from zmr.reducers import Identity, Reducer

Pair = tuple[Any, Any]
Piece = tuple[Any, int]  # bytes, number of lines

_PAIRS_AT_ONCE = 1024


class Reduction:
    """Reduces the groups of one task."""

    def __init__(self, job: Job, progress: TaskProgress) -> None:
        self._job = job
        self._progress = progress
        self._rows = 0
        self._at = "in reduce"

    def where(self) -> str:
        """For an error message: the key that the job's code was given last."""
        return self._at

    def of_groups(self, merged: Iterator[Groups]) -> Iterator[Piece]:
        """The lines of rows that are merged as columns."""
        if isinstance(self._job.reduce, Identity):
            return self._as_they_are(merged)
        if isinstance(self._job.reduce, Reducer):
            return self._declarative(self._job.reduce, merged)
        return self._lines(self._reduced(_KeyedValues(merged, self._enter)))

    def of_pairs(self, pairs: Iterator[Pair]) -> Iterator[Piece]:
        """The lines of rows that are merged one by one."""
        from itertools import groupby
        from operator import itemgetter

        if isinstance(self._job.reduce, Identity):
            return self._lines(pairs)
        groups = groupby(pairs, itemgetter(0))
        values = ((key, map(itemgetter(1), group)) for key, group in groups)
        if isinstance(self._job.reduce, Reducer):
            return self._lines(_merged(self._job.reduce, values))
        return self._lines(self._reduced(values))

    def _lines(self, pairs: Iterator[Pair]) -> Iterator[Piece]:
        return lines_of(pairs, self._job.output, self.where)

    def _as_they_are(self, merged: Iterator[Groups]) -> Iterator[Piece]:
        for groups in merged:
            self._enter(len(groups.batch), iter(()))
            batch = groups.sorted()
            names = [name for name in batch.schema.names if name != rows.VALUE]
            data = self._job.output.encode_columns(batch.select(names), batch.column(rows.VALUE))
            if data is None:
                pairs = list(zip(rows.keys_of(batch), rows.values_of(batch), strict=True))
                with users_code(lambda: "in turning keys and values into bytes"):
                    data = self._job.output.encode_pairs(pairs)
            yield data, len(batch)

    def _reduced(self, groups: Iterable[tuple[Any, Iterator[Any]]]) -> Iterator[Pair]:
        reduce = self._job.reduce
        for key, values in groups:
            self._at = f"in reduce, key {shown(key)}"
            result = reduce(key, values)
            if result is not None:
                yield from result
            for _ in values:  # what reduce left must not be taken for the next key's
                pass

    def _declarative(self, reducer: Reducer, merged: Iterator[Groups]) -> Iterator[Piece]:
        carried: Any = None  # the state of the last key, if it goes on
        for groups in merged:
            self._enter(len(groups.batch), iter(()))
            column = None
            if carried is None and not groups.goes_on:
                column = results_column(reducer, groups)
            encode = self._job.output.encode_columns
            data = None if column is None else encode(first_keys(groups), column)
            if data is not None:
                yield data, len(groups.starts)
                continue
            with users_code(self.where):
                states = states_of(reducer, groups, are_partials=True)
                if carried is not None:
                    states[0] = reducer.merge(carried, reducer.partial(states[0]))
                carried = states.pop() if groups.goes_on else None
                keys = rows.keys_of(first_keys(groups))
                pairs = [(k, reducer.result(s)) for k, s in zip(keys, states, strict=False)]
            with users_code(lambda: "in turning keys and values into bytes"):
                data = self._job.output.encode_pairs(pairs)
            yield data, len(pairs)

    def _enter(self, n_rows: int, values: Iterator[Any]) -> None:
        self._rows += n_rows
        self._progress.enter(self._rows, 0, values)


def lines_of(pairs: Iterator[Pair], output: OutputFormat, where: Any) -> Iterator[Piece]:
    """The bytes of pairs that the job's own code makes while they are asked for."""
    while True:
        with users_code(where):
            chunk = list(islice(pairs, _PAIRS_AT_ONCE))
        if not chunk:
            return
        with users_code(lambda: "in turning keys and values into bytes"):
            data = output.encode_pairs(chunk)
        yield data, len(chunk)


def _merged(reducer: Reducer, groups: Iterable[tuple[Any, Iterator[Any]]]) -> Iterator[Pair]:
    for key, partials in groups:
        state = reducer.initial()
        for partial in partials:
            state = reducer.merge(state, partial)
        yield key, reducer.result(state)


class _KeyedValues:
    """Each key of the groups with an iterator over its values, to be used up in turn."""

    def __init__(self, merged: Iterator[Groups], enter: Any) -> None:
        self._merged = merged
        self._enter = enter

    def __iter__(self) -> Iterator[tuple[Any, Iterator[Any]]]:
        for groups in self._merged:
            keys = rows.keys_of(first_keys(groups))
            values = self._values(groups)
            sizes = sizes_of(groups).tolist()
            last = len(keys) - 1
            for position, (key, size) in enumerate(zip(keys, sizes, strict=True)):
                group = islice(values, size)
                if position == last and groups.goes_on:
                    yield key, chain(group, self._more())
                else:
                    yield key, group

    def _more(self) -> Iterator[Any]:
        """The values of a key that goes on, up to its last."""
        for groups in self._merged:
            yield from self._values(groups)
            if not groups.goes_on:
                return

    def _values(self, groups: Groups) -> Iterator[Any]:
        values = iter(rows.values_of(groups.sorted()))
        self._enter(len(groups.batch), values)
        return values
