"""Small CSV files are read together, and nobody can tell, but by the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zmr.formats import BadRecord
from zmr.formats.csv import Csv, small_files
from zmr.formats.csv import parser as csv_parser
from zmr.messages import Split

HEADERS = ["a,b\n", "a,b\n", "a,b\r\n", '"a",b\n', "\N{BYTE ORDER MARK}a,b\n", "a,c\n", "a,b", ""]
ROWS = ["1,2\n", "é,\n", '"x\ny",3\n', "\n", "4,5\r\n", "6,7\r", "8,9", '"', "1\n", "GIF89a,1\n"]
FORMATS = [
    Csv(),
    Csv(types={"a": int}),
    Csv(header=["a", "b"]),
    Csv(header=False),
    Csv(quoted_newlines=False),
    Csv(quote=""),
    Csv(skip_initial_space=True),
    Csv(skip_lines=1),
    Csv(encoding="latin-1"),
]


def files_of(folder: Path, contents: Iterable[bytes]) -> list[Split]:
    splits = []
    for i, content in enumerate(contents):
        path = folder / f"{i}.csv"
        path.write_bytes(content)
        splits.append(Split(str(path), 0, len(content), len(content)))
    return splits


class Counted(Counter[str]):
    """Counters of a job."""

    def count_up(self, name: str, n: int) -> None:
        self[name] += n


def outcome(pieces: Iterator[Any]) -> Any:
    """The records and their bytes, or the error."""
    records: list[Any] = []
    size_bytes = 0
    try:
        for piece, piece_bytes in pieces:
            records += piece if isinstance(piece, list) else piece.to_pylist()
            size_bytes += piece_bytes
    except (BadRecord, OSError) as error:
        return str(error)
    return records, size_bytes


def test_files_read_together_give_what_each_gives_alone(tmp_path: Path) -> None:
    texts = st.tuples(st.sampled_from(HEADERS), st.lists(st.sampled_from(ROWS), max_size=4))
    contents = texts.map(lambda text: (text[0] + "".join(text[1])).encode())
    odd = st.sampled_from([b"a,b\n\xff,1\n", b"\xff\xfea\0,\0b\0\n\0", b"%PDF-,b\n1,2\n"])

    @settings(max_examples=300)
    @given(st.sampled_from(FORMATS), st.lists(contents | contents | odd, max_size=8))
    def check(csv: Csv, drawn: list[bytes]) -> None:
        splits = files_of(tmp_path, drawn)
        for read, read_all in (
            (csv.read, csv.read_all),
            (csv.read_batches, csv.read_all_batches),
        ):
            alone, together = Counted(), Counted()
            one_by_one = [(split, outcome(read(split, alone.count_up))) for split in splits]
            found = read_all(splits, together.count_up)
            assert [(split, outcome(pieces)) for split, pieces in found] == one_by_one
            assert together == alone

    check()


@pytest.mark.parametrize("csv", [Csv(types={"a": int}), Csv(header=["a", "b"])])
def test_a_thousand_files_are_parsed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, csv: Csv
) -> None:
    parsed = []
    read = csv_parser.CsvParser._read

    def counted(self: csv_parser.CsvParser, *arguments: Any) -> Any:
        parsed.append(arguments)
        return read(self, *arguments)

    monkeypatch.setattr(csv_parser.CsvParser, "_read", counted)
    n = small_files._GROUP_FILES
    splits = files_of(
        tmp_path, [b"a,b\n" * (csv._header is True) + b'%d,"x\ny"' % i for i in range(n)]
    )
    values = [records[0]["a"] for _, chunks in csv.read_all(splits, print) for records, _ in chunks]
    assert [int(value) for value in values] == list(range(n))
    assert len(parsed) == 1


def test_a_format_of_a_jobs_own_reads_each_file(tmp_path: Path) -> None:
    class Counted(Csv):
        def read(self, split: Split, count: Any) -> Any:
            for records, size_bytes in super().read(split, count):
                yield records[:1], size_bytes

    splits = files_of(tmp_path, [b"a\n1\n2\n", b"a\n3\n4\n"])
    found = [list(chunks) for _, chunks in Counted().read_all(splits, print)]
    assert found == [[([{"a": "1"}], 4)], [([{"a": "3"}], 4)]]


def test_a_file_that_has_changed_or_gone_is_none_of_a_group(tmp_path: Path) -> None:
    first, second, third = files_of(tmp_path, [b"a\n1\n", b"a\n2\n", b"a\n3\n"])
    Path(second.path).write_bytes(b"a\n20\n")
    Path(third.path).unlink()
    found = [outcome(chunks) for _, chunks in Csv().read_all([first, second, third], print)]
    assert found[0] == ([{"a": "1"}], 2)
    assert "shorter" not in str(
        found[1]
    )  # what it is now: that it has changed is MapInput's to say
    assert "No such file" in found[2]
