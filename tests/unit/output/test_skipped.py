"""Files of skipped records: those of the attempts that counted are kept, in the order of maps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from zmr.output.skipped import SkippedFile, keep_skipped, read_skipped
from zmr.pipeline_steps import temporary_folder


def skip(output: Path, index: int, attempt: int, *records: Any) -> SkippedFile:
    file = SkippedFile.of_attempt(str(output), "j1", index, attempt)
    for record in records:
        file.add("line 1", record, "ValueError: no", "Traceback ...")
    file.finish()
    return file


def test_only_what_attempts_that_counted_skipped_is_kept_in_the_order_of_the_maps(
    tmp_path: Path,
) -> None:
    for index, attempt in ((10, 1), (2, 2), (2, 3)):
        skip(tmp_path, index, attempt, f"record of map {index}, attempt {attempt}")
    for _ in range(2):  # as a master does that was killed between
        keep_skipped(str(tmp_path), "j1", [(10, 1), (2, 3)])
    assert [row["record"] for row in read_skipped(str(tmp_path))] == [
        "record of map 2, attempt 3",
        "record of map 10, attempt 1",
    ]
    with pytest.raises(FileNotFoundError):
        keep_skipped(str(tmp_path), "j1", [(3, 1)])


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


def test_a_record_is_kept_as_text_whatever_it_is(tmp_path: Path) -> None:
    skip(tmp_path, 0, 1, "ü\udc80\n", b"\0", Unprintable(), "x" * (1 << 21))
    keep_skipped(str(tmp_path), "j1", [(0, 1)])
    *texts, cut = [row["record"] for row in read_skipped(str(tmp_path))]
    assert texts == [
        "ü\udc80\n",
        "b'\\x00'",
        "<Unprintable, whose repr raises ValueError>",
    ]
    assert len(cut) == 1 << 20


def test_there_is_no_file_without_skipped_records_nor_after_it_is_discarded(tmp_path: Path) -> None:
    skip(tmp_path, 0, 1)
    assert os.listdir(tmp_path) == []
    skip(tmp_path, 0, 2, "bad").discard()
    assert os.listdir(temporary_folder(str(tmp_path), "j1")) == []
    assert read_skipped(str(tmp_path)) == []
