"""What slots and their fork server ask of the kernel beyond what Python's `os` has.

Processes are read from /proc; `prctl` is called through ctypes. macOS has neither, nor the sockets
by which a fork server is told what to do: there, `zmr.slots.launch` raises OSError, and a command
that needs slots says that they can't start. `--engine inline` and the commands that only talk to a
master need none.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_prctl = ctypes.CDLL(None).prctl


def set_process_name(name: str) -> None:
    """Set the name that `top` shows; 15 bytes of it count."""
    _prctl(_PR_SET_NAME, name.encode())


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def volunteer_for_the_oom_killer() -> None:
    """Be the first process to go when the machine runs out of memory."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def own_memory_bytes(pid: int) -> int:
    """Resident memory without what only mirrors files, such as mapped input; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            lines = file.read().split(b"\n")
    except OSError:
        return 0
    kib = [int(line.split()[1]) for line in lines if line.startswith((b"RssAnon:", b"RssShmem:"))]
    return sum(kib) * 1024


def data_bytes() -> int:
    """What this process has asked for, beside files: what RLIMIT_DATA limits."""
    with open("/proc/self/status", "rb") as file:
        lines = file.read().split(b"\n")
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"VmData:")) * 1024


def peak_bytes() -> int:
    """The largest resident set that this process had so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def has_children() -> bool:
    """Whether this process has any, be they ended and not reaped yet."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def ended_child() -> int | None:
    """The pid of a child that has ended and is not reaped yet."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if ended is None else ended.si_pid


def environment_of(pid: int) -> dict[str, str]:
    """What the program of the process was started with; empty if it is not to be known."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, _, value in pairs}


def name_of(pid: int) -> str:
    """The name that `top` shows; "" if it has ended."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().removesuffix("\n")
    except OSError:
        return ""


def children() -> list[int]:
    """The pids of this process's children."""
    parent = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == parent]


def _parent(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # "pid (command) state parent ...", and the command may hold anything.
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None
