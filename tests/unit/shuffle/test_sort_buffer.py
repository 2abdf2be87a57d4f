"""The sort buffer: whatever goes in comes out sorted and partitioned, spilled or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kernels import both_kernels as both_kernels
from support.map_outputs import Rows, read_map_output

from zmr import Collect, Count, Hash, Max, Reducer, Sum
from zmr.columns import rows
from zmr.key_types import KeyTypeError
from zmr.partitioners import hash_key
from zmr.reducers.combiner import ReducerCombiner
from zmr.shuffle.map_output import CorruptMapOutput
from zmr.shuffle.map_output_sink import FileSink
from zmr.shuffle.sort_buffer import SortBuffer

Pairs = list[tuple[Any, Any]]
Partitioner = Callable[[Any, int], int]

PLENTY = 1 << 30
TINY = 1  # every batch is spilled

KEYS: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(alphabet="ab\0é", max_size=10),
    "str with surrogates": st.text(st.sampled_from("ab\ud800"), max_size=3),
    "int": st.integers(-5, 5),
    "large int": st.integers(-3, 3).map(lambda n: n * 2**62),
    "float": st.sampled_from([0.0, -0.0, 1.5, -1e300]),
    "datetime": st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 1, 0, 0, 1)),
    "datetime with a zone": st.datetimes(
        datetime(2026, 1, 1), datetime(2026, 1, 1, 0, 0, 1), timezones=st.just(UTC)
    ),
    "tuple": st.tuples(st.text("ab", max_size=2), st.integers(0, 2)),
    "tuple with a large int": st.tuples(st.sampled_from([1, 2**70])),
}
VALUES = st.one_of(
    st.integers(-5, 5), st.text(max_size=3), st.none(), st.tuples(st.integers(), st.text())
)
NUMBERS = st.integers(-5, 5) | st.integers() | st.sampled_from([0.1, 0.5, 1e300])


def batches_of(
    keys: st.SearchStrategy[Any], values: st.SearchStrategy[Any]
) -> st.SearchStrategy[list[Pairs]]:
    return st.lists(st.lists(st.tuples(keys, values), max_size=12), max_size=6)


def fill(buffer: SortBuffer, batches: Sequence[Pairs]) -> None:
    for pairs in batches:
        if pairs:
            keys, values = zip(*pairs, strict=True)
            buffer.add(rows.from_lists(keys, values))
            buffer.make_room()


def sort(
    folder: Path,
    batches: Sequence[Pairs],
    n_partitions: int = 3,
    partition: Partitioner | None = None,
    reducer: Reducer | None = None,
    memory_bytes: int = PLENTY,
) -> list[Rows]:
    """Return the rows of each partition, and check that nothing else was left."""
    folder = Path(mkdtemp(dir=folder))
    path = folder / "output"
    combiner = None if reducer is None else ReducerCombiner(reducer)
    buffer = SortBuffer(
        FileSink(str(path)), str(path), n_partitions, partition or Hash(), combiner, memory_bytes
    )
    fill(buffer, batches)
    sizes = buffer.finish()
    buffer.discard()
    if not any(batches):
        assert (sizes, buffer.n_rows, os.listdir(folder)) == ((), 0, [])
        return [([], [])] * n_partitions
    found = read_map_output(str(path))
    assert (buffer.n_spills > 0) == (memory_bytes == TINY and any(batches))
    assert buffer.n_rows == sum(len(keys) for keys, _ in found)
    assert [size > 0 for size in sizes] == [bool(keys) for keys, _ in found]
    assert os.listdir(folder) == ["output"]
    return found


def expected(pairs: Pairs, n_partitions: int, partition: Partitioner) -> list[Rows]:
    """Return what `sort` should, without a reducer."""
    found: list[Rows] = []
    for number in range(n_partitions):
        own = [pair for pair in pairs if partition(pair[0], n_partitions) == number]
        own.sort(key=itemgetter(0))
        found.append(([key for key, _ in own], [value for _, value in own]))
    return found


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("memory_bytes", [TINY, PLENTY])
def test_rows_come_out_by_partition_and_key_and_else_in_their_order(
    tmp_path: Path, kind: str, memory_bytes: int
) -> None:
    @settings(max_examples=20)
    @given(batches_of(KEYS[kind], VALUES), st.integers(1, 4))
    def check(batches: list[Pairs], n: int) -> None:
        pairs = [pair for batch in batches for pair in batch]
        found = sort(tmp_path, batches, n, memory_bytes=memory_bytes)
        assert repr(found) == repr(expected(pairs, n, lambda key, n: hash_key(key) % n))

    check()


@pytest.mark.parametrize("reducer", [Sum(), Count(), Max(), Collect()], ids=repr)
@pytest.mark.parametrize("kind", ["str", "large int", "tuple"])
@pytest.mark.parametrize("memory_bytes", [TINY, PLENTY])
def test_a_reducer_combines_without_changing_the_result(
    tmp_path: Path, reducer: Reducer, kind: str, memory_bytes: int
) -> None:
    @settings(max_examples=20)
    @given(batches_of(KEYS[kind], NUMBERS))
    def check(batches: list[Pairs]) -> None:
        found = sort(tmp_path, batches, 1, reducer=reducer, memory_bytes=memory_bytes)
        results: dict[Any, Any] = {}
        for key, partials in groupby(zip(*found[0], strict=True), itemgetter(0)):
            state = reducer.initial()
            for _, partial in partials:
                state = reducer.merge(state, partial)
            results[key] = reducer.result(state)
        values: dict[Any, list[Any]] = {}
        for key, value in (pair for batch in batches for pair in batch):
            values.setdefault(key, []).append(value)
        wanted = {key: reducer.sequential(values[key]) for key in sorted(values)}
        assert repr(results) == repr(wanted)

    check()


def test_with_enough_memory_there_is_one_partial_for_each_key(tmp_path: Path) -> None:
    batches = [[(f"key{i % 10}", 1) for i in range(100)] for _ in range(5)]
    found = sort(tmp_path, batches, 1, reducer=Sum())
    assert found == [([f"key{i}" for i in range(10)], [50] * 10)]


def test_values_and_partials_may_come_by_turns(tmp_path: Path) -> None:
    for memory_bytes in (TINY, PLENTY):
        path = tmp_path / "output"
        buffer = SortBuffer(
            FileSink(str(path)), str(path), 1, Hash(), ReducerCombiner(Collect()), memory_bytes
        )
        buffer.add(rows.from_lists(["a", "b"], [1, 2]))
        buffer.make_room()
        buffer.add(rows.from_lists(["b", "a"], [[3], [4, 5]]), are_partials=True)
        buffer.make_room()
        buffer.add(rows.from_lists(["a"], [6]))
        buffer.make_room()
        buffer.finish()
        buffer.discard()
        ((keys, partials),) = read_map_output(str(path))
        lists: dict[str, list[int]] = {"a": [], "b": []}
        for key, partial in zip(keys, partials, strict=True):
            lists[key] += partial
        assert lists == {"a": [1, 4, 5, 6], "b": [2, 3]}
        assert memory_bytes == TINY or keys == ["a", "b"]


def test_a_partitioner_of_the_jobs_own_is_asked_once_for_each_key(tmp_path: Path) -> None:
    asked = []

    def by_length(key: str, n: int) -> int:
        asked.append(key)
        return len(key) % n

    batches: list[Pairs] = [[("bb", 1), ("a", 2), ("ccc", 3)], [("a", 4), ("dd", 5)]]
    found = sort(tmp_path, batches, 3, by_length)
    assert found == [(["ccc"], [3]), (["a", "a"], [2, 4]), (["bb", "dd"], [1, 5])]
    assert sorted(asked) == ["a", "bb", "ccc", "dd"]


def test_what_combines_well_is_not_spilled(tmp_path: Path) -> None:
    buffer = SortBuffer(
        FileSink(str(tmp_path / "output")),
        str(tmp_path / "output"),
        1,
        Hash(),
        ReducerCombiner(Sum()),
        1 << 20,
    )
    for _ in range(50):
        fill(buffer, [[(f"key{i}", 1) for i in range(1000)]])
    buffer.finish()
    assert (buffer.n_spills, buffer.n_rows) == (0, 1000)


def test_many_spills_are_merged_in_passes(tmp_path: Path) -> None:
    batches = [[(f"{i * 37 % 100:03}", (number, i)) for i in range(100)] for number in range(40)]
    found = sort(tmp_path, batches, 2, memory_bytes=TINY)
    pairs = [pair for batch in batches for pair in batch]
    assert found == expected(pairs, 2, lambda key, n: hash_key(key) % n)


def test_keys_of_several_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyTypeError, match=r"of one type, but there are str and int \(7\)"):
        sort(tmp_path, [[("a", 1)], [(7, 1)]])


def test_sums_that_outgrow_their_column_while_spills_are_merged(tmp_path: Path) -> None:
    batches: list[Pairs] = [[("a", 2**62), ("b", 1)] for _ in range(3)]
    ((keys, values),) = sort(tmp_path, batches, 1, reducer=Sum(), memory_bytes=TINY)
    for key, total in (("a", 3 * 2**62), ("b", 3)):
        assert sum(v for k, v in zip(keys, values, strict=True) if k == key) == total


# --- what can go wrong ---


def test_a_spill_that_was_damaged_is_noticed(tmp_path: Path) -> None:
    buffer = SortBuffer(
        FileSink(str(tmp_path / "output")), str(tmp_path / "output"), 1, Hash(), None, TINY
    )
    fill(buffer, [[("a", 1)], [("b", 2)]])
    spill = tmp_path / "output.spill-0"
    data = bytearray(spill.read_bytes())
    data[20] ^= 1
    spill.write_bytes(data)
    with pytest.raises(CorruptMapOutput, match="spill-0: damaged"):
        buffer.finish()
    buffer.discard()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("full", ["output.spill-1.part", "output.spill-3.part", "output.part"])
def test_a_disk_that_is_full_ends_it_and_nothing_is_left(tmp_path: Path, full: str) -> None:
    (tmp_path / full).symlink_to("/dev/full")
    buffer = SortBuffer(
        FileSink(str(tmp_path / "output")), str(tmp_path / "output"), 1, Hash(), None, TINY
    )
    with pytest.raises(OSError, match="No space left on device"):  # noqa: PT012
        fill(buffer, [[("a", 1)], [("b", 2)], [("c", 3)]])
        buffer.finish()
    buffer.discard()
    assert os.listdir(tmp_path) == []
