"""Runs are merged in as few passes as it takes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from zmr.shuffle.multipass_merge import merge_in_passes


@given(st.integers(0, 300), st.integers(2, 20))
def test_passes_merge_neighbours_until_there_are_few_enough(n: int, most: int) -> None:
    merged = []

    def merge_some(runs: Sequence[range]) -> range:
        assert 1 < len(runs) <= most
        merged.append(len(runs))
        return range(runs[0].start, runs[-1].stop)

    left = merge_in_passes([range(i, i + 1) for i in range(n)], most, merge_some)
    assert [i for run in left for i in run] == list(range(n))
    assert len(left) <= most
    # No more is merged than has to be: one run less would have been one too many.
    assert n - sum(size - 1 for size in merged) == min(n, most)
