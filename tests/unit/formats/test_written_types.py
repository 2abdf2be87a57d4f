"""Text output comes back with the types that it was written with, or as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zmr.columns import rows
from zmr.formats.output import Raw, Text
from zmr.formats.output_writer import OutputWriter
from zmr.formats.text import encode_field
from zmr.formats.text_values import pairs_of
from zmr.formats.written_types import common
from zmr.messages import OutputFile

ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("\t\n\r␉␊␍␛\\\ud800"))
SCALARS = {
    "str": ANY_TEXT,
    "bytes": st.binary()
    | st.sampled_from([b"\t", "␛␉".encode(), b"null", b"\xe2\x90\xe2\x90\x9b"]),
    "int": st.integers(),
    "float": st.floats(),
    "bool": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes().map(lambda moment: moment.replace(fold=0)),
    "Decimal": st.decimals(),
    "UUID": st.uuids(),
    "None": st.none(),
}
ANY = st.sampled_from(list(SCALARS.values()))
OR_NONE = ANY.flatmap(lambda values: st.sampled_from([values, values | st.none()]))
COLUMNS = OR_NONE | st.lists(OR_NONE, max_size=3).map(lambda parts: st.tuples(*parts))
MIXED = st.lists(ANY, min_size=2, max_size=3).map(st.one_of)


def written(pieces: Sequence[Sequence[tuple[Any, Any]]]) -> tuple[bytes, str, str]:
    """Return the lines of the pairs, and their types."""
    writer = OutputWriter(Text())
    data = b"".join(writer.encode_pairs(pairs) for pairs in pieces)
    file = writer.described(OutputFile("mr-out-0", 0, ""))
    assert file.format == "Text"
    return data, file.key_type, file.value_type


def same(one: Any, other: Any) -> bool:
    """Whether they are of one type and value; so is NaN."""
    if type(one) is tuple and type(other) is tuple:
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def as_text(value: Any) -> str:
    """Return what is read of a value of which the type is not known."""
    ((_, text),) = pairs_of([b"\t" + encode_field(value) + b"\n"], "str", "str")
    return str(text)


@given(COLUMNS.flatmap(lambda keys: st.lists(st.lists(st.tuples(keys, st.just(1))), max_size=3)))
def test_values_of_one_type_come_back_as_they_were(pieces: list[list[tuple[Any, int]]]) -> None:
    lines, key_type, _ = written(pieces)
    pairs = [pair for piece in pieces for pair in piece]
    found = [key for key, _ in pairs_of(lines.splitlines(keepends=True), key_type, "int")]
    expected = [key for key, _ in pairs]
    if {type(None)} < set(map(type, expected)) <= {str, bytes, type(None)}:
        expected = list(map(as_text, expected))  # None and "null" look the same
    assert len(found) == len(expected)
    assert all(map(same, found, expected)), (found, expected, key_type)


@given(st.lists(MIXED.flatmap(st.lists), min_size=1, max_size=3))
@example([[1], [1.0]])
@example([[True, 1]])
@example([[(1,), (1.0,)]])
@example([[(1, [2])]])
@example([[datetime(2020, 1, 1, tzinfo=UTC)], [datetime(2020, 1, 1, fold=1)]])
def test_values_come_back_as_they_were_or_as_text(pieces: list[list[Any]]) -> None:
    lines, _, value_type = written([[("k", value) for value in piece] for piece in pieces])
    values = [value for piece in pieces for value in piece]
    found = [value for _, value in pairs_of(lines.splitlines(keepends=True), "str", value_type)]
    if not all(map(same, found, values)):
        assert value_type == "str"
        assert found == list(map(as_text, values))


@given(st.lists(OR_NONE.flatmap(st.lists), min_size=1, max_size=3))
def test_columns_have_the_types_of_their_values(pieces: list[list[Any]]) -> None:
    writer = OutputWriter(Text())
    for values in filter(None, pieces):
        batch = rows.from_lists(["k"] * len(values), values)
        if batch.schema.field("value").metadata is None:  # not pickled: those are written as pairs
            data = writer.encode_columns(batch.select(["key"]), batch.column("value"))
        else:
            data = None
        if data is None:
            writer.encode_pairs([("k", value) for value in values])
    by_pairs = written([[("k", value) for value in values] for values in pieces])
    file = writer.described(OutputFile("mr-out-0", 0, ""))
    assert (file.key_type, file.value_type) == by_pairs[1:]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2**70, None], "int or None"),
        ([1, "a"], "str"),
        ([(1, "a"), (2, None)], "(int, str or None)"),
        ([(1, (2,))], "str"),
        ([()], "()"),
        ([np.float64(1.5), np.float32(1.5), 2.5], "float"),
        ([np.float16(1.5)], "str"),
        ([UUID(int=1), Decimal(1)], "str"),
        ([[1], None], "str"),
        ([date(1, 1, 1)], "date"),
        ([tuple(range(1000))], "str"),
    ],
)
def test_the_name_of_a_type(values: list[Any], expected: str) -> None:
    assert written([[("k", value) for value in values]])[1:] == ("str", expected)
    assert written([[("k", value)] for value in values])[1:] == ("str", expected)


def test_numbers_of_any_length_come_back() -> None:
    pairs = [(10**5000, (10**5000, "a"))]
    data, *types = written([pairs])
    assert list(pairs_of([data], *types)) == pairs


def test_keys_in_columns_are_tuples_where_they_were() -> None:
    writer = OutputWriter(Text())
    batch = rows.from_lists([("a", 1), ("b", None)], [2**80, 1])
    assert writer.encode_columns(batch.select(["key.0", "key.1"]), batch.column("value"))
    file = writer.described(OutputFile("mr-out-0", 0, ""))
    assert (file.key_type, file.value_type) == ("(str, int or None)", "int")


def test_another_attempts_file_and_other_formats_have_no_types() -> None:
    writer = OutputWriter(Text())
    writer.encode_pairs([(1, 2)])
    file = writer.described(OutputFile("mr-out-0", 0, ""), is_own=False)
    assert (file.format, file.key_type, file.value_type) == ("Text", "str", "str")
    raw = OutputWriter(Raw())
    raw.encode_columns(pa.record_batch({"key": pa.array([b"a"], pa.large_binary())}), pa.nulls(1))
    file = raw.described(OutputFile("mr-out-0", 0, ""))
    assert (file.format, file.key_type, file.value_type) == ("Raw", "", "")


NAMES = ["", "str", "None", "int", "float", "int or None", "bytes", "(int)", "(None)", "(int, str)"]


@given(st.lists(st.sampled_from(NAMES), min_size=3, max_size=3))
def test_types_have_a_common_one_in_any_order(names: list[str]) -> None:
    one, two, three = names
    assert common(one, two) == common(two, one)
    assert common(common(one, two), three) == common(one, common(two, three))
