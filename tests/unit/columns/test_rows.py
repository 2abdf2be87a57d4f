from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from zmr.columns import rows
from zmr.errors import PickleError


def test_a_value_that_can_not_be_pickled_is_named() -> None:
    with pytest.raises(PickleError, match=r"type function can't be kept: .*under the key 'key1'"):
        rows.from_lists(["key0", "key1"], [1, lambda: 1])


@pytest.mark.parametrize(
    ("keys", "names", "is_opaque"),
    [
        (["a", "b"], ["key"], False),
        ([("a", 1), ("b", 2)], ["key.0", "key.1"], False),
        ([("a", 1), ("\ud800", 2)], ["key.0", "key.1"], False),  # no UTF-8
        ([2**64, 1], ["key"], False),
        ([datetime(2026, 1, 1, tzinfo=UTC)], ["key"], True),
        ([()], ["key"], True),
    ],
)
def test_keys_come_back_from_columns(keys: list[Any], names: list[str], is_opaque: bool) -> None:
    batch = rows.from_lists(keys, None)
    assert batch.schema.names == names
    assert rows.keys_of(batch) == list(rows.each_key(batch)) == keys
    assert list(rows.each_value(batch)) == [None] * len(keys)
    assert rows.is_opaque(batch.schema) == is_opaque


def test_a_key_is_looked_up_without_the_others() -> None:
    for keys in (["a", "b"], [("a", 1), ("b", 2)], [2**64, 1]):
        found = rows.Keys(rows.from_lists(keys, [0, 0]))
        assert [found[place] for place in range(len(found))] == keys
