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


def test_a_task_takes_memory_once_something_happens_to_it() -> None:
    table = TaskTable(TaskKind.MAP, 1_000_000)
    assert (len(table), table.idle, table.remaining) == (1_000_000,) * 3

    begin(table, 3)

    assert [task.index for task in table.tasks.made()] == [0, 1, 2]
    assert table.idle == 999_997
    table.validate()
    assert table.tasks[-1].index == 999_999
    assert [task.index for task in table.tasks[5:7]] == [5, 6]


def test_after_a_restart_tasks_are_queued_in_their_order() -> None:
    """The journal's hand-outs come first, in any order."""
    table = TaskTable(TaskKind.MAP, 6)
    for index in (4, 1):
        attempt = Attempt(index + 1, "job", table.tasks[index], b"peer", 0.0)
        table.hand_out(attempt, 0.0)
        if index == 1:
            table.attempt_ended(attempt, "worker lost")

    table.requeue()

    table.validate()
    assert [attempt.task.index for attempt in begin(table, 5)] == [0, 1, 2, 3, 5]
    assert table.next_idle(any_task) is None
