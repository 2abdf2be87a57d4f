"""Output formats: whole columns are written as their pairs are, one by one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr import OutputFormat, Raw, Text
from zmr.columns.values import as_column
from zmr.errors import YieldError

TEXTS = st.text(st.sampled_from("ab ü語\0\t\n\r␉␛") | st.characters(codec="utf-8"), max_size=5)
INTS = st.integers(-(2**63), 2**63 - 1)


def arrays(values: st.SearchStrategy[Any], kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
    """Arrays of the type, which may begin within a larger one."""
    parts = st.lists(values, min_size=2, max_size=7).map(lambda some: pa.array(some, kind))
    return parts.map(lambda array: array.slice(1))


FLOATS = st.floats() | st.sampled_from(
    [
        0.0,
        -0.0,
        1e15,
        1e16,
        1e17,
        1e10,
        12345678901.5,
        1e-4,
        1e-5,
        1.5e-7,
        1e-10,
        9999999999999999.0,
    ]
)

COLUMNS = st.one_of(
    arrays(st.none() | INTS, pa.int64()),
    arrays(st.none() | FLOATS, pa.float64()),
    arrays(st.none() | st.booleans(), pa.bool_()),
    arrays(st.none() | st.dates(), pa.date32()),
    arrays(st.none() | st.datetimes(), pa.timestamp("us")),
    arrays(st.none() | st.lists(st.none() | TEXTS, max_size=3), pa.large_list(pa.large_string())),
    arrays(st.none() | st.lists(FLOATS, max_size=3), pa.large_list(pa.float64())),
    arrays(st.lists(st.dates(), max_size=3), pa.large_list(pa.date32())),
    arrays(TEXTS, pa.string()),
    arrays(TEXTS, pa.large_string()),
    arrays(INTS, pa.int64()),
    arrays(st.none() | TEXTS, pa.string()),
    arrays(st.binary(max_size=5), pa.large_binary()),
    arrays(st.none() | st.binary(max_size=5), pa.large_binary()),
    arrays(st.none(), pa.null()),
)


MIXED = st.lists(
    st.one_of(
        st.none(), st.integers(), FLOATS, st.booleans(), st.dates(), st.datetimes(),
        TEXTS, st.text("a\ud800\t"), st.binary(max_size=3), st.just({"a": "\t"}),
        st.just(("a", 1.5)),
    ),
    min_size=1,
    max_size=7,
)  # fmt: skip


@given(MIXED, MIXED)
def test_text_of_mixed_columns_is_that_of_their_pairs(keys: list[Any], values: list[Any]) -> None:
    n_rows = min(len(keys), len(values))
    keys, values = keys[:n_rows], values[:n_rows]
    columns = [as_column(keys), as_column(values)]
    assert Text().takes_mixed
    for names in (["key"], ["key.0", "key.1"]):
        batch = pa.record_batch(columns[: len(names)], names)
        data = Text().encode_columns(batch, columns[1])
        rows = keys if len(names) == 1 else list(zip(keys, values, strict=True))
        pairs = list(zip(rows, values, strict=True))
        assert data is None or bytes(data) == Text().encode_pairs(pairs)


def written(output: OutputFormat, keys: pa.Array, values: pa.Array) -> tuple[bytes | None, bytes]:
    """Return what is written of the columns as such, and what of their pairs."""
    n_rows = min(len(keys), len(values))
    keys, values = keys.slice(0, n_rows), values.slice(0, n_rows)
    data = output.encode_columns(pa.record_batch({"key": keys}), values)
    pairs = list(zip(keys.to_pylist(), values.to_pylist(), strict=True))
    return None if data is None else bytes(data), output.encode_pairs(pairs)


@given(COLUMNS, COLUMNS)
def test_text_of_columns_is_that_of_their_pairs(keys: pa.Array, values: pa.Array) -> None:
    as_columns, as_pairs = written(Text(), keys, values)
    assert as_columns in (None, as_pairs)


@given(st.lists(COLUMNS, min_size=1, max_size=3), COLUMNS)
def test_text_of_columns_of_tuples_is_that_of_their_pairs(
    columns: list[pa.Array], values: pa.Array
) -> None:
    n_rows = min(map(len, [*columns, values]))
    columns, values = [column.slice(0, n_rows) for column in columns], values.slice(0, n_rows)
    keys = pa.record_batch(columns, [f"key.{i}" for i in range(len(columns))])
    data = Text().encode_columns(keys, values)
    tuples = zip(*(column.to_pylist() for column in columns), strict=True)
    pairs = list(zip(tuples, values.to_pylist(), strict=True))
    assert data is None or bytes(data) == Text().encode_pairs(pairs)


@pytest.mark.parametrize(
    ("keys", "is_written"),
    [
        ({"key": ["a", "ü 語", ""]}, True),
        ({"key": [1, -2, 3]}, True),
        ({"key": ["a\tb", "", ""]}, True),
        ({"key": ["␉", "", ""]}, True),
        ({"key": [0.5, 1.5, 2.5]}, True),
        ({"key": ["a", None, "c"]}, True),
        ({"key.0": ["a", "b", "c"], "key.1": [1, 2, 3]}, True),
        ({"key": [Decimal(1), Decimal(2), Decimal(3)]}, False),
    ],
)
def test_columns_that_json_or_text_hold_are_written_as_such(
    keys: dict[str, Any], is_written: bool
) -> None:
    values = pa.array([1, 2, 3], pa.int64())
    assert (Text().encode_columns(pa.record_batch(keys), values) is not None) == is_written


@given(
    arrays(st.binary(max_size=5), pa.large_binary()),
    arrays(st.binary(max_size=5), pa.large_binary()) | arrays(st.none(), pa.null()),
    st.sampled_from([b"\n", b"", b"--"]),
)
def test_raw_columns_are_written_as_their_pairs(
    keys: pa.Array, values: pa.Array, end: bytes
) -> None:
    as_columns, as_pairs = written(Raw(end), keys, values)
    assert as_columns == as_pairs


def test_raw_output_is_the_bytes_of_key_and_value_and_the_end() -> None:
    assert Raw().encode_pairs([(b"k", b"v"), (b"\tk", None)]) == b"kv\n\tk\n"
    assert Raw(end=b"").encode_pairs([(b"k", b"v"), (b"k", None)]) == b"kvk"
    for wrong in (("k", b"v"), (b"k", "v"), (b"k", 1), (None, b"v")):
        with pytest.raises(YieldError, match="raw output takes keys and values of bytes, not"):
            Raw().encode_pairs([wrong])


def test_only_files_of_formats_that_have_one_end_in_a_footer() -> None:
    assert (Text().footer("mr-out-0"), Raw().footer("mr-out-0")) == (b"", b"")
