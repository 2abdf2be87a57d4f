"""What the compiled kernels give is what Python gives."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zmr.columns import native
from zmr.columns.hash import hash_rows
from zmr.columns.sort import sort_order

needs_library = pytest.mark.skipif(
    not native.is_there(), reason="zmr was installed without a C compiler"
)

# Of the sizes at which something changes: 8 and 16 bytes
KEY = st.sampled_from([0, 1, 7, 8, 9, 15, 16, 17, 24, 100]).flatmap(
    lambda size: st.text("a\0", min_size=size, max_size=size)
)
SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
NO_SPACES = "ab\0\x08\x0e\x1bé¢\U0001f40d\u1681\u167f\u200b\u2027\u202a\u2030\u205e\u3001\u2fff"
TEXT = st.text(st.sampled_from(SPACES + NO_SPACES), max_size=40)


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_the_library_is_there_where_there_is_a_compiler() -> None:
    assert native.is_there()


@needs_library
def test_a_library_of_another_source_is_not_taken(tmp_path: Path) -> None:
    # Given the library beside its source
    here = Path(native.__file__).parent
    for name in ("libnative.so", "native.c"):
        shutil.copy(here / name, tmp_path)
    assert native.load(tmp_path) is not None
    # When the source is changed, or the library damaged or away, then it is not taken
    with open(tmp_path / "native.c", "a") as file:
        file.write("\n")
    assert native.load(tmp_path) is None
    (tmp_path / "other").mkdir()
    (tmp_path / "other/libnative.so").write_bytes(b"no library")
    assert native.load(tmp_path / "other") is None
    assert native.load(tmp_path / "nowhere") is None


@needs_library
@given(
    st.lists(st.text(st.sampled_from(SPACES + NO_SPACES), max_size=40), min_size=1), st.booleans()
)
@example([""], False)
@example([" "], False)
@example(["ends in a long space\u3000", "and", "goes on \xa0"], True)
@example(["a word of sixteen" + 40 * "-" + " and one more"], True)
def test_words_are_those_of_str_split(texts: list[str], is_slice: bool) -> None:
    strings = pa.array([*is_slice * ["left out"], *texts], pa.large_string())[is_slice:]
    found = native.split_words(strings)
    assert found is not None
    offsets, data = found
    edges = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    words = [data[start:end].tobytes().decode() for start, end in edges]
    assert words == [word for text in texts for word in text.split()]


@needs_library
@given(st.lists(st.lists(KEY, max_size=40), max_size=5), st.integers(0, 3))
def test_a_table_counts_and_numbers_keys(batches: list[list[str]], skipped: int) -> None:
    table = native.KeyTable()
    expected: Counter[str] = Counter()
    for batch in batches:
        # A column that begins in the middle of its buffers
        column = pa.array([skipped * "x", *batch], pa.large_string())[1:]
        numbers = table.add_numbered(column)
        expected.update(batch)
        order = {key: number for number, key in enumerate(expected)}
        assert numbers.tolist() == [order[key] for key in batch]
    keys, counts = table.keys_and_counts(pa.large_string())
    keys.validate(full=True)
    assert len(table) == len(expected)
    assert dict(zip(keys.to_pylist(), counts.tolist(), strict=True)) == expected
    assert keys.to_pylist() == list(expected)


@needs_library
@pytest.mark.parametrize("make", [str, lambda i: f"a key of many more bytes than {i}"])
def test_a_table_grows(make: Any) -> None:
    # Given so many keys that the table is made anew several times, each a few times and far apart
    numbers = [i for i in range(40_000) for _ in range(1 + i % 3)]
    Random(1).shuffle(numbers)
    table = native.KeyTable()
    size_bytes = table.size_bytes
    for start in range(0, len(numbers), 7_001):
        table.add(pa.array(map(make, numbers[start : start + 7_001]), pa.large_string()))
    # Then it has all of them, and knows that it is larger
    keys, counts = table.keys_and_counts(pa.large_string())
    assert dict(zip(keys.to_pylist(), counts.tolist(), strict=True)) == Counter(map(make, numbers))
    assert table.size_bytes > size_bytes + keys.nbytes


@needs_library
@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), max_size=100))
def test_rows_are_ordered_by_the_number_of_their_key(numbers: list[int]) -> None:
    found = np.array(numbers, np.uint32)
    counts = np.bincount(found, minlength=10)
    order, starts = native.order_of(found, counts)
    assert order.tolist() == np.argsort(found, kind="stable").tolist()
    assert starts.tolist() == [int(counts[:i].sum()) for i in range(10)]


@needs_library
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**63), 2**63 - 1)), max_size=20))
@example([(0, 2**63 - 1), (1, 5), (0, 1), (1, 1)])
@example([(2, -(2**63)), (2, -1)])
def test_sums_end_before_one_that_outgrows_64_bits(rows: list[tuple[int, int]]) -> None:
    numbers = np.array([number for number, _ in rows], np.uint32)
    values = np.array([value for _, value in rows], np.int64)
    sums = np.zeros(4, np.int64)
    n = native.add_to_sums(sums, numbers, values)
    expected = [0] * 4
    for number, value in rows[:n]:
        expected[number] += value
        assert -(2**63) <= expected[number] < 2**63
    assert sums.tolist() == expected
    if n < len(rows):
        number, value = rows[n]
        assert not -(2**63) <= expected[number] + value < 2**63


@needs_library
def test_which_columns_a_table_takes() -> None:
    taken = [pa.array(["a"], pa.large_string()), pa.array([b"a"], pa.large_binary())]
    others = [pa.array(["a"]), pa.array([1]), pa.array(["a", None], pa.large_string())]
    assert all(map(native.takes, taken))
    assert not any(map(native.takes, others))


def in_numpy(compute: Any, column: pa.Array) -> Any:
    """Do it as where there is no library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "takes", lambda column: False)
        return compute(column)


# Beginnings in common of all lengths, ends in zeros, and many that are equal.
SORTED = st.text(st.sampled_from("ab\0é"), max_size=30) | st.builds(
    lambda n, text: "x" * n + text, st.integers(0, 40), st.text(st.sampled_from("a\0"), max_size=3)
)


@needs_library
@settings(max_examples=200)
@given(st.lists(SORTED, max_size=60), st.integers(1, 60), st.integers(0, 2))
@example(["a", "a\0", "a\0\0", "a"], 300, 1)
@example(["", "\0", "\0" * 8, "\0" * 9, ""], 20, 0)
@example(["b" * 5000, "b" * 5000 + "\0", "b" * 4999], 700, 0)
def test_columns_are_hashed_and_ordered_as_by_numpy(keys: list[str], times: int, skip: int) -> None:
    many = (keys * times)[:4000]
    Random(len(many)).shuffle(many)
    column = pa.array([*skip * ["left out"], *many], pa.large_string())[skip:]
    assert native.takes(column)
    hashes = native.hash_column(column)
    assert hashes.tolist() == in_numpy(lambda c: hash_rows([c], False), column).tolist()
    for found, expected in zip(
        sort_order([column]), in_numpy(lambda c: sort_order([c]), column), strict=True
    ):
        assert found.tolist() == expected.tolist()
    order, _ = sort_order([column])
    by_bytes = sorted(range(len(many)), key=lambda row: many[row].encode())
    assert order.tolist() == by_bytes


@needs_library
def test_keys_that_share_ever_more_bytes_need_no_deep_stack() -> None:
    keys = ["x" * 8 * n for n in range(3000)] * 2
    column = pa.array(keys, pa.large_string())
    order, is_start = native.sort_column(column)
    assert order.tolist() == sorted(range(len(keys)), key=lambda row: len(keys[row]))
    assert is_start.tolist() == [True, False] * 3000
