"""Locks on folders, which show other processes that their owner lives.

The system releases a lock when its process ends, however that is.
"""

from __future__ import annotations

import fcntl
import os


def lock(folder: str, is_shared: bool = False) -> int:
    """Lock the folder for as long as the returned descriptor is open and the process lives.

    Several processes may have a lock that is shared. Raises OSError: BlockingIOError if it is
    locked already.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(folder: str) -> bool:
    """Whether the folder is locked; False where that can't be known."""
    try:
        os.close(lock(folder))
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
