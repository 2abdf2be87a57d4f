"""The folders of workers: one each, also when many start at once, and none left of the dead."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zmr.errors import OutputError
from zmr.output.local_dir import LocalDir


def test_workers_that_start_at_once_get_a_folder_each(tmp_path: Path) -> None:
    # Each looks for abandoned folders while the others make theirs.
    with ThreadPoolExecutor(8) as threads:
        folders = list(threads.map(lambda _: LocalDir(str(tmp_path)), range(64)))
    paths = [folder.path for folder in folders]
    assert sorted(paths) == sorted(map(str, tmp_path.iterdir()))
    for folder in folders:
        folder.close()
    assert list(tmp_path.iterdir()) == []


def test_the_next_worker_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    alive = LocalDir(str(tmp_path))
    abandoned = tmp_path / "zmr-worker-dead" / "job"
    abandoned.mkdir(parents=True)
    (abandoned / "job-map-0-1").write_bytes(b"data")
    others = tmp_path / "other"
    others.mkdir()

    late = LocalDir(str(tmp_path))

    assert {str(path) for path in tmp_path.iterdir()} == {alive.path, late.path, str(others)}
    alive.close()
    late.close()


def test_a_tree_that_is_deeper_than_any_recursion_is_removed(tmp_path: Path) -> None:
    # Given such a one, as anybody's code may leave it, with files on its way down
    deep = tmp_path / "zmr-worker-dead"
    deep.mkdir()
    folder = os.open(deep, os.O_RDONLY)
    for level in range(3000):
        os.mkdir("a", dir_fd=folder)
        inner = os.open("a", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
        if level % 1000 == 0:
            os.close(os.open("file", os.O_CREAT, dir_fd=folder))
    os.close(folder)

    late = LocalDir(str(tmp_path))

    assert [str(path) for path in tmp_path.iterdir()] == [late.path]
    late.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_the_folders_of_other_users_are_left_alone(tmp_path: Path) -> None:
    others = tmp_path / "zmr-worker-theirs"
    others.mkdir()
    os.chown(others, 65534, 65534)
    LocalDir(str(tmp_path)).close()
    assert list(tmp_path.iterdir()) == [others]


def test_only_what_is_in_the_folder_can_be_discarded(tmp_path: Path) -> None:
    folder = LocalDir(str(tmp_path))
    job = Path(folder.path) / "job"
    job.mkdir()
    inside, beside = job / "job-map-0-1", tmp_path / "precious"
    for file in (inside, beside):
        file.touch()
    for path in (inside, beside, job / ".." / ".." / "precious", job / "not there"):
        folder.discard(str(path))
    assert not inside.exists()
    assert beside.exists()
    folder.close()


def test_a_job_that_is_discarded_may_begin_again_at_once(tmp_path: Path) -> None:
    folder = LocalDir(str(tmp_path))
    job = Path(folder.path) / "job"
    for attempt in range(20):
        job.mkdir()
        for number in range(50):
            (job / f"job-map-{number}-{attempt}").write_bytes(bytes(10_000))
        folder.discard_job("job")
    job.mkdir()
    (job / "job-map-0-20").touch()
    assert [path.name for path in job.iterdir()] == ["job-map-0-20"]
    folder.discard_job("never seen")
    folder.discard_all()
    assert not job.exists()
    folder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_holds_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"can't keep temporary files in \S+file: .*--local-dir"):
        LocalDir(os.fspath(tmp_path / "file"))


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_without_a_thread_what_is_of_a_job_is_removed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = LocalDir(str(tmp_path))
    (Path(folder.path) / "job-1").mkdir()
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    folder.discard_job("job-1")
    assert os.listdir(folder.path) == []
    folder.close()
    assert os.listdir(tmp_path) == []
