"""Formats whose records have named fields: JSON lines, CSV, Parquet."""

from __future__ import annotations

import csv
import json
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from support.reading import Read, cut, in_pieces, read, read_batches

from zmr import BadRecord, Csv, InputFormat, JsonLines, Parquet
from zmr.formats import INVALID_UTF8
from zmr.messages import Split

BOTH = pytest.mark.parametrize("how", [read, read_batches])
MARK = "\N{BYTE ORDER MARK}"
EVERYWHERE = range(1, 10_000)
CUTS = st.lists(st.integers(1, 200))
SHORT = st.text(st.sampled_from('ab ü語"\\,;\0'), max_size=5)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file that every example writes anew."""
    return tmp_path_factory.mktemp("formats") / "file"


def whole(path: Path, text: str | bytes) -> Split:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Split(str(path))


# --- JSON lines ---

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
        whole(path, mark + end.join(lines))
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
    whole(path, ("\n".join(lines) + "\n").encode("latin-1", "replace"))
    for splits in ([Split(str(path))], cut(path, [12, 25])):
        with pytest.raises(BadRecord) as error:
            how(JsonLines(), *splits)
        assert (error.value.path, error.value.place) == (str(path), "line 4")
        assert error.match(f"line 4: {reason}")


def test_json_types_are_those_of_the_values_or_the_ones_that_are_said(path: Path) -> None:
    split = whole(path, '{"n": 1, "s": "2026-01-31"}\n{"n": null}\n')
    ((batch, _),) = JsonLines().read_batches(split, print)
    assert batch.schema == pa.schema({"n": pa.int64(), "s": pa.string()})
    said = JsonLines(types={"n": float, "s": datetime, "other": pa.int8()})
    ((batch, _),) = said.read_batches(split, print)
    assert batch.to_pylist()[0] == {"n": 1.0, "s": datetime(2026, 1, 31), "other": None}
    with pytest.raises(TypeError, match=r"types\['n'\] must be str, .* or an Arrow type, not 3"):
        JsonLines(types={"n": 3})


def test_json_batches_name_the_line_whose_type_is_another(path: Path) -> None:
    split = whole(path, '{"n": 1}\n' * 20 + '{"n": "x"}\n' + '{"n": 1}\n' * 20)
    assert len(read(JsonLines(), split).records) == 41
    with pytest.raises(BadRecord, match=r"line 21: Column\(/n\) changed from number to string$"):
        read_batches(JsonLines(), split)


# --- CSV ---

FIELD = st.text(st.sampled_from('ab ,;\t"\n\r\0ü語'), max_size=4)
ROWS = st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=6)


def written(rows: list[Any], end: str, delimiter: str = ",", quotes: str = "") -> str:
    """Return the text of the rows; a field is quoted if it must be, or holds one of `quotes`."""
    special = {delimiter, '"', "\n", "\r", *quotes}

    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if special & set(text) else text

    return "".join(delimiter.join(map(field, row)) + end for row in [("x", "y", "x"), *rows])


def test_csv_rows_are_the_same_however_they_are_read(path: Path) -> None:
    @settings(max_examples=60)
    @given(
        ROWS,
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from([",", ";", "\t"]),
        st.sampled_from(["", "ab"]),
        st.integers(1, 50),
    )
    def check(rows: list[Any], end: str, delimiter: str, quotes: str, piece_bytes: int) -> None:
        split = whole(path, written(rows, end, delimiter, quotes))
        expected = [dict(zip(("x", "y", "x_2"), row, strict=True)) for row in rows]
        for how in (read, read_batches):
            found = how(in_pieces(Csv(delimiter=delimiter), piece_bytes), split)
            assert found.records == expected

    check()


def test_csv_without_line_ends_in_fields_may_be_cut_anywhere(path: Path) -> None:
    @settings(max_examples=60)
    @given(ROWS, st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans(), CUTS, st.integers(1, 50))
    def check(rows: list[Any], end: str, mark: bool, cuts: list[int], piece_bytes: int) -> None:
        rows = [[field.replace("\n", "").replace("\r", "") for field in row] for row in rows]
        whole(path, MARK * mark + written(rows, end))
        expected = [dict(zip(("x", "y", "x_2"), row, strict=True)) for row in rows]
        for how in (read, read_batches):
            found = how(in_pieces(Csv(quoted_newlines=False), piece_bytes), *cut(path, cuts))
            assert found.records == expected

    check()


def never_closed(text: str) -> bool:
    """Return whether for Python's csv module a quoted field goes on to the end, and beyond."""
    *_, last = csv.reader(StringIO(text + "\n|beyond", newline=""), delimiter="|")
    return last != ["", "beyond"]


def test_quotes_mean_what_they_mean_to_pythons_csv_module_wherever_blocks_end(path: Path) -> None:
    @settings(max_examples=60)
    @given(st.text(st.sampled_from('a;""\n\r'), max_size=30), st.integers(1, 9))
    def check(text: str, piece_bytes: int) -> None:
        split = whole(path, text)
        one_column = in_pieces(Csv(header=["f"], delimiter="|"), piece_bytes)
        if never_closed(text):  # which Python lets pass
            with pytest.raises(BadRecord, match="a quote that is never closed"):
                read(one_column, split)
        else:
            rows = csv.reader(StringIO(text, newline=""), delimiter="|")
            expected = [{"f": row[0]} for row in rows if row]
            assert read(one_column, split).records == expected
            assert read_batches(one_column, split).records == expected

    check()


@BOTH
@pytest.mark.parametrize(
    ("input_format", "text", "place", "reason"),
    [
        (Csv(), "a,b\n1,2\n\n\"3\n\",4\n5\n", "line 6", "Expected 2 columns, got 1: 5"),
        (Csv(), "a,b\n1,2\n3,\"4\n5,6\n", "line 3", "a quote that is never closed"),
        (Csv(), "\na,\"b\n1,2\n", "line 2", "a quote that is never closed"),
        (Csv(types={"b": int}), "a,b\n1,2\n3,x\n", "line 3", ".* to int64: invalid value 'x'"),
        (Csv(quoted_newlines=False), "a,b\n1,2\n3,\"4\n5\"\n", "line 3", "a line end within"),
        (Csv(quoted_newlines=False), "a,b\n1,2\n3,4\n5\n", "line 4", "Expected 2 columns, got 1"),
        (Csv(types={"c": int}), "a,b\n1,2\n", "", "there is no column 'c'; there are a, b"),
    ],
)  # fmt: skip
def test_a_bad_row_is_told_by_its_line(
    path: Path, how: Any, input_format: Csv, text: str, place: str, reason: str
) -> None:
    whole(path, text)
    at = EVERYWHERE if input_format.can_split(str(path)) else []
    with pytest.raises(BadRecord, match=reason) as error:
        how(in_pieces(input_format, 10), *cut(path, at))
    assert error.value.place == place


@BOTH
def test_csv_headers_types_and_quotes_are_as_the_user_says(path: Path, how: Any) -> None:
    def records(input_format: Csv, text: str) -> list[Any]:
        found: Read = how(input_format, whole(path, text))
        return found.records

    assert records(Csv(header=False), "1,2\n\n3,4") == [{"f0": "1", "f1": "2"}, {"f0": "3", "f1": "4"}]  # fmt: skip  # noqa: E501
    assert records(Csv(header=["n", "s"]), "1,NULL\n") == [{"n": "1", "s": "NULL"}]
    typed = Csv(types={"n": int, "s": str, "d": date})
    assert records(typed, "n,s,d\n7,,\n,8,2026-01-31\n") == [
        {"n": 7, "s": "", "d": None},
        {"n": None, "s": "8", "d": date(2026, 1, 31)},
    ]
    assert records(Csv(quote="", delimiter="\t"), 'a\tb\n"\t5"\n') == [{"a": '"', "b": '5"'}]
    assert records(Csv(), f"{MARK}a,b\n{MARK}1,{MARK}\n") == [{"a": f"{MARK}1", "b": MARK}]
    for nothing in ("", "\n\r\n", "a,b", "a,b\n\n"):
        assert records(Csv(), nothing) == []
    assert [each.splittable for each in (Csv(), Csv(quote=""), Csv(quoted_newlines=False))] == [
        False, True, True
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        {"delimiter": ""},
        {"delimiter": "ab"},
        {"quote": "“"},
        {"header": "a,b"},
        {"delimiter": "\n"},
    ],
)
def test_csv_arguments_that_make_no_sense_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"Csv\(\w+\)"):
        Csv(**arguments)


@pytest.mark.parametrize(
    ("input_format", "text", "lines"),
    [
        (JsonLines(), f'{MARK}\n{{"a":1}}\n\n{{"a":\n', [2]),
        (JsonLines(), '{"a":1}\n \r\n{"a":2}\n{"a":3}', [1, 3, 4]),
        (Csv(), 'a,b\n1,2\n\n"3\n",4\n5,6', [2, 4, 6]),
        (Csv(quoted_newlines=False), "a,b\n1,2\n\n3,4\n5,6", [2, 4, 5]),
    ],
)
def test_records_are_located_by_their_lines(
    path: Path, input_format: InputFormat, text: str, lines: list[int]
) -> None:
    split = whole(path, text)
    for piece_bytes in (1, 10, 1 << 20):
        located = [in_pieces(input_format, piece_bytes).locate(split, i) for i in range(len(lines))]
        assert located == [f"line {line}" for line in lines]


@BOTH
def test_what_is_not_utf_8_is_counted_once(path: Path, how: Any) -> None:
    whole(path, b'{"a":"\xff"}\n{"a":"\xe8\xaa"}\n')
    found = how(JsonLines(), *cut(path, EVERYWHERE))
    assert (found.records, found.counters) == ([{"a": "�"}, {"a": "�"}], {INVALID_UTF8: 2})
    whole(path, b"a,\xff\n1,\xff\n\xff,2\n")
    found = how(Csv(quoted_newlines=False), *cut(path, EVERYWHERE))
    assert (found.records, found.counters) == (
        [{"a": "1", "�": "�"}, {"a": "�", "�": "2"}],
        {INVALID_UTF8: 2},
    )


# --- Parquet ---


def table_of(n: int) -> pa.Table:
    return pa.table({"id": range(n), "name": [f"row {i}" for i in range(n)], "t": [["a"]] * n})


def test_a_row_group_belongs_to_the_split_that_it_begins_in(path: Path) -> None:
    expected = table_of(25).to_pylist()

    @settings(max_examples=60)
    @given(st.integers(1, 30), st.lists(st.integers(1, 4000)), st.sampled_from([1, 300, 1 << 20]))
    def check(group_rows: int, cuts: list[int], piece_bytes: int) -> None:
        parquet.write_table(table_of(25), path, row_group_size=group_rows)
        for how in (read, read_batches):
            found = how(in_pieces(Parquet(), piece_bytes), *cut(path, cuts))
            assert found.records == expected
        assert 0 < found.size_bytes < path.stat().st_size

    check()


@BOTH
def test_parquet_reads_the_columns_that_are_asked_for(path: Path, how: Any) -> None:
    parquet.write_table(table_of(2), path)
    found = how(Parquet(columns=["name", "id"]), Split(str(path)))
    assert list(found.records[1].items()) == [("name", "row 1"), ("id", 1)]
    with pytest.raises(BadRecord, match="there is no column 'nome'; there are id, name, t"):
        how(Parquet(columns=["nome"]), Split(str(path)))
    with pytest.raises(ValueError, match="takes a list"):
        Parquet(columns="name")


def test_parquet_rows_are_located_in_their_row_groups(path: Path) -> None:
    parquet.write_table(table_of(25), path, row_group_size=10)
    assert Parquet().locate(Split(str(path)), 12) == "row 3 of row group 2"
    after_the_first = Split(str(path), 100, -1)
    assert Parquet().locate(after_the_first, 12) == "row 3 of row group 3"
    assert Parquet().locate(after_the_first, 15) == ""


@BOTH
def test_an_empty_parquet_file_has_no_rows_and_a_damaged_one_is_an_error(
    path: Path, how: Any
) -> None:
    parquet.write_table(table_of(0), path)
    assert how(Parquet(), Split(str(path))).records == []
    parquet.write_table(table_of(5), path)
    data = path.read_bytes()
    for damaged in (b"", data[:-1], data[: len(data) // 2], data[:40] + bytes(200) + data[240:]):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="no Parquet file, or a damaged one") as error:
            how(Parquet(), Split(str(path)))
        assert error.value.filename == str(path)
    with pytest.raises(FileNotFoundError):
        how(Parquet(), Split("/nowhere"))
