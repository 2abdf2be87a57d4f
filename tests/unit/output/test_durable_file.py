"""Files that are on the disk when they are finished."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from random import Random

import pytest

from zmr.output.durable_file import CHUNK_BYTES, DurableFile

SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 4097]


@pytest.mark.parametrize("past_cache", [True, False])
@pytest.mark.parametrize("size_bytes", SIZES)
def test_a_file_holds_what_was_written_whatever_the_pieces(
    tmp_path: Path, size_bytes: int, past_cache: bool
) -> None:
    random = Random(size_bytes)
    data = random.randbytes(size_bytes)
    file = DurableFile(str(tmp_path / "file"), past_cache)
    start = 0
    while start < size_bytes:
        end = start + random.choice([1, 100, 70_000, CHUNK_BYTES, 2 * CHUNK_BYTES])
        piece = bytearray(data[start:end])
        file.write(piece)
        piece[:] = bytes(len(piece))  # the buffer is the caller's again
        start = end
    file.finish()
    assert (tmp_path / "file").read_bytes() == data


def test_a_large_file_does_not_stay_in_memory(tmp_path: Path) -> None:
    def in_cache(past_cache: bool) -> bool:
        path = tmp_path / f"file-{past_cache}"
        file = DurableFile(str(path), past_cache)
        file.write(bytes(4 * CHUNK_BYTES))
        file.finish()
        with path.open("rb") as written:
            try:
                return bool(os.preadv(written.fileno(), [bytearray(4096)], 0, os.RWF_NOWAIT))
            except BlockingIOError:
                return False

    if not knows_direct_writing(tmp_path):
        pytest.skip("this file system keeps everything in memory")
    assert in_cache(past_cache=False)
    assert not in_cache(past_cache=True)


def test_what_a_file_system_refuses_half_way_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one that takes a part of a chunk and refuses the rest
    calls = 0

    def write(descriptor: int, data: memoryview) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.EINVAL, "not a whole block")
        return written(descriptor, data[:12_288] if calls == 1 else data)

    written = os.write
    monkeypatch.setattr("zmr.output.durable_file.os.write", write)
    data = Random(1).randbytes(2 * CHUNK_BYTES + 5)
    file = DurableFile(str(tmp_path / "file"))
    file.write(data)
    if knows_direct_writing(tmp_path):
        file.finish()
        assert (tmp_path / "file").read_bytes() == data
    file.close()


@pytest.mark.parametrize("past_cache", [True, False])
@pytest.mark.parametrize("size_bytes", [10, 5 * CHUNK_BYTES])
def test_a_full_disk_is_told_at_the_latest_at_the_end(past_cache: bool, size_bytes: int) -> None:
    file = DurableFile("/dev/full", past_cache)

    def write() -> None:
        file.write(bytes(size_bytes))
        file.finish()

    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        write()
    file.close()


@pytest.mark.parametrize("size_bytes", [10, 5 * CHUNK_BYTES])
def test_who_gives_up_leaves_no_descriptor_and_no_thread(tmp_path: Path, size_bytes: int) -> None:
    before = len(os.listdir("/proc/self/fd")), threading.enumerate()
    file = DurableFile(str(tmp_path / "file"))
    file.write(bytes(size_bytes))
    file.close()
    file.close()
    # Not /proc/self/task, where a thread may stand that has just ended.
    assert (len(os.listdir("/proc/self/fd")), threading.enumerate()) == before


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_without_a_thread_the_file_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    data = Random(3).randbytes(3 * CHUNK_BYTES + 5)
    file = DurableFile(str(tmp_path / "file"))
    for start in range(0, len(data), 700_001):
        file.write(data[start : start + 700_001])
    file.finish()
    assert (tmp_path / "file").read_bytes() == data


def knows_direct_writing(folder: Path) -> bool:
    """Whether files there can bypass the page cache."""
    try:
        descriptor = os.open(folder / "probe", os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    except OSError:
        return False
    os.close(descriptor)
    device = os.stat(folder).st_dev
    return os.path.exists(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")


def test_an_error_that_is_told_at_the_end_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a file system that tells only then that there is no room, as network ones do
    closed: list[int] = []
    right = os.close

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        right(descriptor)
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    file = DurableFile(str(tmp_path / "file"))
    file.write(b"data")
    monkeypatch.setattr(os, "close", close)
    with pytest.raises(OSError, match="quota"):
        file.finish(is_synced=False)
    file.close()
    assert len(closed) == 1
