"""A file that is on the disk, and not only on its way there, when it is finished.

Since the disk has to take all of it anyway, it is handed over past the kernel's page cache
(O_DIRECT): without a copy, without memory for pages, and without driving out what other tasks still
read. A thread writes one chunk while the next is being filled. Where the file system knows no such
thing, or the file is read soon and should stay in memory, chunks go through the
cache and are flushed as they come, so that the end does not have to wait for the whole.

O_DIRECT is to be deleted when `python -m benchmarks --only sort-records --engines zmr` takes no
more processor time with `_O_DIRECT = 0` (a fifth more on a virtual machine).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

CHUNK_BYTES = 2 << 20

# With more files than this in an output, one sync of their file system takes less time than one of
# each file: some milliseconds, of which a slot does nothing else.
MANY_FILES = 64
_FLUSH_CHUNKS = 16

_O_DIRECT: int = getattr(os, "O_DIRECT", 0)  # Linux


class DurableFile:
    """Makes the file at `path`: `write`, then `finish`; or `close` to give up.

    Every method but `close` may raise OSError, also for what was written before.
    """

    def __init__(self, path: str, past_cache: bool = True) -> None:
        self._past_cache = past_cache and bool(_O_DIRECT)
        self._is_direct = False  # now
        self._chunk = _new_chunk()
        self._filled_bytes = 0
        self._spare: mmap | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None
        self._n_written = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)

    def write(self, data: Any) -> None:
        """Append these bytes. The buffer is free again on return."""
        left = memoryview(data).cast("B")
        while left:
            start = self._filled_bytes
            part = left[: CHUNK_BYTES - start]
            self._chunk[start : start + len(part)] = part
            self._filled_bytes += len(part)
            left = left[len(part) :]
            if self._filled_bytes == CHUNK_BYTES:
                self._hand_over()

    def finish(self, is_synced: bool = True) -> None:
        """Have everything on the disk, or else by a later `sync_files`."""
        self._wait()
        if self._is_direct:
            self._set_direct(False)  # the end is no whole number of blocks of the disk
        self._write_all(memoryview(self._chunk)[: self._filled_bytes])
        if is_synced:
            os.fsync(self._descriptor)
        self.close()

    def close(self) -> None:
        """Let go of the file, whatever state it is in."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None
        if self._descriptor >= 0:
            # It is closed also if an error is told, as network file systems do here.
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _hand_over(self) -> None:
        """Have the full chunk written, and begin another."""
        self._wait()
        if self._spare is None:
            self._begin()
            self._spare = _new_chunk()
        self._filled_bytes = 0
        if self._writer is None:
            self._write_chunk(self._chunk)
            return
        self._pending = self._writer.submit(self._write_chunk, self._chunk)
        self._chunk, self._spare = self._spare, self._chunk

    def _begin(self) -> None:
        """Get ready for more than one chunk."""
        from concurrent.futures import ThreadPoolExecutor  # most files never need it

        if self._past_cache:
            self._set_direct(True)
        writer = ThreadPoolExecutor(1, "zmr-durable")
        with suppress(RuntimeError):  # there is no thread to be had: chunks are written here
            writer.submit(int)  # starts the thread, which stays
            self._writer = writer

    def _wait(self) -> None:
        """Until no chunk is under way."""
        if self._pending is not None:
            self._pending.result()

    def _write_chunk(self, chunk: mmap) -> None:
        self._write_all(memoryview(chunk))
        self._n_written += 1
        if not self._is_direct and self._n_written % _FLUSH_CHUNKS == 0:
            os.fsync(self._descriptor)

    def _write_all(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                if not self._is_direct or error.errno != errno.EINVAL:
                    raise
                # The file system took the flag but did not mean it, or has written a part of a
                # block of the disk.
                self._set_direct(False)

    def _set_direct(self, is_direct: bool) -> None:
        from fcntl import F_GETFL, F_SETFL, fcntl

        flags = fcntl(self._descriptor, F_GETFL) & ~_O_DIRECT
        with suppress(OSError):  # a file system that can't
            fcntl(self._descriptor, F_SETFL, flags | (_O_DIRECT if is_direct else 0))
            self._is_direct = is_direct


def sync_files(folder: str, names: Iterable[str]) -> None:
    """Have these files of the folder on the disk. Raises OSError.

    One sync of the file system does the work for all of them. One of each file follows, which then
    has hardly anything to do: it tells of errors, which the other one does since Linux 5.8 only,
    and is passed on where a file system does not take the other (FUSE).
    """
    _sync_file_system(folder)
    for name in names:
        descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_file_system(folder: str) -> None:
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):  # as on macOS
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if library.syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
    finally:
        os.close(descriptor)


def _new_chunk() -> mmap:
    """It begins at a page, as the disk wants it, and is not shared with what user code forks."""
    return mmap(-1, CHUNK_BYTES, MAP_PRIVATE | MAP_ANONYMOUS)
