"""Some thousands of frames and hundreds of files; `tox -e fuzz` has a million and ten thousand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fuzz.files import fuzz_files
from fuzz.lacks import without
from fuzz.siege import Siege

FRAMES = 6_000


def test_a_little_siege_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZMR_HOME", str(tmp_path / "home"))
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"python -m tests.fuzz --seed {seed}")
    report = Siege(seed, tmp_path, tell=print).run(FRAMES, later_s=0.0)
    assert not report.wrong, report.wrong
    assert report.frames.total() >= 0.9 * FRAMES


def test_a_siege_notices_a_master_that_believes_what_maps_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZMR_HOME", str(tmp_path / "home"))
    siege = Siege(1, tmp_path, tell=print, environment=without("B6", tmp_path / "lack"))
    assert siege.run(FRAMES, later_s=0.0).wrong


def test_damaged_files_are_read_alike_or_refused(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"python -m tests.fuzz --frames 0 --seed {seed}")
    assert "refused" in fuzz_files(seed, 300, tmp_path)
