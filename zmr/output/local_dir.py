"""A process's own folder for map outputs and the like: made for it, removed after it.

The folder is locked as long as its process lives. What a killed process left is therefore known by
having no lock, and the next process in the same place removes it.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from itertools import count
from threading import Thread

from zmr.errors import OutputError
from zmr.output.locks import lock

_PREFIX = "zmr-worker-"
_REMOVED = ".removed-"
_numbers = count()  # of what is moved up, for names that no other thread takes


class LocalDir:
    """A new folder below `parent`, or below the folder for temporary files if that is None.

    It has a subfolder for each job, which the slots make. `path` is the folder itself.
    """

    def __init__(self, parent: str | None) -> None:
        """Raises `OutputError` if `parent` can't hold a folder."""
        self._n_removed = 0
        self._removers: list[Thread] = []
        try:
            parent = os.path.abspath(parent or tempfile.gettempdir())
            os.makedirs(parent, exist_ok=True)
            _remove_abandoned(parent)
            self.path, self._lock = _new_locked(parent)
        except OSError as error:
            raise OutputError(
                f"can't keep temporary files{f' in {parent}' if parent else ''}: {error.strerror} "
                f"(choose a folder with --local-dir)"
            ) from None

    def discard(self, path: str) -> None:
        """Remove the file of a job, if it is in this folder and there."""
        if os.path.dirname(os.path.dirname(os.path.abspath(path))) == self.path:
            with suppress(OSError):
                os.unlink(path)

    def discard_job(self, job_id: str) -> None:
        """Remove all files of one job: renamed at once, and deleted by a thread of its own.

        To free many gigabytes takes seconds, in which a heartbeat would be late.
        """
        removed = os.path.join(self.path, f"{_REMOVED}{self._n_removed}")
        self._n_removed += 1
        try:
            os.rename(os.path.join(self.path, job_id), removed)
        except OSError:
            return
        remover = Thread(target=_remove, args=(removed,), name="zmr-remover")
        try:
            remover.start()
        except RuntimeError:  # the system has no thread left
            _remove(removed)
        else:
            self._removers = [*filter(Thread.is_alive, self._removers), remover]

    def discard_all(self) -> None:
        """Remove all files of all jobs, likewise."""
        with suppress(OSError):
            for name in os.listdir(self.path):
                if not name.startswith(_REMOVED):
                    self.discard_job(name)

    def close(self) -> None:
        """Remove everything."""
        _remove(self.path)  # but what a remover thread is removing just now
        for remover in self._removers:
            remover.join()
        _remove(self.path)
        os.close(self._lock)


def _remove(folder: str) -> None:
    """Remove the folder, as far as possible: another thread may be removing it as well."""
    from shutil import rmtree

    try:
        rmtree(folder, ignore_errors=True)
    except RecursionError:  # user code can make folders in folders, as deep as it likes
        _remove_deep(folder)


def _remove_deep(folder: str) -> None:
    """Remove the folder with one folder at a time: what is in that is moved up before."""
    beside, folders = os.path.dirname(folder), [folder]
    while folders:
        path = folders.pop()
        with suppress(OSError):
            for entry in list(os.scandir(path)):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                up = os.path.join(beside, f"{_PREFIX}{_REMOVED}{os.getpid()}-{next(_numbers)}")
                os.rename(entry.path, up)
                folders.append(up)
            os.rmdir(path)


def _new_locked(parent: str) -> tuple[str, int]:
    """A new folder and its lock. Raises `OSError`."""
    while True:
        path = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        # Until it is locked, another process that starts may remove it as abandoned.
        with suppress(FileNotFoundError, BlockingIOError):
            descriptor = lock(path)
            if os.path.exists(path):
                return path, descriptor
            os.close(descriptor)


def _is_own(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder of this user's, of a worker."""
    if not entry.name.startswith(_PREFIX) or not entry.is_dir(follow_symlinks=False):
        return False
    try:
        return entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    except OSError:
        return False  # its process has removed it meanwhile


def _remove_abandoned(parent: str) -> None:
    with os.scandir(parent) as entries:
        candidates = [entry.path for entry in entries if _is_own(entry)]
    for path in candidates:
        try:
            descriptor = lock(path)
        except OSError:
            continue  # its process lives, or it belongs to another user
        _remove(path)
        os.close(descriptor)
