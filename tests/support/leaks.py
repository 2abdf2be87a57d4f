"""Finds the processes that a test left behind, also those that made a session of their own.

Every process of a test carries a mark in its environment, which its descendants inherit. Needs
Linux's /proc; elsewhere nothing is found.
"""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

MARK_VARIABLE = "TEST_MARK"
_PROC = Path("/proc")


def marked_processes(mark: str) -> dict[int, str]:
    """Return the command lines of the live processes with this mark, by process id."""
    found = {}
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    for folder in _PROC.glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(folder.name)] = command.decode(errors="replace").strip()
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return found


def wait_until_gone(mark: str, timeout_s: float) -> dict[int, str]:
    """Wait until no process with this mark lives; return those that still do at the end."""
    deadline = time.monotonic() + timeout_s
    while left := marked_processes(mark):
        for pid in left:
            if not has_ended(pid, deadline - time.monotonic()):
                return marked_processes(mark)
    return {}


def has_ended(pid: int, timeout_s: float) -> bool:
    """Whether the process ends within that time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))
    finally:
        os.close(handle)
