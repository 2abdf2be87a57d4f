"""Rows that were typed differently get one schema, and stay the same rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from zmr.columns import rows
from zmr.columns.mixed import is_mixed
from zmr.columns.schema import concat_unified
from zmr.columns.values import is_pickled
from zmr.errors import YieldError

Rows = tuple[list[Any], list[Any] | None]


@pytest.mark.parametrize(
    ("some", "value", "is_opaque"),
    [
        ([(["a"], [1]), (["b"], [2])], pa.int64(), False),
        ([(["a"], [1]), (["b"], [None])], pa.int64(), False),
        ([(["a"], [1]), (["b"], [2.5])], "mixed", False),
        ([(["a"], [1]), (["b"], [2**64])], "mixed", False),
        ([(["a"], [1]), (["b"], [{}])], "mixed", False),
        ([(["a"], [set()]), (["b"], [{}])], "pickled", False),
        ([(["a"], [1]), (["\ud800"], [2])], pa.int64(), False),
        ([([1], [1]), ([2**64], [2])], pa.int64(), False),
        ([([()], [1]), ([()], [2])], "pickled", True),
        ([(["a"], None), (["b"], None)], None, False),
        ([(["a"], None), (["\ud800"], None)], None, False),
    ],
)
def test_rows_stay_as_they_were(some: list[Rows], value: Any, is_opaque: bool) -> None:
    batch = concat_unified([rows.from_lists(keys, values) for keys, values in some])
    assert rows.keys_of(batch) == [key for keys, _ in some for key in keys]
    assert list(rows.each_value(batch)) == [
        v for keys, vs in some for v in vs or [None] * len(keys)
    ]
    assert rows.is_opaque(batch.schema) == is_opaque
    if value is None:
        assert not rows.has_values(batch.schema)
    elif value == "pickled":
        assert is_pickled(batch.schema.field(rows.VALUE))
    elif value == "mixed":
        assert is_mixed(batch.schema.field(rows.VALUE).type)
    else:
        assert batch.schema.field(rows.VALUE).type == value


def test_keys_alone_and_keys_with_values_do_not_go_together() -> None:
    with pytest.raises(YieldError, match="with others none"):
        concat_unified([rows.from_lists(["a"], None), rows.from_lists(["b"], [1])])
