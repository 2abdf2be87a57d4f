"""When an attempt makes its failure capsule (`zmr.tasks.capsule`), which most never do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zmr.messages import FailureReason, StartJob, Task
from zmr.tasks.errors import TaskError
from zmr.tasks.progress import TaskProgress

_NOT_THE_TASKS_FAULT = (FailureReason.LOST_INPUT, FailureReason.BAD_JOB)


@contextmanager
def kept_for_replay(start: StartJob, task: Task, progress: TaskProgress) -> Iterator[None]:
    """Around an attempt: if the job may fail by it, a capsule is there when it has failed or died.

    A task that has failed before may not survive, so its capsule is made before it begins. Tasks of
    pipelines have none.
    """
    if start.spec.step:
        yield
        return
    is_made = False
    if task.failures > 0 and (task.is_last or start.spec.skip_bad_records > 0):
        _make(start, task, progress)
        is_made = True
    try:
        yield
    except TaskError as error:
        is_final = task.is_last or error.reason is FailureReason.BAD_RECORDS
        if is_final and not is_made and error.reason not in _NOT_THE_TASKS_FAULT:
            _make(start, task, progress)
        raise
    if is_made:
        from zmr.tasks.capsule import CapsuleMaker

        CapsuleMaker(start, task, progress).discard()


def _make(start: StartJob, task: Task, progress: TaskProgress) -> None:
    from zmr.tasks.capsule import CapsuleMaker  # loads what most attempts never need

    CapsuleMaker(start, task, progress).make()
