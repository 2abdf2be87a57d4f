"""From merged groups to lines of output: where the job's reduce is called.

Lines come in pieces, each with the number of its lines. Whatever goes wrong in the job's own code
is raised as a `TaskError` that names the key.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.groups import Groups
from zmr.columns.mixed import to_pylist
from zmr.columns.schema import concat_unified
from zmr.columns.values import is_pickled
from zmr.display import short_repr
from zmr.formats.output_writer import OutputWriter
from zmr.formats.pairs import PairsOutput
from zmr.job import Job
from zmr.reducers import Identity, Reducer
from zmr.reducers.grouped import partials_of, results_of
from zmr.tasks.errors import LookAgain, users_code
from zmr.tasks.progress import TaskProgress
from zmr.tasks.sorted_values import by_key, sorts_values
from zmr.tasks.yielded import FIXED, iterated, line_of, parts_can_change, taken

Pair = tuple[Any, Any]
KeyedValues = Iterable[tuple[Any, Iterator[Any]]]
Piece = tuple[Any, int]  # bytes, number of lines
Take = Callable[[Iterator[Pair], int], list[Pair]]  # so many pairs, or fewer

_PAIRS_AT_ONCE = 1024
_BYTES_AT_ONCE = 1 << 20
_ROWS_AT_ONCE = 4096
_NO_KEY = object()
_WRITING = "in turning keys and values into bytes"


class Reduction:
    """Reduces the groups of one task."""

    def __init__(self, job: Job, writer: OutputWriter, progress: TaskProgress) -> None:
        self._reduce = job.reduce
        self._sorts_values = sorts_values(job)
        self._writer = writer
        self._progress = progress
        self._rows = 0
        self._key: Any = _NO_KEY  # the one that is being reduced
        self._result: Iterator[Any] = iter(())  # of reduce

    def of_groups(self, merged: Iterator[Groups]) -> Iterator[Piece]:
        """The lines of rows that are merged as columns."""
        if isinstance(self._reduce, Identity):
            return self._as_they_are(merged)
        if isinstance(self._reduce, Reducer):
            return self._declarative(self._reduce, merged)
        return self._users_lines(self._reduced(self._keyed(merged)))

    def of_pairs(self, pairs: Iterator[tuple[Any, bytes]]) -> Iterator[Piece]:
        """The lines of rows that are merged one by one, keys with pickled values."""
        pairs = self._counted(pairs)
        if isinstance(self._reduce, Identity):
            return self._lines((key, pickle.loads(value)) for key, value in pairs)
        groups = groupby(pairs, itemgetter(0))
        keyed = ((key, map(pickle.loads, map(itemgetter(1), group))) for key, group in groups)
        if isinstance(self._reduce, Reducer):
            return self._lines(self._merged(self._reduce, keyed))
        return self._users_lines(self._reduced(keyed))

    def finished(self, finish: Callable[[], Any]) -> Iterator[Piece]:
        """The lines of what finish_reduce gives, which is called when they are asked for."""

        def pairs() -> Iterator[Pair]:
            self._result = iterated(finish(), "finish_reduce")
            yield from self._result

        place = "in finish_reduce"
        return users_lines(pairs(), self._writer, lambda: place, lambda: line_of(self._result))

    def _users_lines(self, pairs: Iterator[Pair]) -> Iterator[Piece]:
        return users_lines(pairs, self._writer, self._where, lambda: line_of(self._result))

    def _lines(self, pairs: Iterator[Pair]) -> Iterator[Piece]:
        return lines_of(pairs, self._writer, self._where)

    def _as_they_are(self, merged: Iterator[Groups]) -> Iterator[Piece]:
        for groups in merged:
            self._enter(groups.n_rows, iter(()))
            for piece in groups.pieces():
                yield from lines_of_rows(piece, self._writer)
            del groups, piece  # they make room for the next

    # --- the job's own reduce ---

    def _reduced(self, groups: KeyedValues) -> Iterator[Pair]:
        for key, values in by_key(groups) if self._sorts_values else groups:
            self._key = key
            self._result = iterated(self._reduce(key, values), "reduce")
            yield from self._result
            for _ in values:  # what reduce left must not be taken for the next key's
                pass

    def _keyed(self, merged: Iterator[Groups]) -> KeyedValues:
        """Each key with an iterator over its values, to be used up in turn."""
        for groups in merged:
            values = self._values(groups)
            last = len(groups) - 1
            sizes = groups.values().sizes()
            for place, key in enumerate(rows.each_key(groups.keys())):
                group: Iterator[Any] = islice(values, int(sizes[place]))
                if place == last and groups.goes_on:
                    group = chain(group, self._more(merged))
                yield key, group

    def _more(self, merged: Iterator[Groups]) -> Iterator[Any]:
        """The values of a key that goes on, up to its last."""
        for groups in merged:
            yield from self._values(groups)
            if not groups.goes_on:
                return

    def _values(self, groups: Groups) -> Iterator[Any]:
        batch = groups.in_order()
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            some = batch.slice(start, _ROWS_AT_ONCE)
            values = iter(rows.values_of(some))
            self._enter(len(some), values)
            yield from values

    # --- declarative reducers ---

    def _declarative(self, reducer: Reducer, merged: Iterator[Groups]) -> Iterator[Piece]:
        goes_on: pa.RecordBatch | None = None  # the partial of a key that isn't complete
        for groups in merged:
            with users_code(self._where):
                partials = partials_of(reducer, groups, are_partials=True)
                if goes_on is not None:
                    partials = _continued(reducer, goes_on, partials)
                n = len(partials) - groups.goes_on
                goes_on = partials.slice(n) if groups.goes_on else None
                complete = partials.slice(0, n)
                n_rows = groups.n_rows
                del groups, partials  # they make room for what is made of them
                results = results_of(reducer, complete)
            with users_code(lambda: _WRITING):
                data = _bytes_of(complete, results, self._writer)
            self._enter(n_rows, iter(()))
            del complete, results  # they make room for the next
            yield data, n
            del data

    def _merged(self, reducer: Reducer, groups: KeyedValues) -> Iterator[Pair]:
        for key, partials in groups:
            self._key = key
            state = reducer.initial()
            for partial in partials:
                state = reducer.merge(state, partial)
            yield key, reducer.result(state)

    def _where(self) -> str:
        return "in reduce" if self._key is _NO_KEY else f"in reduce, key {short_repr(self._key)}"

    # --- progress ---

    def _counted(self, pairs: Iterator[Pair]) -> Iterator[Pair]:
        while some := list(islice(pairs, _PAIRS_AT_ONCE)):
            remaining = iter(some)
            self._enter(len(some), remaining)
            yield from remaining

    def _enter(self, n_rows: int, values: Iterator[Any]) -> None:
        self._rows += n_rows
        self._progress.enter(self._rows, 0, values)


def lines_of(
    pairs: Iterator[Pair],
    writer: OutputWriter,
    where: Callable[[], str],
    take: Take = lambda pairs, n: list(islice(pairs, n)),
) -> Iterator[Piece]:
    """The bytes of pairs that are made while they are asked for, and taken by `take`."""
    n = 1  # how long they are is known after the first
    while True:
        with users_code(where):
            chunk = take(pairs, n)
        if not chunk:
            return
        with users_code(lambda: _WRITING):
            data = writer.encode_pairs(chunk)
        yield data, len(chunk)
        n = max(1, min(4 * n, _BYTES_AT_ONCE * n // max(1, len(data)), _PAIRS_AT_ONCE))


def users_lines(
    pairs: Iterator[Pair],
    writer: OutputWriter,
    where: Callable[[], str],
    line: Callable[[], str] = lambda: "",
) -> Iterator[Piece]:
    """The bytes of pairs that the job's own code makes, each as it is when it is yielded.

    `line` is that of the job's code where the last one was yielded.
    """
    pickles = isinstance(writer.output, PairsOutput)
    return lines_of(pairs, writer, where, lambda pairs, n: taken(pairs, n, pickles, line))


def first_lines(
    pairs: Iterator[Pair], writer: OutputWriter, where: Callable[[], str]
) -> Iterator[Piece]:
    """The same, faster, as it does not look at each pair. Raises `LookAgain`."""
    n = 1
    while True:
        kinds: set[type] = set()
        with users_code(where, looks=False):
            chunk = list(islice(pairs, n))
            if not chunk:
                return
        with users_code(lambda: _WRITING, looks=False):
            data = writer.encode_seen(chunk, kinds)
        can_change = not kinds <= FIXED and parts_can_change(chunk)
        if can_change and n > 1:
            raise LookAgain
        yield data, len(chunk)
        if can_change:
            yield from users_lines(pairs, writer, where)
            return
        n = max(1, min(4 * n, _BYTES_AT_ONCE * n // max(1, len(data)), _PAIRS_AT_ONCE))


def lines_of_rows(batch: pa.RecordBatch, writer: OutputWriter) -> Iterator[Piece]:
    """The bytes of keys and values in columns."""
    data = None
    if not rows.has_values(batch.schema):
        batch = rows.with_values(batch, pa.nulls(len(batch)))
    if len(batch) and not is_pickled(batch.schema.field(rows.VALUE)):
        data = writer.encode_columns(_keys_alone(batch), batch.column(rows.VALUE))
    if data is not None:
        yield data, len(batch)
        return
    pairs = zip(rows.each_key(batch), rows.each_value(batch), strict=True)
    yield from lines_of(pairs, writer, lambda: _WRITING)


def _bytes_of(partials: pa.RecordBatch, results: pa.Array | list[Any], writer: OutputWriter) -> Any:
    """The bytes of the keys of these partials, and of the results that belong to them."""
    keys = _keys_alone(partials)
    if not isinstance(results, list):
        data = writer.encode_columns(keys, results)
        if data is not None:
            return data
        results = to_pylist(results)
    return writer.encode_pairs(list(zip(rows.keys_of(keys), results, strict=True)))


def _keys_alone(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.select(rows.key_names(batch.schema))


def _continued(reducer: Reducer, begun: pa.RecordBatch, partials: pa.RecordBatch) -> pa.RecordBatch:
    """The partials, to the first of which the one that was begun before belongs."""
    both = concat_unified([begun, partials.slice(0, 1)])
    one_group = Groups(both, None, np.zeros(1, np.int64))
    merged = partials_of(reducer, one_group, are_partials=True)
    return concat_unified([merged, partials.slice(1)])
