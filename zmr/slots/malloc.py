"""How a slot allocates memory: one allocator for Arrow, numpy and Python, which knows its limit.

A task makes and drops arrays of many megabytes all the time. With the C library's own settings
most of them are new memory from the kernel, which has to fill each page with zeros: a fifth of a
task's time. Kept for reuse, they leave holes. So large blocks come from the kernel and go back to
it, and how large that is follows from the limit.

To be deleted when, with `set_up_malloc` doing nothing, `python -m benchmarks --engines zmr
--only wordcount-batch,wordcount-records,sort-memory` takes no more processor time (a tenth more in
the word counts) and its slots no more memory (253 in place of 200 MiB in the sort).
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

import pyarrow as pa

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

# What blocks below the threshold leave unused is a few times that.
_LIMIT_SHARE = 64
_LEAST_BYTES = 512 << 10
_MOST_BYTES = 256 << 20


def set_up_malloc(limit_bytes: int) -> None:
    """Set up this process to stay below the limit (0: none), and to be quick about it."""
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was freed
    share = limit_bytes // _LIMIT_SHARE if limit_bytes else _MOST_BYTES
    threshold = min(max(share, _LEAST_BYTES), _MOST_BYTES)
    with suppress(AttributeError):  # a C library that has no such settings, as on macOS
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, threshold)
        mallopt(_M_TRIM_THRESHOLD, threshold)
