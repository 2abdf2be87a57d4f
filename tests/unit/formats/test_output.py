"""Output formats: whole columns are written as their pairs are, one by one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr import OutputFormat, Raw, Text
from zmr.errors import YieldError

TEXTS = st.text(st.sampled_from("ab ü語\0\t\n\r␉␛") | st.characters(codec="utf-8"), max_size=5)
INTS = st.integers(-(2**63), 2**63 - 1)


def arrays(values: st.SearchStrategy[Any], kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
    """Arrays of the type, which may begin within a larger one."""
    parts = st.lists(values, min_size=2, max_size=7).map(lambda some: pa.array(some, kind))
    return parts.map(lambda array: array.slice(1))


COLUMNS = st.one_of(
    arrays(TEXTS, pa.string()),
    arrays(TEXTS, pa.large_string()),
    arrays(INTS, pa.int64()),
    arrays(st.none() | TEXTS, pa.string()),
    arrays(st.floats(), pa.float64()),
    arrays(st.binary(max_size=5), pa.large_binary()),
    arrays(st.none() | st.binary(max_size=5), pa.large_binary()),
    arrays(st.none(), pa.null()),
)


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


@pytest.mark.parametrize(
    ("keys", "is_written"),
    [
        ({"key": ["a", "ü 語", ""]}, True),
        ({"key": [1, -2, 3]}, True),
        ({"key": ["a\tb", "", ""]}, False),
        ({"key": ["␉", "", ""]}, False),
        ({"key": [0.5, 1.5, 2.5]}, False),
        ({"key": ["a", None, "c"]}, False),
        ({"key.0": ["a", "b", "c"], "key.1": [1, 2, 3]}, False),
    ],
)
def test_only_plain_columns_are_written_as_such(keys: dict[str, Any], is_written: bool) -> None:
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
