"""How many lines come before the pieces of a map task, where its records are numbered.

A file is counted once, by the job's tasks together and not beforehand: in cells of a fixed size. Of
each, the first task that needs it makes an empty file in a folder that all tasks share, whose name
says how many lines there are in the cell. A task counts the cells of its own piece first, which it
is about to read anyway, and then those before it that no other task has counted meanwhile. So each
cell is counted by one task, or by some that begin at once; and where the folder can't be written
or is slow to show what others have written, counting takes longer and gives the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

from zmr.formats.line_blocks import count_line_ends
from zmr.job import Job, input_of
from zmr.job_inputs import for_input
from zmr.messages import Split, Task, TaskKind
from zmr.output.folder import claim_of

CELL_BYTES = 16 << 20


def with_line_counts(job: Job, task: Task) -> Task:
    """The task, with `lines_before` in its splits if the job's input needs that.

    A file that can't be read stays without: reading it says why.
    """
    if task.kind is not TaskKind.MAP or not task.splits:
        return task
    if not input_of(for_input(job, task.splits[0].input)).needs_lines_before:
        return task
    folder = os.path.join(claim_of(task.output, task.job_id), "lines")
    with suppress(OSError):
        os.mkdir(folder)
    with suppress(OSError):
        return task._replace(splits=tuple(_counted(split, folder) for split in task.splits))
    return task


def _counted(split: Split, folder: str) -> Split:
    if split.length < 0:  # a whole file
        return split
    cells = _Cells(split.path, folder)
    end = split.offset + split.length
    if end < split.file_bytes:  # another task needs what is in this one's piece
        cells.count(range(-(-split.offset // CELL_BYTES), end // CELL_BYTES))
    n_before = split.offset // CELL_BYTES
    rest = count_line_ends(split.path, n_before * CELL_BYTES, split.offset)
    return replace(split, lines_before=cells.count(range(n_before)) + rest)


class _Cells:
    """The line ends in each cell of a file, as far as they are counted."""

    def __init__(self, path: str, folder: str) -> None:
        self._path = path
        self._folder = folder
        self._prefix = sha256(os.fsencode(path)).hexdigest()[:32]
        self._known: dict[int, int] = {}

    def count(self, cells: Iterable[int]) -> int:
        """The line ends in all of these cells. Raises OSError."""
        self._look()
        total = 0
        for cell in cells:
            if cell not in self._known:
                start = cell * CELL_BYTES
                n = count_line_ends(self._path, start, start + CELL_BYTES)
                self._known[cell] = n
                with suppress(OSError):
                    flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                    name = f"{self._prefix}.{cell}.{n}"
                    os.close(os.open(os.path.join(self._folder, name), flags, 0o644))
            total += self._known[cell]
        return total

    def _look(self) -> None:
        """See what other tasks have counted."""
        with suppress(OSError, ValueError):
            for name in os.listdir(self._folder):
                prefix, cell, n = name.split(".")
                if prefix == self._prefix:
                    self._known[int(cell)] = int(n)
