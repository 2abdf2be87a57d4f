"""Folders that a process has locked for as long as it lives, so that others can tell."""

from __future__ import annotations

import fcntl
import os


def lock(folder: str) -> int:
    """Lock the folder for as long as the returned descriptor is open, or the process lives.

    Raises OSError: BlockingIOError if somebody else has locked it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(folder: str) -> bool:
    """Whether somebody has locked it; False if that can't be told."""
    try:
        os.close(lock(folder))
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
