"""Planning: from the rows of a job's input to its map tasks. A pure function.

A file is a task. A file larger than the split size becomes several, if its format can be cut;
where exactly a record begins is the reader's business, so a cut is a plain byte offset. Very many
small files share tasks, those of one input. The plan depends on the inputs alone, never on the
workers at hand, so that the same job is the same tasks on one machine and on a hundred.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import overload

from zmr.messages import InputFile, Split

SPLIT_BYTES = 64 * 1024 * 1024

# Of less input than is so many splits, they are smaller, so that more slots have something to do;
# but not smaller than this, as what a task combines is not combined with what another one does.
FEW_SPLITS = 16
SMALLEST_SPLIT_BYTES = 8 * 1024 * 1024

# With more files than this, small neighbours share tasks, because a task costs about as much as
# reading a megabyte. So many tasks keep the slots of a good-sized cluster busy.
FILES_AS_TASKS = 128
SHARED_TASKS = 64
SHARED_TASK_BYTES = 1024 * 1024


def split_bytes_of(inputs: Iterable[InputFile], most_bytes: int = SPLIT_BYTES) -> int:
    """How large a split of a job with these inputs is, at most."""
    size_bytes = sum(file.size_bytes for file in inputs if file.splittable)
    return min(most_bytes, max(SMALLEST_SPLIT_BYTES, size_bytes // FEW_SPLITS))


def count_pieces(inputs: Iterable[InputFile], split_bytes: int) -> int:
    """How many pieces the inputs are cut into: at least as many as there are tasks."""
    return sum(
        -(-file.size_bytes // split_bytes) if file.splittable and file.size_bytes else 1
        for file in inputs
    )


Group = InputFile | tuple[InputFile, ...]  # one of one task or many, or some that share a task


class Plan(Sequence[tuple[Split, ...]]):
    """The splits of each task. They are made when they are asked for: there may be a million."""

    def __init__(self, groups: Sequence[tuple[Group, int]] = ()) -> None:
        """The tasks of each group, in their order; with each, how many these are."""
        self._groups = [group for group, _ in groups]
        firsts = accumulate((n for _, n in groups), initial=0)
        self._firsts = array("Q", firsts)  # of each group, its first task; last, their number

    def __len__(self) -> int:
        return self._firsts[-1]

    @overload
    def __getitem__(self, index: int) -> tuple[Split, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[Split, ...]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Split, ...] | list[tuple[Split, ...]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        at = bisect_right(self._firsts, index) - 1
        group, first, end = self._groups[at], *self._firsts[at : at + 2]
        if isinstance(group, tuple):
            return tuple(map(_whole, group))
        return (_part(group, index - first, end - first) if end - first > 1 else _whole(group),)


def plan(inputs: Sequence[InputFile], split_bytes: int = SPLIT_BYTES) -> Plan:
    """What each map task reads, in the order of the inputs."""
    may_share = len(inputs) > FILES_AS_TASKS
    files_a_task = -(-len(inputs) // SHARED_TASKS)
    groups: list[tuple[Group, int]] = []
    shared: list[InputFile] = []
    shared_bytes = 0
    for file in inputs:
        is_cut = file.splittable and file.size_bytes > split_bytes
        alone = is_cut or not may_share or file.size_bytes >= SHARED_TASK_BYTES
        if shared and (
            alone
            or shared[-1].input != file.input
            or len(shared) == files_a_task
            or shared_bytes + file.size_bytes > SHARED_TASK_BYTES
        ):
            groups += ((tuple(shared), 1),)
            shared, shared_bytes = [], 0
        if alone:
            groups += ((file, -(-file.size_bytes // split_bytes) if is_cut else 1),)
        else:
            shared.append(file)
            shared_bytes += file.size_bytes
    if shared:
        groups += ((tuple(shared), 1),)
    return Plan(groups)


def _whole(file: InputFile) -> Split:
    return Split(file.path, file_bytes=file.size_bytes, input=file.input)


def _part(file: InputFile, part: int, n_parts: int) -> Split:
    # Even parts: a last one of a few bytes would cost a task and a straggler.
    start, end = (file.size_bytes * i // n_parts for i in (part, part + 1))
    return Split(file.path, start, end - start, file.size_bytes, file.input)
