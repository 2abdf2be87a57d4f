"""Groups are put in the order of their partitions, and lose no row on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.columns import rows
from zmr.columns.groups import group
from zmr.errors import YieldError
from zmr.partitioners import Hash, Range
from zmr.shuffle.partitioning import Partitioner, by_partition, sort_opaque


def last_letter(key: str, n: int) -> int:
    return ord(key[-1:] or "a") % n


@pytest.mark.parametrize("partition", [Hash(), Range(["b", "bb"]), last_letter])
@given(
    keys=st.lists(st.text("abc", max_size=3), min_size=1), n=st.integers(3, 5), opaque=st.booleans()
)
def test_rows_are_sorted_by_partition_and_key(
    partition: Partitioner, keys: list[str], n: int, opaque: bool
) -> None:
    # Given rows, each with its number as its value
    numbers = list(range(len(keys)))
    expected = sorted(numbers, key=lambda i: (partition(keys[i], n), keys[i]))
    batch = rows.from_lists(keys, numbers)
    # When they are put in order
    if opaque:
        found, chosen = sort_opaque(batch, partition, n)
        values, of_groups = rows.values_of(found), chosen.tolist()
        wanted = [partition(keys[i], n) for i in expected]
    else:
        groups, chosen = by_partition(group(batch), partition, n)
        values, of_groups = rows.values_of(groups.in_order()), chosen.tolist()
        wanted = [partition(key, n) for key in rows.keys_of(groups.keys())]
        assert sorted(set(keys), key=lambda key: (partition(key, n), key)) == rows.keys_of(
            groups.keys()
        )
    # Then they are all there, and their partitions are those of their keys
    assert values == expected
    assert of_groups == wanted


@pytest.mark.parametrize("wrong", [Range(["a"] * 5), lambda key, n: n, lambda key, n: "0"])
def test_a_partition_that_there_is_not_is_an_error(wrong: Any) -> None:
    with pytest.raises(YieldError, match="partition must be an int from 0 to 2"):
        by_partition(group(rows.from_lists(["a", "b"], None)), wrong, 3)
