"""Planning: from the rows of a job's input to its map tasks. A pure function.

A file is a task. A file larger than the split size becomes several, if its format can be cut;
where exactly a record begins is the reader's business, so a cut is a plain byte offset. Very many
small files share tasks. The plan depends on the inputs alone, never on the workers at hand, so
that the same job is the same tasks on one machine and on a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from zmr.messages import InputFile, Split

# What a task reads. Of a whole file, which is most tasks' input, no split is made before it is
# handed out: there may be a million of them.
Pieces = InputFile | tuple[Split, ...]

SPLIT_BYTES = 64 * 1024 * 1024

# With more files than this, small neighbours share tasks, because a task costs about as much as
# reading a megabyte. So many tasks keep the slots of a good-sized cluster busy.
FILES_AS_TASKS = 128
SHARED_TASKS = 64
SHARED_TASK_BYTES = 1024 * 1024


def count_pieces(inputs: Iterable[InputFile], split_bytes: int) -> int:
    """How many pieces the inputs are cut into: at least as many as there are tasks."""
    return sum(
        -(-file.size_bytes // split_bytes) if file.splittable and file.size_bytes else 1
        for file in inputs
    )


def plan(inputs: Sequence[InputFile], split_bytes: int = SPLIT_BYTES) -> list[Pieces]:
    """What each map task reads, in the order of the inputs: see `splits_of`."""
    may_share = len(inputs) > FILES_AS_TASKS
    files_a_task = -(-len(inputs) // SHARED_TASKS)
    tasks: list[Pieces] = []
    shared: list[InputFile] = []
    shared_bytes = 0
    for file in inputs:
        is_cut = file.splittable and file.size_bytes > split_bytes
        alone = is_cut or not may_share or file.size_bytes >= SHARED_TASK_BYTES
        if shared and (
            alone
            or len(shared) == files_a_task
            or shared_bytes + file.size_bytes > SHARED_TASK_BYTES
        ):
            tasks.append(tuple(map(_whole, shared)))
            shared, shared_bytes = [], 0
        if is_cut:
            tasks += ((piece,) for piece in _cut(file, split_bytes))
        elif alone:
            tasks.append(file)
        else:
            shared.append(file)
            shared_bytes += file.size_bytes
    if shared:
        tasks.append(tuple(map(_whole, shared)))
    return tasks


def splits_of(pieces: Pieces) -> tuple[Split, ...]:
    """The splits of a task of the plan."""
    return (_whole(pieces),) if isinstance(pieces, InputFile) else pieces


def _whole(file: InputFile) -> Split:
    return Split(file.path, file_bytes=file.size_bytes)


def _cut(file: InputFile, split_bytes: int) -> Iterator[Split]:
    # Even pieces: a last piece of a few bytes would cost a task and a straggler.
    n = -(-file.size_bytes // split_bytes)
    edges = [file.size_bytes * i // n for i in range(n + 1)]
    for start, end in pairwise(edges):
        yield Split(file.path, start, end - start, file.size_bytes)
