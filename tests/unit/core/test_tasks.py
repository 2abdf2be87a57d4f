"""The tasks of one phase: which of those that wait is next."""

from __future__ import annotations

from zmr.core import tasks
from zmr.core.tasks import Attempt, TaskRecord, TaskTable
from zmr.messages import TaskKind

N = 2 * tasks._LOOK_AHEAD


def any_task(task: TaskRecord) -> bool:
    return True


def begin(table: TaskTable, n: int) -> list[Attempt]:
    """Hand out so many tasks."""
    attempts = []
    for number in range(n):
        task = table.next_idle(any_task)
        assert task is not None
        attempts.append(Attempt(number, "job-1", task, b"w1", 0.0))
        table.hand_out(attempts[-1], 0.0)
    return attempts


def test_tasks_that_came_back_do_not_hide_those_that_wait() -> None:
    table = TaskTable(TaskKind.MAP, N + 2)
    for attempt in (attempts := begin(table, N)):
        table.attempt_ended(attempt, "worker lost")
    for attempt in attempts[:-1]:  # but the last, which is first in turn
        table.attempt_returned(attempt, 1.0)
    last = attempts[-1].task

    found = table.next_idle(lambda task: task is not last)

    assert found is table.tasks[N]
    assert table.next_idle(any_task) is last


def test_a_task_that_waits_once_more_is_looked_at_once() -> None:
    table = TaskTable(TaskKind.MAP, N)
    (attempt,) = begin(table, 1)
    table.attempt_ended(attempt, "worker lost")
    for _ in range(3):
        table.attempt_returned(attempt, 1.0)
        table.attempt_ended(attempt, "worker lost")
    looked_at: list[int] = []

    def fits(task: TaskRecord) -> bool:
        looked_at.append(task.index)
        return False

    assert table.next_idle(fits) is None
    assert looked_at == list(range(tasks._LOOK_AHEAD))
    assert table.next_idle(any_task) is table.tasks[0]
