"""JSON lines: the same objects wherever a file is cut, and errors that name the line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reading import cut, in_pieces, read, read_batches, write_input

from zmr import BadRecord, JsonLines
from zmr.formats import INVALID_UTF8
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


def test_json_types_are_those_of_the_values_or_the_ones_that_are_said(path: Path) -> None:
    split = write_input(path, '{"n": 1, "s": "2026-01-31"}\n{"n": null}\n')
    ((batch, _),) = JsonLines().read_batches(split, print)
    assert batch.schema == pa.schema({"n": pa.int64(), "s": pa.string()})
    said = JsonLines(types={"n": float, "s": datetime, "other": pa.int8()})
    ((batch, _),) = said.read_batches(split, print)
    assert batch.to_pylist()[0] == {"n": 1.0, "s": datetime(2026, 1, 31), "other": None}
    with pytest.raises(TypeError, match=r"types\['n'\] must be str, .* or an Arrow type, not 3"):
        JsonLines(types={"n": 3})


def test_json_batches_name_the_line_whose_type_is_another(path: Path) -> None:
    split = write_input(path, '{"n": 1}\n' * 20 + '{"n": "x"}\n' + '{"n": 1}\n' * 20)
    assert len(read(JsonLines(), split).records) == 41
    with pytest.raises(BadRecord, match=r"line 21: Column\(/n\) changed from number to string$"):
        read_batches(JsonLines(), split)


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
