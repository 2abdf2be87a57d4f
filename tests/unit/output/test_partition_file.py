"""Files of the output: each appears whole, once, and leaves nothing unfinished."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

from zmr.messages import OutputFile
from zmr.output.folder import clean_temporary
from zmr.output.manifest import write_success
from zmr.output.partition_file import PartitionFile
from zmr.pipeline_steps import temporary_folder


def start_file(folder: Path, data: bytes, attempt: int) -> PartitionFile:
    file = PartitionFile(str(folder), "j1", "mr-out-0", attempt)
    file.write(data)
    file.finish()
    return file


def described(data: bytes) -> OutputFile:
    return OutputFile("mr-out-0", len(data), f"crc32:{crc32(data):08x}")


def test_a_file_appears_whole_when_it_is_published_and_keeps_its_attempts_name(
    tmp_path: Path,
) -> None:
    file = start_file(tmp_path, b"a\t1\n", 1)
    assert not (tmp_path / "mr-out-0").exists()
    assert file.publish() == described(b"a\t1\n")
    assert (tmp_path / "mr-out-0").read_bytes() == b"a\t1\n"
    (own,) = Path(temporary_folder(str(tmp_path), "j1")).iterdir()
    assert own.samefile(tmp_path / "mr-out-0")
    clean_temporary(str(tmp_path), "j1")
    assert os.listdir(tmp_path) == ["mr-out-0"]


def test_an_attempt_that_begins_again_does_not_touch_what_it_has_published(tmp_path: Path) -> None:
    assert start_file(tmp_path, b"first\t1\n", 1).publish() == described(b"first\t1\n")
    again = start_file(tmp_path, b"again\t1\n", 1)
    assert (tmp_path / "mr-out-0").read_bytes() == b"first\t1\n"
    assert again.publish() == described(b"first\t1\n")


def test_a_file_that_no_attempt_has_written_is_not_taken_for_the_output(tmp_path: Path) -> None:
    (tmp_path / "mr-out-0").write_bytes(b"a\t2\n")
    for attempt in (1, 2):
        file = start_file(tmp_path, b"a\t1\n", attempt)
        with pytest.raises(FileExistsError, match="mr-out-0 is there, and the job has not written"):
            file.publish()
    assert (tmp_path / "mr-out-0").read_bytes() == b"a\t2\n"
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
