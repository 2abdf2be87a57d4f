"""Whole files: each is one record, with its path."""

from __future__ import annotations

from pathlib import Path

from support.reading import read, read_batches

from zmr import WholeFiles
from zmr.formats import INVALID_UTF8
from zmr.messages import Split


def test_a_whole_file_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "ü.txt"
    path.write_bytes(b"a\r\n\nb\xff")
    text = "a\r\n\nb\N{REPLACEMENT CHARACTER}"
    found = read(WholeFiles(), Split(str(path)))
    assert found == ([(str(path), text)], {INVALID_UTF8: 1}, 6)
    in_batches = read_batches(WholeFiles(), Split(str(path)))
    assert in_batches == ([{"path": str(path), "text": text}], {INVALID_UTF8: 1}, 6)


def test_a_whole_file_in_another_encoding_is_text(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    for data, encoding, text in (
        ("ü".encode("utf-16"), "utf-8", "ü"),
        ("ü".encode("latin-1"), "latin-1", "ü"),
        ("ü".encode("utf-8-sig"), "utf-8", "ü"),
        (b"PK\3\4\xff", "ascii", "PK\3\4\N{REPLACEMENT CHARACTER}"),
    ):
        path.write_bytes(data)
        found = read(WholeFiles(encoding=encoding), Split(str(path)))
        assert (found.records, found.size_bytes) == ([(str(path), text)], len(data))
        in_batches = read_batches(WholeFiles(encoding=encoding), Split(str(path)))
        assert in_batches.records == [{"path": str(path), "text": text}]
