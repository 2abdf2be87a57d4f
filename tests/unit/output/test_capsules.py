"""Capsules in the output folder: the last attempt's is kept, with why the job failed."""

from __future__ import annotations

import os
from pathlib import Path

from zmr.output.capsules import capsule_path, keep_capsule, list_capsules


def leave(folder: Path, name: str, attempt: int) -> None:
    """Leave a capsule as an attempt at the task does."""
    path = Path(capsule_path(str(folder), "j1", name, attempt))
    path.mkdir(parents=True)
    (path / "capsule.json").write_text(f"{name} {attempt}")


def test_the_capsule_of_the_last_attempt_is_kept_with_the_failure(tmp_path: Path) -> None:
    for name, attempt in (("map-1", 9), ("map-1", 10), ("map-10", 11), ("map-2", 12)):
        leave(tmp_path, name, attempt)
    keep_capsule(str(tmp_path), "j1", "map-1", "why\nit failed \udc80")
    kept = tmp_path / "_failed" / "map-1"
    assert list_capsules(str(tmp_path)) == [str(kept)]
    assert (kept / "capsule.json").read_text() == "map-1 10"
    assert (kept / "failure.txt").read_text() == "why\nit failed \\udc80"


def test_an_unfinished_capsule_is_not_kept(tmp_path: Path) -> None:
    part = capsule_path(str(tmp_path), "j1", "map-1", 3) + ".part"
    os.makedirs(part)
    keep_capsule(str(tmp_path), "j1", "map-1", "why")
    assert list_capsules(str(tmp_path)) == []


def test_a_job_without_capsules_has_none(tmp_path: Path) -> None:
    keep_capsule(str(tmp_path), "j1", "map-1", "why")
    assert list_capsules(str(tmp_path)) == []
    assert os.listdir(tmp_path) == []
