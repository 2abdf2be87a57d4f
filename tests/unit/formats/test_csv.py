"""CSV: the same rows wherever a file is cut, as Python's csv module reads them."""

from __future__ import annotations

import csv
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.reading import Read, cut, in_pieces, read, read_batches, write_input

from zmr import BadRecord, Csv
from zmr.formats import INVALID_UTF8
from zmr.formats.csv import parser as csv_parser
from zmr.formats.csv import split as csv_split
from zmr.messages import Split


@pytest.fixture(params=["narrow", "wide"], autouse=True)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have all rows read as those of few columns are, and as those of very many."""
    if request.param == "wide":
        monkeypatch.setattr(csv_parser, "WIDE_COLUMNS", 1)
    return str(request.param)


BOTH = pytest.mark.parametrize("how", [read, read_batches])
MARK = "\N{BYTE ORDER MARK}"
EVERYWHERE = range(1, 10_000)
CUTS = st.lists(st.integers(1, 200))
FIELD = st.text(st.sampled_from('ab ,;\t"\n\r\0ü語'), max_size=4)
ROWS = st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=6)


def written(rows: list[Any], end: str, delimiter: str = ",", quotes: str = "") -> str:
    """Return the text of the rows; a field is quoted if it must be, or holds one of `quotes`."""
    special = {delimiter, '"', "\n", "\r", *quotes}

    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if special & set(text) else text

    return "".join(delimiter.join(map(field, row)) + end for row in [("x", "y", "x"), *rows])


def test_csv_rows_are_the_same_however_they_are_cut_and_read(path: Path) -> None:
    @settings(max_examples=100)
    @given(
        ROWS,
        st.sampled_from(["\n", "\r\n", "\r"]),
        st.sampled_from([",", ";", "\t"]),
        st.sampled_from(["", "ab"]),
        CUTS,
        st.integers(1, 50),
    )
    def check(
        rows: list[Any], end: str, delimiter: str, quotes: str, cuts: list[int], piece_bytes: int
    ) -> None:
        split = write_input(path, written(rows, end, delimiter, quotes))
        expected = [dict(zip(("x", "y", "x_2"), row, strict=True)) for row in rows]
        for splits in ([split], cut(path, cuts)):
            for how in (read, read_batches):
                found = how(in_pieces(Csv(delimiter=delimiter), piece_bytes), *splits)
                assert found.records == expected

    check()


def test_csv_without_line_ends_in_fields_may_be_cut_anywhere(path: Path) -> None:
    @settings(max_examples=60)
    @given(ROWS, st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans(), CUTS, st.integers(1, 50))
    def check(rows: list[Any], end: str, mark: bool, cuts: list[int], piece_bytes: int) -> None:
        rows = [[field.replace("\n", "").replace("\r", "") for field in row] for row in rows]
        write_input(path, MARK * mark + written(rows, end))
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
        split = write_input(path, text)
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


@pytest.mark.parametrize("types", [None, {"a": int, "c": float}])
def test_columns_that_are_named_are_those_of_records(path: Path, types: Any) -> None:
    split = write_input(path, 'a,b,c\n1,"x, y",0.5\n,0xff,2\n')
    whole, some = Csv(types=types), Csv(types=types, columns=["c", "a"])
    for how in (read, read_batches):
        records = how(whole, split).records
        assert how(some, split).records == [{"c": each["c"], "a": each["a"]} for each in records]
        assert [list(each) for each in how(some, split).records] == [["c", "a"]] * 2
        narrow = whole.only({"b", "nope"})
        typed = set(types or ())
        used = [{n: v for n, v in each.items() if n in typed | {"b"}} for each in records]
        assert how(narrow, split).records == used
        assert len(how(Csv().only(()), split).records) == 2


def test_a_header_that_ends_in_an_escape_is_refused(path: Path) -> None:
    for text in ("a,b,e\\", "\\"):
        with pytest.raises(BadRecord, match=r"line 1: no row of fields; does it end in an escape"):
            read(Csv(escape="\\"), write_input(path, text))


def test_a_value_that_is_refused_is_refused_whatever_else_is_read(path: Path) -> None:
    split = write_input(path, "a,b,c\n1,2,3\n1,0x1f,x\n")
    checked = Csv(types={"b": int})
    for one in (checked, checked.only({"a"}), Csv(types={"b": int}, columns=["b"])):
        with pytest.raises(BadRecord, match=r"line 3: column 'b': .*0x1f"):
            read(one, split)
    assert len(read(Csv(types={"b": int}, columns=["a"]), split).records) == 2
    with pytest.raises(BadRecord, match="there is no column 'd'; there are a, b, c"):
        read(Csv(columns=["a", "d"]), split)


def test_dicts_of_small_blocks_are_the_rows_of_batches(path: Path) -> None:
    @settings(max_examples=150)
    @given(
        st.text(st.sampled_from('a,,""\'\n\r \0é\u2028\x85\\'), max_size=30),
        st.sampled_from(['"', "'", ""]),
    )
    def check(text: str, quote: str) -> None:
        split = write_input(path, text)
        names = Csv(header=["a", "b"], quote=quote)
        outcomes: list[Any] = []
        for how in (read, read_batches):
            try:
                outcomes.append(how(names, split).records)
            except BadRecord as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]

    check()


@BOTH
@pytest.mark.parametrize(
    ("input_format", "text", "place", "reason"),
    [
        (Csv(), "a,b\n1,2\n\n\"3\n\",4\n5\n", "line 6", "Expected 2 columns, got 1: 5"),
        (Csv(), "a,b\n1,2\n3,\"4\n5,6\n", "line 3", "a quote that is never closed"),
        (Csv(), "\na,\"b\n1,2\n", "line 2", "a quote that is never closed"),
        (Csv(types={"b": int}), "a,b\n1,2\n3,x\n", "line 3", "column 'b': invalid .*'x', for int"),
        (Csv(types={"b": int}), "a,b\n0x1,2\n3,0x10\n", "line 3", "column 'b': .*'0x10', for int"),
        (Csv(types={"b": int}), 'a,b\n1," 0XF"\n', "line 2", "column 'b': .*' 0XF', for int"),
        (Csv(quoted_newlines=False), "a,b\n1,2\n3,\"4\n5\"\n", "line 3", "a line end within"),
        (Csv(quoted_newlines=False), "a,b\n1,2\n3,4\n5\n", "line 4", "Expected 2 columns, got 1"),
        (Csv(types={"b": int}), "a,b\n1,x\n3\n", "line 2", "column 'b': invalid .*'x', for int"),
        (Csv(types={"c": int}), "a,b\n1,2\n", "", "there is no column 'c'; there are a, b"),
    ],
)  # fmt: skip
def test_a_bad_row_is_told_by_its_line(
    path: Path, how: Any, input_format: Csv, text: str, place: str, reason: str
) -> None:
    write_input(path, text)
    for at in (EVERYWHERE, range(0)):
        with pytest.raises(BadRecord, match=reason) as error:
            how(in_pieces(input_format, 10), *cut(path, at))
        assert error.value.place == place


@BOTH
def test_csv_headers_types_and_quotes_are_as_the_user_says(path: Path, how: Any) -> None:
    def records(input_format: Csv, text: str) -> list[Any]:
        found: Read = how(input_format, write_input(path, text))
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
    assert [each.splittable for each in (Csv(), Csv(quote=""), Csv(split=False))] == [
        True, True, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        {"delimiter": ""},
        {"delimiter": "ab"},
        {"quote": "“"},
        {"header": "a,b"},
        {"delimiter": "\n"},
        {"escape": '"'},
        {"escape": "ab"},
        {"delimiter": " ", "skip_initial_space": True},
        {"nulls": "NA"},
        {"skip_lines": -1},
    ],
)
def test_csv_arguments_that_make_no_sense_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"Csv\(\w+\)"):
        Csv(**arguments)


@pytest.mark.parametrize(
    ("input_format", "text", "lines"),
    [
        (Csv(), 'a,b\n1,2\n\n"3\n",4\n5,6', [2, 4, 6]),
        (Csv(quoted_newlines=False), "a,b\n1,2\n\n3,4\n5,6", [2, 4, 5]),
    ],
)
def test_records_are_located_by_their_lines(
    path: Path, input_format: Csv, text: str, lines: list[int]
) -> None:
    split = write_input(path, text)
    for piece_bytes in (1, 10, 1 << 20):
        located = [in_pieces(input_format, piece_bytes).locate(split, i) for i in range(len(lines))]
        assert located == [f"line {line}" for line in lines]


@BOTH
def test_what_is_not_utf_8_is_counted_once(path: Path, how: Any) -> None:
    write_input(path, b"a,\xff\n1,\xff\n\xff,2\n")
    found = how(Csv(quoted_newlines=False), *cut(path, EVERYWHERE))
    assert (found.records, found.counters) == (
        [{"a": "1", "�": "�"}, {"a": "�", "�": "2"}],
        {INVALID_UTF8: 2},
    )


@BOTH
def test_rows_that_end_in_cr_are_read_in_pieces(path: Path, how: Any) -> None:
    for end in ("\r", "\r\n"):
        text = "a,b" + end + "".join(f'{i},"x{end}y"{end}' for i in range(1000))
        split = write_input(path, text)
        sizes = [size for _, size in in_pieces(Csv(), 100).read(split, print)]
        assert max(sizes) < 250
        found = how(in_pieces(Csv(), 100), split)
        assert found.records == [{"a": str(i), "b": f"x{end}y"} for i in range(1000)]


def test_names_that_come_very_often_are_numbered_at_once(path: Path) -> None:
    split = write_input(path, ",".join(["a", "a_3"] * 10_000) + "\n" + ",".join("12" * 10_000))
    (record,) = read(Csv(), split).records
    assert list(record)[:5] == ["a", "a_3", "a_2", "a_3_2", "a_4"]
    assert list(record.values()) == ["1", "2"] * 10_000


def quoted_rows(n: int) -> tuple[str, list[dict[str, str]]]:
    """Return a file of rows of which some have line ends, quotes and whole rows within quotes."""
    texts = ["plain", "two\nlines", 'a "quote"', "1,2\n3,4\n5,6", '","', "", '\n"', "end\n" * 9]
    rows = [(str(i), texts[i * 7 % len(texts)]) for i in range(n)]
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([("a", "b"), *rows])
    return text.getvalue(), [{"a": a, "b": b} for a, b in rows]


def test_a_split_that_starts_within_quotes_begins_with_the_next_row(path: Path) -> None:
    text, expected = quoted_rows(400)
    write_input(path, text)
    for n in (97, 1009):
        assert read(Csv(), *cut(path, range(n, 20_000, n))).records == expected


def test_rows_are_found_without_a_look_at_the_whole_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = quoted_rows(20_000)
    write_input(path, text)
    n_scans = 0
    returned = csv_split._returned

    def counted(rows: Any) -> int:
        nonlocal n_scans
        n_scans += 1
        return returned(rows)

    monkeypatch.setattr(csv_split, "_returned", counted)
    assert read(Csv(), *cut(path, range(7919, len(text), 7919))).records == expected
    assert n_scans <= 4  # of more than 100: text that may be both is rare


@pytest.mark.parametrize("quote", ['5" wide', '"a" b', 'a"b'])
def test_quotes_that_are_ordinary_characters_may_be_in_a_file_that_is_cut(
    path: Path, quote: str
) -> None:
    rows = "".join(f'{i},{quote},"x\ny"\n' for i in range(300))
    split = write_input(path, "a,b,c\n" + rows)
    expected = read(Csv(), split).records
    assert len(expected) == 300
    assert read(Csv(), *cut(path, range(101, 10_000, 101))).records == expected


def test_a_split_that_began_wrong_is_found(path: Path) -> None:
    # No quote is near the place where it is cut, and all around it looks like rows.
    rows = "1,2\n" * (1 << 20)
    write_input(path, f'a,b\n"{rows}",3\n')
    with pytest.raises(BadRecord, match=r"line 1048579: it can't be told .* Csv\(split=False\)"):
        read(Csv(), *cut(path, [1 << 20]))
    assert len(read(Csv(split=False), Split(str(path))).records) == 1


def test_a_large_file_without_an_lf_belongs_to_its_first_split(path: Path) -> None:
    write_input(path, "a,b\r" + "1,2\r" * 1000)
    assert read(Csv(), *cut(path, [100, 2000])).records == [{"a": "1", "b": "2"}] * 1000


def test_any_text_gives_the_same_rows_when_it_is_cut_or_an_error(path: Path) -> None:
    def found(input_format: Csv, *splits: Split) -> Any:
        try:
            return read(input_format, *splits).records
        except BadRecord as error:
            return str(error)

    @settings(max_examples=150)
    @given(st.text(st.sampled_from('a,"""\n\n\r'), max_size=40), CUTS, st.integers(1, 3))
    def check(text: str, cuts: list[int], n_columns: int) -> None:
        split = write_input(path, text)
        names = ["a", "b", "c"][:n_columns]
        whole = found(Csv(header=names, delimiter=","), split)
        pieces = found(Csv(header=names), *cut(path, cuts))
        if "can't be told" not in str(pieces) and not isinstance(whole, str):
            assert pieces == whole
        assert isinstance(pieces, str) or pieces == whole

    check()


def test_escapes_and_initial_spaces_are_what_they_are_to_pythons_csv_module(path: Path) -> None:
    @settings(max_examples=150)
    @given(
        st.text(st.sampled_from('a,""\\\\ \n\r'), max_size=25),
        st.sampled_from([("\\", False), ("", True), ("\\", True)]),
        st.integers(1, 9),
    )
    @example("\\\r ", ("\\", True), 1)
    def check(text: str, dialect: tuple[str, bool], piece_bytes: int) -> None:
        escape, skips = dialect
        text = text.rstrip("\\") + "\n"  # nothing to escape is at the end
        # After a closing quote, it is nothing special to Python.
        assume(not escape or not re.search(r'"[^"\n\r]*\\', text))
        split = write_input(path, text)
        expected = list(
            csv.reader(
                StringIO(text, newline=""),
                delimiter="|",
                escapechar=escape or None,
                skipinitialspace=skips,
            )
        )
        input_format = Csv(["f"], "|", escape=escape, skip_initial_space=skips)
        try:
            found = read(in_pieces(input_format, piece_bytes), split).records
        except BadRecord as error:
            assert "never closed" in str(error)  # noqa: PT017 -- which Python lets pass
            return
        rows = [{"f": row[0]} for row in expected if row]
        if skips:  # a row of spaces alone is none
            rows, found = ([row for row in each if row["f"]] for each in (rows, found))
        assert found == rows

    check()


@BOTH
def test_csv_dialects_that_others_write(path: Path, how: Any) -> None:
    def records(input_format: Csv, text: str) -> list[Any]:
        found: Read = how(in_pieces(input_format, 7), write_input(path, text))
        return found.records

    mysql = Csv(["a", "b"], "\t", quote="", escape="\\")
    assert records(mysql, "1\tx\\\ty\\\nz\n2\t\\\\\n") == [
        {"a": "1", "b": "x\ty\nz"},
        {"a": "2", "b": "\\"},
    ]
    escaped = Csv(["a", "b"], escape="\\")
    assert records(escaped, '"x\\"y\\\\","\n\\""\n') == [{"a": 'x"y\\', "b": '\n"'}]
    spaced = Csv(skip_initial_space=True)
    assert records(spaced, 'a, "b"\n1,  "x, ""y""\n z"\n2, 3 \n') == [
        {"a": "1", "b": 'x, "y"\n z'},
        {"a": "2", "b": "3 "},
    ]
    nulls = Csv(types={"n": int, "s": str}, nulls=["NA", "-"])
    assert records(nulls, "n,s\nNA,NA\n-,-\n,\n1,x\n") == [
        {"n": None, "s": "NA"},
        {"n": None, "s": "-"},
        {"n": None, "s": ""},
        {"n": 1, "s": "x"},
    ]
    text = f'{MARK}Report "of\n\n1;2;3\na,b\n1,2\n'
    for splits in ([write_input(path, text)], cut(path, EVERYWHERE)):
        found = how(Csv(skip_lines=3), *splits)
        assert found.records == [{"a": "1", "b": "2"}]
    assert Csv(skip_lines=3).locate(Split(str(path)), 0) == "line 5"
    assert records(Csv(skip_lines=30), text) == []


ANY_TYPE: list[tuple[Any, str, Any]] = [
    (pa.uint64(), "18446744073709551615", 2**64 - 1),
    (pa.float16(), "0.5", 0.5),
    (bool, "true", True),
    (pa.decimal32(5, 2), "1.50", Decimal("1.50")),
    (pa.decimal256(50, 3), "12345678901234567890.125", Decimal("12345678901234567890.125")),
    (pa.time64("us"), "12:30:00", time(12, 30)),
    (pa.duration("s"), "90", timedelta(seconds=90)),
    (pa.timestamp("ms", "UTC"), "2026-01-31T02:00:00+02:00", datetime(2026, 1, 31, tzinfo=UTC)),
    (pa.string_view(), "ü", "ü"),
    (pa.binary_view(), "ü", "ü".encode()),
    (pa.binary(2), "ab", b"ab"),
    (pa.dictionary(pa.int32(), pa.string()), "ab", "ab"),
]


@BOTH
@pytest.mark.parametrize(("kind", "text", "value"), ANY_TYPE)
def test_csv_columns_have_any_type_that_is_said(
    path: Path, how: Any, kind: Any, text: str, value: Any
) -> None:
    split = write_input(path, f"a,v\n1,{text}\n2,\n")
    found = how(Csv(types={"v": kind}), split).records
    assert (found[0], found[1]["a"]) == ({"a": "1", "v": value}, "2")
    if isinstance(kind, pa.DataType):
        ((batch, _),) = Csv(types={"v": kind}).read_batches(split, print)
        assert batch.schema.field("v").type == kind


def test_types_that_no_field_stands_for_are_refused_and_zones_explained(path: Path) -> None:
    for kind in (pa.list_(pa.int8()), pa.month_day_nano_interval()):
        with pytest.raises(TypeError, match=r"types\['v'\]: no field of CSV stands for"):
            Csv(types={"v": kind})
    split = write_input(path, "v\n2026-01-31T12:00:00Z\n")
    reason = r"column 'v': expected no zone.*; pyarrow.timestamp\('us', 'UTC'\) has a zone"
    with pytest.raises(BadRecord, match=reason):
        read(Csv(types={"v": datetime}), split)


def test_times_that_python_has_not_are_told_with_their_column(path: Path) -> None:
    split = write_input(path, "t\n2026-01-31 12:00:00.000005000\n2026-01-31 12:00:00.000000001\n")
    csv_format = Csv(types={"t": pa.timestamp("ns")})
    with pytest.raises(BadRecord, match=r"column 't' has times with nano.*: map_batch has"):
        read(csv_format, split)
    split = write_input(path, "t\n2026-01-31 12:00:00.000005000\n")
    assert read(csv_format, split).records == [{"t": datetime(2026, 1, 31, 12, 0, 0, 5)}]
