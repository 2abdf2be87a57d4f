"""JSON lines: the same objects wherever a file is cut, and errors that name the line."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reading import cut, in_pieces, read, read_batches, write_input

from zmr import BadRecord, JsonLines
from zmr.formats import INVALID_UTF8
from zmr.formats.json_parser import JsonParser
from zmr.messages import Split

BOTH = pytest.mark.parametrize("how", [read, read_batches])
MARK = "\N{BYTE ORDER MARK}"
EVERYWHERE = range(1, 10_000)
CUTS = st.lists(st.integers(1, 200))
SHORT = st.text(st.sampled_from('ab ü語"\\,;\0'), max_size=5)
OBJECTS = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63 - 1),
        "ratio": st.floats(allow_nan=False, allow_infinity=False, width=32),
        "name": SHORT | st.sampled_from(["2026-01-31", "2026-01-31T12:00:00Z", "\n", "語" * 9]),
        "more": st.fixed_dictionaries({"tags": st.lists(SHORT, min_size=1, max_size=2)}),
    }
)
SOMETIMES_BLANK = st.sampled_from(["", "", "", "\n", " \t\r\n", "\r\n"])


def test_json_objects_are_the_same_however_the_file_is_cut_and_read(path: Path) -> None:
    @settings(max_examples=60)
    @given(
        st.lists(st.tuples(SOMETIMES_BLANK, OBJECTS, st.booleans())),
        st.sampled_from(["", MARK]),
        st.sampled_from(["\n", "\r\n", " \n"]),
        CUTS,
        st.integers(1, 300),
    )
    def check(
        rows: list[tuple[str, Any, bool]], mark: str, end: str, cuts: list[int], piece_bytes: int
    ) -> None:
        lines = [blank + json.dumps(row, ensure_ascii=ascii) for blank, row, ascii in rows]
        write_input(path, mark + end.join(lines))
        expected = [row for _, row, _ in rows]
        for how in (read, read_batches):
            found = how(in_pieces(JsonLines(), piece_bytes), *cut(path, cuts))
            assert found.records == expected

    check()


@BOTH
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{'a': 1}", r"no JSON: Expecting property name enclosed in double quotes \(column 2\)"),
        ('{"a": 1', r"no JSON: Expecting ',' delimiter \(column 8\)"),
        ('{"a": 1} {"a": 2}', r"no JSON: Extra data \(column 10\)"),
        ("[1]", "a JSON array and not an object"),
        ("null", "a JSON null and not an object"),
        ('{"a": "\N{REPLACEMENT CHARACTER}\t"}', "no JSON: Invalid control character"),
        ('{"a": ' + "[" * 100_000, "no JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_bad_line_is_told_by_its_number(path: Path, how: Any, line: str, reason: str) -> None:
    lines = ['{"a": "ü"}', "", '{"a": "é"}', line, '{"a": "ü"}']
    write_input(path, ("\n".join(lines) + "\n").encode("latin-1", "replace"))
    for splits in ([Split(str(path))], cut(path, [12, 25])):
        with pytest.raises(BadRecord) as error:
            how(JsonLines(), *splits)
        assert (error.value.path, error.value.place) == (str(path), "line 4")
        assert error.match(f"line 4: {reason}")


@pytest.mark.parametrize(
    ("lines", "bad"),
    [
        (['{"a":1},{"b":2}', '{"c":3}'], 1),
        (['{"a":1}', '{"c":[3', "4]}"], 2),
        (['{"a":1},{"b":2}', '{"c":[3', "4]}"], 1),  # as many objects as lines
        (['{"a":1},null,{"b":2}', '{"c":[3', "4]}"], 1),
        (['{"a":1}', "null", '{"b":2}'], 2),
        (['{"a":1}],[{"b":2}'], 1),
    ],
)
def test_a_line_is_one_object_whatever_the_others_are(
    path: Path, lines: list[str], bad: int
) -> None:
    write_input(path, "\n".join([*lines, ""]))
    with pytest.raises(BadRecord, match=rf"line {bad}\b"):
        read(JsonLines(), *cut(path, []))


def test_json_types_are_those_of_the_values_or_the_ones_that_are_said(path: Path) -> None:
    split = write_input(path, '{"n": 1, "s": "2026-01-31"}\n{"n": null}\n')
    ((batch, _),) = JsonLines().read_batches(split, print)
    assert batch.schema == pa.schema({"n": pa.int64(), "s": pa.string()})
    said = JsonLines(types={"n": float, "s": datetime, "other": pa.int8()})
    ((batch, _),) = said.read_batches(split, print)
    assert batch.to_pylist()[0] == {"n": 1.0, "s": datetime(2026, 1, 31), "other": None}
    with pytest.raises(TypeError, match=r"types\['n'\] must be str, .* or an Arrow type, not 3"):
        JsonLines(types={"n": 3})


@pytest.mark.parametrize("types", [None, {"n": int}, {"n": int, "s": str, "gone": str}])
def test_json_columns_that_are_named_are_those_of_records(path: Path, types: Any) -> None:
    lines = ['{"n": 1, "s": "x", "m": {"n": 1}}', '{"s": "y", "m": 2}']
    columns = ["s", "n", "gone"]
    some = JsonLines(types=types, columns=columns)
    # Of one block, of blocks of a line each, and of one that Arrow does not read.
    for text in ("\n".join(lines), "\n".join([*lines, '{"n": 1, "n": 2, "m": []}'])):
        split = write_input(path, text)
        records = read(JsonLines(), split).records
        narrow = [{name: each[name] for name in columns if name in each} for each in records]
        assert read(some, split).records == narrow
        for input_format in (some, in_pieces(some, 5)):
            found = read_batches(input_format, split).records
            assert found == [{name: each.get(name) for name in columns} for each in narrow]
            assert [list(each) for each in found] == [columns] * len(records)
    with pytest.raises(ValueError, match="takes a list of names"):
        JsonLines(columns="n")


def test_json_batches_name_the_line_whose_type_is_another(path: Path) -> None:
    split = write_input(path, '{"n": 1}\n' * 20 + '{"n": "x"}\n' + '{"n": 1}\n' * 20)
    assert len(read(JsonLines(), split).records) == 41
    with pytest.raises(BadRecord, match=r"line 21: column 'n': changed from number to string$"):
        read_batches(JsonLines(), split)


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        (["18446744073709551615", "18446744073709551614", "0"], pa.uint64()),
        (["9223372036854775807", "-9223372036854775808"], pa.int64()),
        (["9007199254740992", "0.5", "1e300"], pa.float64()),
        (["1152921504606846976", "0.5"], pa.float64()),
        (["1e300", "-12345678901234567890.0"], pa.float64()),
    ],
)
def test_json_numbers_in_batches_are_what_they_are_in_the_file(
    path: Path, numbers: list[str], kind: pa.DataType
) -> None:
    lines = [f'{{"v": {number}, "in": {{"v": [{number}]}}}}\n' for number in numbers]
    split = write_input(path, "".join(lines))
    ((batch, _),) = JsonLines(types={"in": pa.struct({"v": pa.list_(kind)})}).read_batches(
        split, print
    )
    assert batch.column("v").type == kind
    assert batch.to_pylist() == read(JsonLines(), split).records
    # In blocks of their own, the type may be another one, but the number is the same.
    small = in_pieces(JsonLines(types={"in": batch.schema.field("in").type}), 10)
    assert read_batches(small, split).records == batch.to_pylist()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (["1", "18446744073709551616"], 2),
        (["18446744073709551615", "1", "-1"], 3),
        (["0.5", "9007199254740993"], 2),
        (["9007199254740993", "0.5"], 2),
        (["[0.5, 1]", "[9007199254740993]"], 2),
        (['"9007199254740993"', "9007199254740993"], 2),
    ],
)
def test_json_numbers_that_no_column_holds_exactly_are_told_by_their_line(
    path: Path, values: list[str], line: int
) -> None:
    split = write_input(path, "".join(f'{{"id": {value}}}\n' for value in values))
    assert len(read(JsonLines(), split).records) == len(values)
    with pytest.raises(BadRecord, match=f"line {line}: column 'id': "):
        read_batches(JsonLines(), split)


def test_json_integers_of_64_bits_stay_on_the_quick_way(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = write_input(path, "".join(f'{{"id": {2**64 - 1 - i}}}\n' for i in range(100)))
    n_slow = 0
    from_records = JsonParser.from_records

    def counted(self: JsonParser, records: list[Any], texts: list[str]) -> pa.RecordBatch:
        nonlocal n_slow
        n_slow += 1
        return from_records(self, records, texts)

    monkeypatch.setattr(JsonParser, "from_records", counted)
    found = read_batches(in_pieces(JsonLines(), 300), split)
    assert [record["id"] for record in found.records] == [2**64 - 1 - i for i in range(100)]
    assert n_slow == 1


ANY_TYPE: list[tuple[Any, str, Any]] = [
    (pa.uint64(), "18446744073709551615", 2**64 - 1),
    (pa.int8(), "-128", -128),
    (pa.float16(), "0.5", 0.5),
    (pa.float32(), "0.5", 0.5),
    (pa.decimal128(38), "123456789012345678901", Decimal("123456789012345678901")),
    (pa.decimal256(50, 3), "12345678901234567890.125", Decimal("12345678901234567890.125")),
    (pa.decimal128(10, 2), '"1.50"', Decimal("1.50")),
    (date, '"2026-01-31"', date(2026, 1, 31)),
    (pa.date64(), '"2026-01-31"', date(2026, 1, 31)),
    (pa.time64("us"), '"12:30:00"', time(12, 30)),
    (pa.duration("s"), "90", timedelta(seconds=90)),
    (pa.timestamp("ms", "UTC"), '"2026-01-31T02:00:00+02:00"', datetime(2026, 1, 31, tzinfo=UTC)),
    (pa.large_string(), '"ü"', "ü"),
    (pa.string_view(), '"ü"', "ü"),
    (bytes, '"ü"', "ü".encode()),
    (pa.binary(2), '"ab"', b"ab"),
    (pa.dictionary(pa.int32(), pa.string()), '"ab"', "ab"),
    (pa.list_(pa.date32()), '["2026-01-31"]', [date(2026, 1, 31)]),
    (pa.large_list(pa.int8()), "[1]", [1]),
    (pa.list_(pa.int8(), 2), "[1, 2]", [1, 2]),
    (pa.list_view(pa.int8()), "[1, 2]", [1, 2]),
    (pa.struct({"d": pa.date32()}), '{"d": "2026-01-31"}', {"d": date(2026, 1, 31)}),
    (pa.map_(pa.string(), pa.int8()), '{"a": 1}', [("a", 1)]),
    (pa.null(), "null", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "value"), ANY_TYPE)
def test_json_columns_have_any_type_that_is_said(
    path: Path, kind: Any, text: str, value: Any
) -> None:
    quick = f'{{"v": {text}}}\n{{"v": null}}\n'
    # For a name that comes twice, the block is read in Python: the last one counts, as in `map`.
    for lines in (quick, quick + '{"v": null, "n": 1, "n": 2}\n'):
        split = write_input(path, lines)
        ((batch, _),) = JsonLines(types={"v": kind}).read_batches(split, print)
        assert batch.column("v").to_pylist()[:2] == [value, None]
        if isinstance(kind, pa.DataType):
            assert batch.schema.field("v").type == kind
    assert batch.column("n").to_pylist() == [None, None, 2]


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (int, "1.5", "1.5"),
        (pa.int8(), "128", "128"),
        (date, '"today"', "today"),
        (pa.time64("us"), '"noon"', "noon"),
        (pa.decimal128(10, 2), "0.125", "data loss"),
        (pa.decimal128(10, 2), "true", "a JSON boolean is no decimal number"),
        (pa.map_(pa.string(), pa.int8()), "1", "a JSON number is no map"),
        (pa.month_day_nano_interval(), "1", "interval"),
    ],
)
def test_json_that_is_not_of_the_type_that_is_said_is_told_by_its_line(
    path: Path, kind: Any, text: str, reason: str
) -> None:
    split = write_input(path, f'{{"v": null}}\n{{"v": {text}}}\n')
    with pytest.raises(BadRecord, match=f"line 2: column 'v': .*({reason})"):
        read_batches(JsonLines(types={"v": kind}), split)


@BOTH
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_refused(path: Path, how: Any, number: str) -> None:
    split = write_input(path, f'{{"v": 0.5}}\n{{"v": {number}}}\n')
    with pytest.raises(BadRecord, match=f"line 2: no JSON: {number} is no JSON number"):
        how(JsonLines(types={"v": float}), split)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f'{MARK}\n{{"a":1}}\n\n{{"a":\n', [2]),
        ('{"a":1}\n \r\n{"a":2}\n{"a":3}', [1, 3, 4]),
    ],
)
def test_records_are_located_by_their_lines(path: Path, text: str, lines: list[int]) -> None:
    split = write_input(path, text)
    for piece_bytes in (1, 10, 1 << 20):
        located = [in_pieces(JsonLines(), piece_bytes).locate(split, i) for i in range(len(lines))]
        assert located == [f"line {line}" for line in lines]


@BOTH
def test_what_is_not_utf_8_is_counted_once(path: Path, how: Any) -> None:
    write_input(path, b'{"a":"\xff"}\n{"a":"\xe8\xaa"}\n')
    found = how(JsonLines(), *cut(path, EVERYWHERE))
    assert (found.records, found.counters) == ([{"a": "�"}, {"a": "�"}], {INVALID_UTF8: 2})
