"""What a task is given by the process that runs it, beside its input and where its output goes.

`run_map` and `run_reduce` know nothing of that process: it may be a slot, a debugger's, or one of
another system. A task needs no set-up of the process either. What slots do before their first task
(the allocator of `zmr.slots.malloc`, the processor of `zmr.slots.cpu`) makes tasks faster, and
keeps their memory closer to the limit; the answer is the same without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zmr.tasks.progress import TaskProgress

# What a task may use where the user has set no limit.
DEFAULT_MEMORY_BYTES = 512 * 1024 * 1024

NO_RECORD = -1


def _granted() -> bool:
    return True


def _ignored(*_: object) -> None:
    pass


@dataclass(slots=True)  # not frozen, which takes several times as long to make, once a task
class TaskContext:
    """The process's part in a task. All callbacks come from the thread that runs the task.

    Of a callback that raises, the error ends the task and comes through as it is.
    """

    folder: str
    """For files that a task needs only itself: spilled runs, of a map or of a merge."""

    commit: Callable[[], bool] = _granted
    """Called when the task's file of the output is complete: whether to publish it. It may wait for
    the answer. Not called by a map task whose pairs go to reduces."""

    progress: TaskProgress = field(default_factory=TaskProgress)
    """Kept up to date by the task, for another thread to read."""

    count: Callable[[str, int], None] = _ignored
    """Called with each counter (name, sum) when the task is complete; an attempt that fails counts
    nothing. The result has the same figures."""

    memory_bytes: int = DEFAULT_MEMORY_BYTES
    """About how much to use; what does not fit goes to files in `folder`."""

    syncs_late: bool = False
    """Of an output with many files, whoever writes `_SUCCESS` has them on the disk before that."""

    skip_bad_records: int = 0
    """So many bad records may be left out of a map task; they are saved beside its output."""

    skip_bad_files: int = 0
    """So many files that can't be read may be left out of a map task, likewise."""

    at_record: Callable[[int], None] = _ignored
    """Called before map gets a record, with its number (from 0, in the task), and with `NO_RECORD`
    after it, if bad records may be left out: what kills the process is known then."""
