"""What map_batch gives becomes rows in the types that stand for Python's."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from zmr.columns import rows
from zmr.columns.from_batch import from_map_batch
from zmr.errors import YieldError
from zmr.key_types import KeyTypeError


@pytest.mark.parametrize(
    ("result", "key_type", "keys", "values"),
    [
        (pa.array([1, 2], pa.int8()), "int", [1, 2], [None, None]),
        ((pa.array(["a"]), pa.array([1.5], pa.float32())), "str", ["a"], [1.5]),
        ((pa.array(["b", "a"]).dictionary_encode(), pa.array([1, 2])), "str", ["b", "a"], [1, 2]),
        ((pa.array([b"abc"], pa.binary(3)), pa.array([1])), "bytes", [b"abc"], [1]),
        (((pa.array(["a"]), pa.array([1])), pa.array([2])), "(str, int)", [("a", 1)], [2]),
        (pa.table({"value": [2], "key.1": [1], "key.0": ["a"]}), "(str, int)", [("a", 1)], [2]),
        (pa.table({"key": pa.chunked_array([[1], [2]])}), "int", [1, 2], [None, None]),
    ],
)
def test_rows_have_pythons_types(
    result: Any, key_type: str, keys: list[Any], values: list[Any]
) -> None:
    batch = from_map_batch(result)
    assert rows.key_type(batch.schema) == key_type
    given_as_python = rows.from_lists(keys, values if rows.has_values(batch.schema) else None)
    assert batch.schema.equals(given_as_python.schema, check_metadata=True)
    assert rows.keys_of(batch) == keys
    assert list(rows.each_value(batch)) == values


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (pa.array([[1]]), KeyTypeError, "keys of type list"),
        (
            pa.array([2**64 - 1], pa.uint64()),
            KeyTypeError,
            "uint64 that are beyond .* not in range",
        ),
        (pa.array([float("nan")]), KeyTypeError, "NaN can't be a key"),
        ((pa.array([1]), pa.array([1, 2])), YieldError, r"different lengths: \[1, 2\]"),
        ([1], YieldError, "must give Arrow arrays, not list"),
        ((pa.array([1]),) * 3, YieldError, "not a tuple of 3"),
        (pa.table({"key.1": [1]}), YieldError, "the columns of a table .* not"),
    ],
)
def test_what_can_not_be_rows_is_refused(result: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        from_map_batch(result)
