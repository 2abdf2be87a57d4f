"""What a block of records takes does not depend on one that is odd: calls into Python are counted.

`python -m benchmarks.cliffs` measures the same kinds of records by time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CHECKOUT

# Last: an installed zmr comes before the checkout's.
sys.path.append(str(CHECKOUT))

from benchmarks.odd_records import KINDS, LINE_KINDS, Kind, LineKind
from benchmarks.one_task import counted_words, reduced_pairs
from zmr import Count, Job
from zmr.formats.text import encode_pairs

N_PAIRS = 24_576
N_LINES = 200_000

# The rows of a piece, of 4096 or less, may be looked at, a few times each; not those of the block.
MOST_CALLS_MORE = N_PAIRS // 2


class Words(Job):
    def map(self, line: str) -> Any:
        return [(word, 1) for word in line.split()]

    reduce = Count()


def calls_of(run: Callable[[], Any]) -> int:
    """Return how many functions are called, those of C among them that Python code calls."""
    n_calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return n_calls


@settings(max_examples=2, deadline=None)
@given(st.data())
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_odd_pair_costs_its_piece_and_not_its_block(kind: Kind, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, N_PAIRS - 1))
    plain, odd = (list(kind.pairs(N_PAIRS, where)) for where in (None, position))
    job = kind.job()
    expected = calls_of(lambda: reduced_pairs(job, plain))
    assert calls_of(lambda: reduced_pairs(job, odd)) <= expected + MOST_CALLS_MORE


@pytest.mark.parametrize("kind", LINE_KINDS, ids=lambda kind: kind.name)
def test_an_odd_line_costs_its_piece_and_not_its_block(kind: LineKind) -> None:
    lines = [b"some words of line %d\n" % (i % 1000) for i in range(N_LINES)]
    expected = calls_of(lambda: counted_words(Words(), b"".join(lines)))
    lines.insert(N_LINES // 2, kind.odd)
    assert calls_of(lambda: counted_words(Words(), b"".join(lines))) <= expected + 1000


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_comes_out_is_what_one_process_makes_of_the_pairs(kind: Kind) -> None:
    pairs = list(kind.pairs(2500, 1250))
    values: dict[Any, list[Any]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    if hasattr(kind.reduce, "sequential"):
        expected = [(key, kind.reduce.sequential(values[key])) for key in values]
    else:
        expected = pairs
    lines = encode_pairs(expected).splitlines()
    assert sorted(reduced_pairs(kind.job(), pairs).splitlines()) == sorted(lines)
