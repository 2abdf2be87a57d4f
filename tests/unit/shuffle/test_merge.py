"""Runs are merged as sorting everything together would, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from weakref import ref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.map_outputs import lists_of

from zmr.columns import rows
from zmr.columns.groups import Groups
from zmr.columns.schema import unified_schema, unify
from zmr.shuffle.merge import merge, merge_opaque

Pairs = list[tuple[Any, Any]]

KEYS: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(alphabet="ab\0", max_size=10),
    "int": st.integers(-3, 3),
    "float": st.sampled_from([0.0, -0.0, 1.5, -1e300]),
    "tuple": st.tuples(st.text("ab", max_size=1), st.integers(0, 1)),
}


def runs_of(keys: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Any]]]:
    return st.lists(st.lists(keys, max_size=20), max_size=6)


def sorted_runs(runs: Sequence[Sequence[Any]]) -> list[Pairs]:
    """Return the runs sorted, each key with where it was before."""
    pairs = [[(key, [r, i]) for i, key in enumerate(run)] for r, run in enumerate(runs)]
    return [sorted(run, key=itemgetter(0)) for run in pairs]


def blocks(run: Pairs, sizes: Sequence[int]) -> Iterator[Any]:
    """Yield the run in blocks of these numbers of rows, over and over."""
    start, turn = 0, 0
    while start < len(run):
        keys, values = zip(*run[start : start + sizes[turn % len(sizes)]], strict=True)
        yield rows.from_lists(keys, values)
        start += len(keys)
        turn += 1


def rows_of(merged: Iterator[Groups]) -> Pairs:
    """Return the rows, and check that the groups say truly where keys begin and go on."""
    pairs: Pairs = []
    goes_on = False
    for groups in merged:
        keys, values = lists_of([groups.in_order()])
        starts = [i for i, key in enumerate(keys) if not i or key != keys[i - 1]]
        assert groups.starts.tolist() == starts
        if pairs:
            assert goes_on == (keys[0] == pairs[-1][0])
        goes_on = groups.goes_on
        pairs += zip(keys, values, strict=True)
    assert not goes_on
    return pairs


@pytest.mark.parametrize("kind", KEYS)
def test_merging_is_sorting_everything_together(kind: str) -> None:
    @settings(max_examples=80)
    @given(
        runs_of(KEYS[kind]),
        st.lists(st.integers(1, 6), min_size=1, max_size=3),
        st.sampled_from([1, 100, 1000, 1 << 30]),
    )
    def check(runs: list[list[Any]], sizes: list[int], memory_bytes: int) -> None:
        pairs = sorted_runs(runs)
        found = rows_of(merge([blocks(run, sizes) for run in pairs], memory_bytes))
        # Sorting is stable: rows of equal keys must be in the order of the runs.
        together = [pair for run in pairs for pair in run]
        assert repr(found) == repr(sorted(together, key=itemgetter(0)))

    check()


MOMENTS = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]


@given(runs_of(st.sampled_from(MOMENTS)), st.integers(1, 6))
def test_opaque_rows_are_merged_likewise(runs: list[list[Any]], size: int) -> None:
    pairs = [run for run in sorted_runs(runs) if run]
    if not pairs:
        return
    schema = unified_schema([rows.from_lists(MOMENTS[:1], [["x"]]).schema])
    merging = [(unify(block, schema) for block in blocks(run, [size])) for run in pairs]
    keys = [key for key, _ in merge_opaque(merging)]
    assert keys == sorted(key for run in pairs for key, _ in run)


class Loaded:
    """Counts the rows of runs that were loaded."""

    def __init__(self) -> None:
        self.rows = 0

    def of(self, run: Pairs, size: int) -> Iterator[Any]:
        for block in blocks(run, [size]):
            self.rows += len(block)
            yield block


def test_no_more_is_loaded_than_the_memory_allows() -> None:
    loaded = Loaded()
    runs = [[(i * 8 + r, "x" * 90) for i in range(1000)] for r in range(8)]
    merged = 0
    memory_bytes = 20_000
    for groups in merge([loaded.of(run, 10) for run in runs], memory_bytes):
        merged += len(groups.batch)
        # The rows of 106 bytes, and another block of each run.
        assert loaded.rows - merged <= memory_bytes / 106 + 8 * 10
    assert merged == loaded.rows == 8000


def test_what_is_merged_is_not_held_when_it_is_passed_on() -> None:
    runs = [[(i * 8 + r, "x" * 90) for i in range(1000)] for r in range(8)]
    for groups in merge([blocks(run, [10]) for run in runs], 20_000):
        batch = ref(groups.batch)
        del groups
        assert batch() is None


def test_one_key_of_many_rows_is_passed_on_block_by_block() -> None:
    loaded = Loaded()
    runs: list[Pairs] = [
        [("a", r), *(("k", [r, i]) for i in range(1000)), ("z", r)] for r in range(3)
    ]
    merged = 0
    pieces = 0
    for groups in merge([loaded.of(run, 10) for run in runs], 1000):
        merged += len(groups.batch)
        pieces += groups.goes_on
        assert loaded.rows - merged <= 100
    assert (merged, pieces >= 250) == (3006, True)


def test_what_is_merged_at_once_is_a_good_part_of_the_memory() -> None:
    runs = [[(i * 8 + r, "x" * 90) for i in range(1000)] for r in range(8)]
    steps = sum(1 for _ in merge([blocks(run, [10]) for run in runs], 100_000))
    assert steps < 20
