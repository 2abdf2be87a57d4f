"""What the benchmarks ran on, in words for the report."""

from __future__ import annotations

import os
import platform
import re
from mmap import PAGESIZE, mmap
from pathlib import Path

from benchmarks.sizes import show_size


def describe() -> list[tuple[str, str]]:
    """(what, value) rows about this machine."""
    return [
        ("processor", f"{_processor()}, {_cores()} cores for this process"),
        ("memory", _memory()),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
    ]


def memory_bytes() -> int:
    """Of the whole machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def touch_memory(size_bytes: int) -> None:
    """Use so much memory, or half of what is free if that is less, and let go of it.

    A virtual machine may have returned unused memory to its host. To get a page back takes longer
    than most of what is done with it, and would be paid by whoever happens to come first.
    """
    free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    size_bytes = min(size_bytes, free_bytes // 2)
    if size_bytes > 0:
        with mmap(-1, size_bytes) as memory:
            for place in range(0, size_bytes, PAGESIZE):
                memory[place] = 1


def _memory() -> str:
    return show_size(memory_bytes())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
