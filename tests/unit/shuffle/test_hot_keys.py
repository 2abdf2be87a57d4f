"""A table of hot keys changes how rows are grouped, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from zmr.columns import rows
from zmr.columns.groups import Groups
from zmr.shuffle.hot_keys import HotKeys

KEYS: dict[str, Any] = {
    "str": lambda i: f"word-{i}",
    "long str": lambda i: f"a word that is longer than any integer {i}",
    "bytes": lambda i: b"\0" * (i % 3) + str(i).encode() + b"\0" * (i % 2),
    "int": lambda i: i - 5000,
    "float": lambda i: -0.0 if i == 1 else i / 2,
    "date": lambda i: date.fromordinal(i + 1),
    "tuple": lambda i: (f"word-{i}", i % 2),
}


def skewed(seed: int, make: Any, shift: int = 0) -> pa.RecordBatch:
    """Rows of keys of which a few are frequent; a value is the number of its row."""
    numbers = np.random.default_rng(seed).zipf(1.3, 20_000) % 30_000 + shift
    keys = [make(int(number)) for number in numbers]
    kinds = [type(part).__name__ for part in (keys[0] if type(keys[0]) is tuple else keys[:1])]
    key_type = f"({', '.join(kinds)})" if type(keys[0]) is tuple else kinds[0]
    return rows.from_lists(keys, list(range(len(keys))), key_type)


def values_by_key(groups: Groups) -> dict[Any, list[int]]:
    keys = rows.keys_of(groups.keys())
    values = groups.values().in_order().to_pylist()
    ends = [*groups.starts[1:].tolist(), groups.n_rows]
    found = {
        key: values[start:end]
        for key, start, end in zip(keys, groups.starts.tolist(), ends, strict=True)
    }
    assert len(found) == len(keys)
    assert list(found) == sorted(found)
    return found


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_each_key_has_all_of_its_rows_in_one_group(make: Any) -> None:
    hot_keys = HotKeys()
    parts = []
    # Given batches of the same keys, and then one of others
    for seed, shift in ((1, 0), (2, 0), (3, 0), (4, 40_000), (5, 40_000), (6, 40_000)):
        batch = skewed(seed, make, shift)
        expected: dict[Any, list[int]] = defaultdict(list)
        for key, value in zip(rows.keys_of(batch), rows.values_of(batch), strict=True):
            expected[key].append(value)
        # When they are grouped one after the other
        groups = list(hot_keys.grouped(batch))
        parts.append(len(groups))
        # Then all values are there once, in the order of the rows
        found: dict[Any, list[int]] = {}
        for some in groups:
            one = values_by_key(some)
            assert not found.keys() & one.keys()
            found |= one
        assert found == expected
    # And hot keys were told apart from the others, until there were other keys
    is_told = make is not KEYS["float"] and make is not KEYS["tuple"]
    assert parts == ([1, 2, 2, 1, 1, 2] if is_told else [1] * 6)


def test_keys_of_which_none_is_hot_are_sorted() -> None:
    hot_keys = HotKeys()
    batch = rows.from_lists(list(range(50_000)), None, "int")
    assert [len(list(hot_keys.grouped(batch))) for _ in range(2)] == [1, 1]
