"""The stable order of numbers is that of numpy's stable sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.columns import stable_order
from zmr.columns.stable_order import stable_order_within

# Numbers that differ in high bits, in low ones, in both, or not at all.
_WORDS = st.lists(
    st.builds(lambda high, low: high << 60 | low, st.integers(0, 3), st.integers(0, 70)),
    max_size=200,
)


@pytest.mark.parametrize("most_row_bits", [21, 2])
@given(numbers=_WORDS)
def test_any_numbers(most_row_bits: int, numbers: list[int]) -> None:
    words = np.array(numbers, np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stable_order, "_MOST_ROW_BITS", most_row_bits)
        order, within = stable_order.stable_order(words)
    assert order.tolist() == np.argsort(words, kind="stable").tolist()
    assert within.tolist() == sorted(numbers)


@given(numbers=_WORDS, data=st.data())
def test_within_groups(numbers: list[int], data: st.DataObject) -> None:
    group = data.draw(
        st.lists(st.integers(0, 3), min_size=len(numbers), max_size=len(numbers)), label="group"
    )
    words, groups = np.array(numbers, np.uint64), np.array(group, np.int64)
    order = stable_order_within(words, groups)
    assert order.tolist() == np.lexsort((words, groups)).tolist()
