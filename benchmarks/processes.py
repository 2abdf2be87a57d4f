"""The memory of a tree of processes, watched from outside through /proc.

For each process: the peak of its resident set as the kernel keeps it (VmHWM), and the peak, over
the samples, of what is its own (RssAnon: no mapped files). For the tree: the peak of all that is
anonymous in all processes plus shared memory, which is counted once, by the process that maps the
most. What forked processes still share counts in each of them. Reading the exact proportional
figure instead (smaps_rollup) walks page tables under a lock of the process that is being timed.

The watcher is the subreaper of everything below it: a process whose parent ends stays in the tree.
Where there is no /proc, nothing is seen and all figures are zero.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_PR_SET_CHILD_SUBREAPER = 36
_KB = 1024


@dataclass(slots=True)
class Process:
    """One process: who it is, and its peaks so far in bytes."""

    depth: int  # 0: the command itself
    name: str
    peak_bytes: int = 0
    own_peak_bytes: int = 0

    @property
    def role(self) -> str:
        """The same for processes that do the same work in another run of the same command."""
        return f"{self.depth} {self.name}"


@dataclass(slots=True)
class Tree:
    """All descendants of this process, which are those of the one command that it runs."""

    processes: dict[tuple[int, int], Process] = field(default_factory=dict)  # by pid, start time
    peak_bytes: int = 0
    _alive: dict[int, Process] = field(default_factory=dict)

    def find(self) -> None:
        """Look for processes that have come or gone."""
        alive = {}
        for pid, start, depth, name in _descendants(os.getpid()):
            process = self.processes.setdefault((pid, start), Process(depth, name))
            process.name = name  # of a process that was seen between fork and exec
            alive[pid] = process
        self._alive = alive

    def sample(self) -> None:
        """Take the memory of the processes that were found."""
        own_bytes = shared_bytes = 0
        for pid, process in self._alive.items():
            status = _status(pid)
            own = status.get("RssAnon", 0)
            own_bytes += own
            shared_bytes = max(shared_bytes, status.get("RssShmem", 0))
            process.peak_bytes = max(process.peak_bytes, status.get("VmHWM", 0))
            process.own_peak_bytes = max(process.own_peak_bytes, own)
        self.peak_bytes = max(self.peak_bytes, own_bytes + shared_bytes)


def keep_orphans() -> None:
    """Make this process the parent of descendants that lose theirs, where that is possible."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_all(timeout_s: float = 10.0) -> int:
    """Kill and reap all descendants; return how many there were."""
    ended = set()
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        _reap()
        left = [pid for pid, *_ in _descendants(os.getpid())]
        if not left:
            break
        for pid in left:
            ended.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return len(ended)


def descendants(root: int) -> list[int]:
    """The process ids of all below `root`."""
    return [pid for pid, *_ in _descendants(root)]


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants(root: int) -> Iterator[tuple[int, int, int, str]]:
    """Yield (pid, start time, depth, name) of every process below `root`, parents first."""
    children: dict[int, list[tuple[int, int, str]]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if entry.isdigit() and (stat := _stat(entry)):
            parent, start, name = stat
            children.setdefault(parent, []).append((int(entry), start, name))
    level = [(root, -1)]
    while level:
        parent, depth = level.pop()
        for pid, start, name in children.get(parent, ()):
            yield pid, start, depth + 1, name
            level.append((pid, depth + 1))


def _stat(pid: str) -> tuple[int, int, str] | None:
    """The parent, start time and name of a process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            head, _, tail = file.read().rpartition(b") ")
    except OSError:
        return None
    fields = tail.split()
    return int(fields[1]), int(fields[19]), head.partition(b"(")[2].decode(errors="replace")


def _status(pid: int) -> dict[str, int]:
    """The memory figures of a process, in bytes."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            text = file.read().decode(errors="replace")
    except OSError:
        return {}
    figures = {}
    for line in text.splitlines():
        if line.startswith(("VmHWM", "RssAnon", "RssShmem")):
            name, _, value = line.partition(":")
            figures[name] = int(value.split()[0]) * _KB
    return figures
