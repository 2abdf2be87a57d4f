"""What runs where in a worker, and what waits: kept of the orders that its slots get.

A task that waits begins as soon as a slot can take it, in the order in which tasks came. A slot has
one, or some if they are quick. How many tasks a worker wants follows from how quick they are.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator

from zmr import messages as m
from zmr.core.actions import KillSlot, SendSlot, StartSlot, WorkerAction

from .books import NUMBER

# For each slot, a worker wants about so much work, in at most so many tasks; quick ones go to the
# slot itself, so much work of them, as two tasks at least.
_WANTED_S, _MOST_WANTED = 0.1, 64
_IN_SLOT_S, _MOST_IN_SLOT = 0.005, 16


class SlotBook:
    """One slot. `job_id` is empty while it has no process."""

    def __init__(self) -> None:
        self.job_id = ""
        self.is_stopping = False
        self.tasks: deque[m.Task] = deque()  # of an open one, the first runs
        self.cancelled: set[int] = set()
        self.began_at = 0.0  # when the first one was

    @property
    def running(self) -> m.Task | None:
        return self.tasks[0] if self.tasks and not self.is_stopping else None

    @property
    def is_idle(self) -> bool:
        """Whether it has a process with nothing to do."""
        return bool(self.job_id) and not self.is_stopping and not self.tasks


class SlotBooks:
    """All slots of a worker, and its queue."""

    def __init__(self, n: int, applied: Counter[str]) -> None:
        self.slots = [SlotBook() for _ in range(n)]
        self.queue: deque[m.Task] = deque()
        self.kills: set[int] = set()  # slots that have to be killed in this turn
        self._applied = applied
        self._usual_s: float | None = None  # what a task takes; the last ones count most

    def held(self) -> Iterator[tuple[m.Task, bool]]:
        """The tasks that are of use, and whether each of them waits."""
        for slot in self.slots:
            running = slot.running
            for task in slot.tasks:
                if task.attempt not in slot.cancelled:
                    yield task, task is not running
        for task in self.queue:
            yield task, True

    @property
    def n_running(self) -> int:
        return sum(slot.running is not None for slot in self.slots)

    @property
    def has_tasks(self) -> bool:
        """Whether any slot has."""
        return any(slot.tasks for slot in self.slots)

    @property
    def served(self) -> set[str]:
        """The jobs whose files a process may be writing."""
        return {slot.job_id for slot in self.slots if slot.job_id}

    @property
    def wanted(self) -> int:
        """How many tasks the worker wants at a time."""
        takes_s, each = self._usual_s, 1
        while takes_s is not None and each < _MOST_WANTED and 2 * each * takes_s <= _WANTED_S:
            each *= 2
        return each * len(self.slots)

    @property
    def _most_in_slot(self) -> int:
        takes_s = self._usual_s
        if takes_s is None or 2 * takes_s > _WANTED_S:
            return 1
        return max(2, min(_MOST_IN_SLOT, int(_IN_SLOT_S / takes_s) if takes_s else _MOST_IN_SLOT))

    # --- what happens ---

    def ended(self, slot: SlotBook, now: float) -> None:
        """The running task has; the next one begins, unless it was cancelled."""
        took_s = now - slot.began_at
        usual_s = self._usual_s
        self._usual_s = took_s if usual_s is None else usual_s + 0.2 * (took_s - usual_s)
        slot.tasks.popleft()
        slot.began_at = now
        self._stop_cancelled(slot)

    def cancel(self, attempts: Container[int]) -> None:
        """They are of no use any more."""
        self.queue = deque(task for task in self.queue if task.attempt not in attempts)
        for slot in self.slots:
            slot.cancelled.update(t.attempt for t in slot.tasks if t.attempt in attempts)
            self._stop_cancelled(slot)

    def _stop_cancelled(self, slot: SlotBook) -> None:
        running = slot.running
        if running is not None and running.attempt in slot.cancelled:
            slot.tasks.popleft()
            self._kill(slot)
            self._applied["a cancelled attempt is stopped"] += 1

    def forget(self, job_id: str) -> None:
        """The job is over."""
        self.queue = deque(task for task in self.queue if task.job_id != job_id)
        for slot in self.slots:
            if slot.job_id == job_id:
                slot.tasks.clear()
                if not slot.is_stopping:
                    self._kill(slot)

    def _kill(self, slot: SlotBook) -> None:
        slot.is_stopping = True
        self.kills.add(self.slots.index(slot))

    def vacated(self, slot: SlotBook) -> None:
        """Its process has ended. What waited in it waits again, before all else."""
        left = [task for task in slot.tasks if task.attempt not in slot.cancelled]
        self.queue.extendleft(reversed(left))
        slot.tasks.clear()
        slot.cancelled.clear()
        slot.job_id, slot.is_stopping = "", False

    # --- what has to follow ---

    def ordered(self, actions: Iterable[WorkerAction], now: float) -> Iterator[m.StartJob]:
        """Check what the slots are told, and take it down. Yields the jobs that begin."""
        for action in actions:
            if isinstance(action, StartSlot):
                slot = self.slots[action.slot]
                assert not slot.job_id, "a process for a slot that has one"
                slot.job_id = action.job.spec.job_id
                idle = (each for each in self.slots if each.is_idle and each is not slot)
                spare = [each for each in idle if each.job_id == slot.job_id]
                assert not spare, "a process begins, and one for its job has nothing to do"
                yield action.job
            elif isinstance(action, KillSlot):
                self._check_killed(action.slot)
            elif isinstance(action, SendSlot) and isinstance(action.message, m.Task):
                self._check_given(self.slots[action.slot], action.message, now)
        assert not self.kills, f"slots {self.kills} are not stopped"

    def _check_killed(self, number: int) -> None:
        if number in self.kills:
            self.kills.remove(number)
            return
        slot = self.slots[number]
        assert slot.is_idle, "a slot is stopped without need"
        assert len(self.queue) > self._stopping(), "more slots are stopped than tasks wait"
        slot.is_stopping = True
        self._applied["a slot that idles for another job makes room"] += 1

    def _stopping(self) -> int:
        return sum(slot.is_stopping for slot in self.slots)

    def _check_given(self, slot: SlotBook, task: m.Task, now: float) -> None:
        """The slot gets a task: the one whose turn it is, and no other slot is better."""
        assert self.queue, f"attempt {task.attempt & NUMBER} does not wait, and begins"
        assert task is self.queue.popleft(), "another task was to begin first"
        assert slot.job_id == task.job_id, "a task for a slot of another job"
        assert not slot.is_stopping, "a task for a slot that is stopped"
        if slot.tasks:
            assert len(slot.tasks) < self._most_in_slot, "a slot has too many tasks"
            others = [each for each in self.slots if each is not slot]
            assert all(each.job_id for each in others), "a task waits in a slot, and one is free"
            of_job = [e for e in others if e.job_id == task.job_id and not e.is_stopping]
            shortest = min((len(each.tasks) for each in of_job), default=len(slot.tasks))
            assert len(slot.tasks) <= shortest, "a task waits in the slot that has the most"
            self._applied["quick tasks wait in the slot"] += 1
        else:
            slot.began_at = now
        slot.tasks.append(task)

    def check_waiting(self) -> None:
        """What waits can't begin."""
        if not self.queue:
            return
        job_id, most = self.queue[0].job_id, self._most_in_slot
        for slot in self.slots:
            assert slot.job_id, "a task waits although a slot is free"
            is_open = slot.job_id == job_id and not slot.is_stopping
            assert not is_open or len(slot.tasks) >= most, "a task waits although a slot has room"
        idle = any(slot.is_idle for slot in self.slots)
        assert not idle or len(self.queue) <= self._stopping(), "a slot idles for another job"
        self._applied["a task waits only while no slot can take it"] += 1
