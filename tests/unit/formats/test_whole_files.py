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
