"""The output folder: whose it is, and what of earlier jobs is removed from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zmr import OutputError
from zmr.output.folder import claim_output, clean_temporary, hold_claim, prepare_output


def test_a_new_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    prepare_output(str(tmp_path / "a/b"), False, [])
    assert (tmp_path / "a/b").is_dir()


def test_a_folder_belongs_to_one_job_until_that_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    prepare_output(str(folder), False, [])
    claim_output(str(folder), "first")
    with pytest.raises(OutputError, match="is that of first, which runs now or was killed"):
        prepare_output(str(folder), False, [])
    with pytest.raises(OutputError, match="is that of first"):  # prepared at the same time
        claim_output(str(folder), "second")
    assert [path.name for path in folder.iterdir()] == [".zmr-first"]

    clean_temporary(str(folder), "first")
    prepare_output(str(folder), False, [])
    claim_output(str(folder), "second")


def test_a_folder_that_holds_anything_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(OutputError, match=f"{tmp_path} is not empty.*--overwrite"):
        prepare_output(str(tmp_path), False, [])


def test_overwriting_removes_earlier_output_and_nothing_else(tmp_path: Path) -> None:
    for name in ("mr-out-0", "mr-out-17", "_SUCCESS", "mr-out-notes", "notes"):
        (tmp_path / name).touch()
    (tmp_path / ".zmr-j1").mkdir()
    (tmp_path / ".zmr-j1/mr-out-0.3").touch()
    prepare_output(str(tmp_path), True, [])
    assert sorted(os.listdir(tmp_path)) == ["mr-out-notes", "notes"]


def test_input_and_output_may_not_lie_in_one_another(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/text").touch()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for output, given in [
        ("data", "data"),
        ("data", "data/text"),
        ("link", "data"),
        ("data/out", "data"),
        ("link/out", "data"),
    ]:
        with pytest.raises(OutputError, match="name another"):
            prepare_output(str(tmp_path / output), True, [str(tmp_path / given)])
    assert (tmp_path / "data/text").exists()
    prepare_output(str(tmp_path / "data-out"), False, [str(tmp_path / "data")])


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(OutputError, match=str(tmp_path / name)):
            prepare_output(str(tmp_path / name), True, [])


def test_a_claimed_folder_is_not_overwritten_before_the_job_begins(tmp_path: Path) -> None:
    out = str(tmp_path)
    claim_output(out, "j1")
    with pytest.raises(OutputError, match=f"{out} is that of j1, which runs: name another"):
        prepare_output(out, True, [])
    held = hold_claim(out, "j1")  # as the master does, in another process or in this one
    assert held is not None
    os.close(held)
    clean_temporary(out, "j1")
    prepare_output(out, True, [])
    assert os.listdir(out) == []


def test_the_folder_of_a_job_that_runs_is_not_overwritten(tmp_path: Path) -> None:
    out = str(tmp_path)
    (tmp_path / ".zmr-j1").mkdir()
    held = hold_claim(out, "j1")
    assert held is not None
    (tmp_path / "mr-out-0").touch()
    with pytest.raises(OutputError, match=f"{out} is that of j1, which runs: name another"):
        prepare_output(out, True, [])
    assert (tmp_path / "mr-out-0").exists()
    os.close(held)  # as when its process is killed
    prepare_output(out, True, [])
    assert os.listdir(out) == []
    assert hold_claim(out, "j1") is None
