"""How much of the processors a control group lets this process use: containers have such quotas.

A process may run on all processors and still get the time of a few: more slots than that would only
wait for each other. See cgroups(7); of both versions of the interface, files alone are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from math import ceil

_MEMBERSHIP = "/proc/self/cgroup"
_MOUNTED = "/sys/fs/cgroup"


def default_slots() -> int:
    """The processors that this process may use, or a container's quota of them; on macOS, all of
    this machine.
    """
    if hasattr(os, "sched_getaffinity"):
        return processors(len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def processors(most: int, membership: str = _MEMBERSHIP, mounted: str = _MOUNTED) -> int:
    """So many of `most` processors as the quotas allow, rounded up: 1 at least."""
    quotas = [ceil(quota) for quota in _quotas(membership, mounted)]
    return max(1, min([most, *quotas]))


def _quotas(membership: str, mounted: str) -> Iterator[float]:
    """The quotas of the group and of those that it is in, in processors."""
    try:
        with open(membership, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        is_first = "cpu" in controllers.split(",")  # of version 1
        if controllers and not is_first:
            continue
        # Version 1 is mounted by the names of its controllers, in this or that order, or by a link.
        roots = [os.path.join(mounted, name) for name in (controllers, "cpu")]
        root = next(filter(os.path.isdir, roots), mounted) if is_first else mounted
        for folder in _upwards(root, path):
            quota = _of_version_1(folder) if is_first else _of_version_2(folder)
            if quota:
                yield quota


def _upwards(root: str, path: str) -> Iterator[str]:
    """The folder of the group, and of each that it is in. A container may see the last one only."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for n in range(len(parts), -1, -1):
        yield os.path.join(root, *parts[:n])


def _of_version_2(folder: str) -> float | None:
    """`max 100000`, or the microseconds that may be used in each so many."""
    with suppress(OSError, ValueError):
        used, period = _text(folder, "cpu.max").split()
        return None if used == "max" else int(used) / max(1, int(period))
    return None


def _of_version_1(folder: str) -> float | None:
    with suppress(OSError, ValueError):
        used = int(_text(folder, "cpu.cfs_quota_us"))
        period = int(_text(folder, "cpu.cfs_period_us"))
        return used / max(1, period) if used > 0 else None
    return None


def _text(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="ascii") as file:
        return file.read()
