from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

import zmr
from zmr import OutputError
from zmr.messages import OutputFile, Stats
from zmr.output.folder import (
    claim_output,
    clean_temporary,
    hold_claim,
    prepare_output,
    require_files,
    success_manifest,
    write_success,
)
from zmr.output.partition_file import PartitionFile
from zmr.steps import temporary_folder


def start_file(folder: Path, data: bytes, attempt: int) -> PartitionFile:
    file = PartitionFile(str(folder), "j1", "mr-out-0", attempt)
    file.write(data)
    file.finish()
    return file


def described(data: bytes) -> OutputFile:
    return OutputFile("mr-out-0", len(data), f"crc32:{crc32(data):08x}")


# --- the folder ---


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


def test_only_finished_output_is_read_and_in_the_order_of_partitions(tmp_path: Path) -> None:
    files = [OutputFile(f"mr-out-{i}", 0, "") for i in (10, 2)]
    (tmp_path / "mr-out-2").write_text("a␉b\t1\n")
    (tmp_path / "mr-out-10").write_text("c\t2\n")
    with pytest.raises(OutputError, match="no finished output"):
        next(zmr.read_output(tmp_path))
    manifest = success_manifest("j", [("p", "v")], files, (("seen", 3),), Stats(records_in=5))
    write_success(str(tmp_path), manifest)
    assert list(zmr.read_output(tmp_path)) == [("a\tb", "1"), ("c", "2")]
    told = json.loads((tmp_path / "_SUCCESS").read_text())
    assert (told["counters"], told["stats"]["records_in"]) == ({"seen": 3}, 5)


def test_the_folder_of_a_job_that_runs_is_not_overwritten(tmp_path: Path) -> None:
    out = str(tmp_path)
    claim_output(out, "j1")
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


def test_an_output_is_complete_only_with_all_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "mr-out-0").write_bytes(b"12345")
    require_files(str(tmp_path), [OutputFile("mr-out-0", 5, "")])
    with pytest.raises(OutputError, match=r"changed .*: mr-out-0: 5 bytes, not 6"):
        require_files(str(tmp_path), [OutputFile("mr-out-0", 6, "")])
    with pytest.raises(OutputError, match=r"changed .*: mr-out-1: No such file or directory"):
        require_files(str(tmp_path), [OutputFile("mr-out-1", 5, "")])


def test_what_can_not_be_declared_complete_leaves_no_rest(tmp_path: Path) -> None:
    (tmp_path / "_SUCCESS" / "taken").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_success(str(tmp_path), {"files": []})
    assert os.listdir(tmp_path) == ["_SUCCESS"]


# --- a file in it ---


def test_a_file_appears_whole_when_it_is_published_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = start_file(tmp_path, b"a\t1\n", 1)
    assert not (tmp_path / "mr-out-0").exists()
    assert file.publish() == described(b"a\t1\n")
    assert (tmp_path / "mr-out-0").read_bytes() == b"a\t1\n"
    assert os.listdir(temporary_folder(str(tmp_path), "j1")) == []


def no_links(_: str, __: str) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("link", [os.link, no_links], ids=["links", "no links"])
def test_a_late_attempt_replaces_nothing_and_tells_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: Callable[[str, str], None]
) -> None:
    monkeypatch.setattr(os, "link", link)
    late = start_file(tmp_path, b"late\t1\n", 2)
    first = start_file(tmp_path, b"first\t1\n", 1)
    assert first.publish() == described(b"first\t1\n")
    assert late.publish() == described(b"first\t1\n")
    assert (tmp_path / "mr-out-0").read_bytes() == b"first\t1\n"


def test_an_attempt_after_the_end_of_the_job_cleans_up_after_itself(tmp_path: Path) -> None:
    write_success(str(tmp_path), {"files": []})
    clean_temporary(str(tmp_path), "j1")
    file = start_file(tmp_path, b"too late", 9)
    file.discard()
    assert os.listdir(tmp_path) == ["_SUCCESS"]


def test_a_child_that_user_code_forks_does_not_discard_the_file(tmp_path: Path) -> None:
    file = start_file(tmp_path, b"data", 1)
    pid = os.fork()
    if not pid:
        file.discard()
        os._exit(0)
    os.waitpid(pid, 0)
    assert file.publish().size_bytes == 4
    assert (tmp_path / "mr-out-0").read_bytes() == b"data"
