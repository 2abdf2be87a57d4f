"""Writing one file of the job's output and committing it: what reduce and map-only tasks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from zmr.core.messages import OutputFile, Task
from zmr.data.output import output_name
from zmr.data.output_file import PartitionFile
from zmr.data.text import encode_pairs
from zmr.execute.errors import users_code, worker_error
from zmr.execute.progress import TaskProgress

_PAIRS_AT_ONCE = 1024


def write_and_commit(
    task: Task,
    pairs: Iterator[tuple[Any, Any]],
    where: Callable[[], str],
    progress: TaskProgress,
    commit: Callable[[], bool],
) -> tuple[OutputFile, int] | None:
    """Write the pairs as text, ask, and publish: the file and the number of pairs.

    None if the commit is refused: another attempt has it, and nothing of this one is left. `where`
    tells, for an error message, what the user's code was at when it produced the next pair.
    Raises `TaskError`.
    """
    doing = f"writing the output to {task.output}"
    try:
        file = PartitionFile(task.output, task.job_id, output_name(task.index), task.attempt)
    except OSError as error:
        raise worker_error(error, doing) from error
    try:
        n_pairs = _write(file, pairs, where, progress, doing)
        if not commit():
            return None
        try:
            return file.publish(), n_pairs
        except OSError as error:
            raise worker_error(error, doing) from error
    finally:
        file.discard()


def _write(
    file: PartitionFile,
    pairs: Iterator[tuple[Any, Any]],
    where: Callable[[], str],
    progress: TaskProgress,
    doing: str,
) -> int:
    n_pairs = 0
    while True:
        with users_code(where):
            chunk = list(islice(pairs, _PAIRS_AT_ONCE))
        with users_code(lambda: "in turning keys and values into text"):
            data = encode_pairs(chunk)
        try:
            if not chunk:
                file.finish()
                return n_pairs
            file.write(data)
        except OSError as error:
            raise worker_error(error, doing) from error
        n_pairs += len(chunk)
        progress.advance_bytes(len(data))
