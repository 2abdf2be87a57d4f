"""The slots of a worker, and the tasks that wait for one.

A slot is a process that serves one job, and that can be killed and replaced at any moment. Tasks
wait in the queue, a few of them in the slot itself when they are quick, so that a slot never waits
for the agent.
"""

from __future__ import annotations

from collections import deque

from zmr.core.states import SLOT, SlotState
from zmr.display import megabytes
from zmr.messages import Circumstances, FailureReason, SlotEnded, Task


class Slot:
    __slots__ = ("began_at", "cancelled", "job_id", "number", "state", "tasks")

    def __init__(self, number: int) -> None:
        self.number = number
        self.state = SLOT.initial
        self.job_id = ""
        self.tasks: deque[Task] = deque()  # the first is running, the others wait in the slot
        self.cancelled: set[int] = set()  # of those that wait
        self.began_at = 0.0  # when the first was begun, as far as the agent can tell

    def move(self, happened: str) -> None:
        self.state = SLOT.move(self.state, happened, self.number)

    def start(self, job_id: str) -> None:
        """A process for the job begins."""
        self.move("start")
        self.job_id = job_id

    @property
    def running(self) -> Task | None:
        """The task that its process is at."""
        return self.tasks[0] if self.state is SlotState.OPEN and self.tasks else None

    @property
    def is_idle(self) -> bool:
        """Whether a process is there that has nothing to do."""
        return self.state is SlotState.OPEN and not self.tasks


class SlotTable:
    def __init__(self, n: int) -> None:
        self.slots = [Slot(number) for number in range(n)]
        self.queue: deque[Task] = deque()

    def __getitem__(self, number: int) -> Slot:
        return self.slots[number]

    @property
    def tasks(self) -> list[Task]:
        """All that is of use: in slots, queued."""
        return [
            *(task for s in self.slots for task in s.tasks if task.attempt not in s.cancelled),
            *self.queue,
        ]

    @property
    def running(self) -> list[Task]:
        return [task for slot in self.slots if (task := slot.running) is not None]

    @property
    def jobs_served(self) -> set[str]:
        """Those that a slot process may be at."""
        return {slot.job_id for slot in self.slots if slot.state is not SlotState.EMPTY}

    def place(self, most: int) -> Slot | None:
        """The slot for the first task of the queue; None while there is none.

        It is one of the task's job that idles, else an empty one, else the one of the job with the
        fewest tasks, if these are fewer than `most`.
        """
        if not self.queue:
            return None
        job_id = self.queue[0].job_id
        empty = shortest = None
        for slot in self.slots:
            if slot.state is SlotState.EMPTY:
                empty = empty or slot
            elif slot.state is SlotState.OPEN and slot.job_id == job_id:
                if not slot.tasks:
                    return slot
                if len(slot.tasks) < most:
                    most, shortest = len(slot.tasks), slot
        return empty or shortest

    def in_the_way(self) -> list[Slot]:
        """Slots that idle for another job while tasks wait: one for each, as far as there are."""
        if not self.queue:
            return []
        wanted = len(self.queue) - sum(slot.state is SlotState.STOPPING for slot in self.slots)
        return [slot for slot in self.slots if slot.is_idle][: max(wanted, 0)]

    def cancel(self, attempts: set[int]) -> None:
        """Forget what is queued; what waits in a slot is stopped when its turn comes."""
        self.queue = deque(task for task in self.queue if task.attempt not in attempts)
        for slot in self.slots:
            slot.cancelled |= attempts.intersection(task.attempt for task in slot.tasks)

    def drop_job(self, job_id: str) -> list[Slot]:
        """Forget the job's tasks. Returns the slots whose processes are there for nothing."""
        self.queue = deque(task for task in self.queue if task.job_id != job_id)
        of_job = [slot for slot in self.slots if slot.job_id == job_id]
        for slot in of_job:
            slot.tasks.clear()
        return [slot for slot in of_job if slot.state is SlotState.OPEN]

    def vacate(self, slot: Slot) -> None:
        """The slot's process is gone. What had only waited in it waits in the queue again."""
        waiting = [task for task in slot.tasks if task.attempt not in slot.cancelled]
        self.queue.extendleft(reversed(waiting))
        slot.tasks.clear()
        slot.cancelled.clear()
        slot.move("end")
        slot.job_id = ""


# The numbers are the same on Linux and macOS. The standard module that names them is not for the
# core: it can send signals.
_SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    6: "SIGABRT",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
}


def slot_death(
    ended: SlotEnded, memory_bytes: int, records_read: int
) -> tuple[FailureReason, str, Circumstances]:
    """The reason, the text and the circumstances for the task that was running.

    `records_read` is how many records it had read when it was last heard of.
    """
    reason, text = _reason_and_text(ended, memory_bytes)
    if ended.record >= 0:
        text += f", and was at record {ended.record + 1:,} of its input"
    elif records_read:
        text += f", and had read {records_read:,} records or more"
    known = Circumstances(ended.exit_status, ended.signal, ended.peak_bytes, ended.record)
    return reason, text, known


def _reason_and_text(ended: SlotEnded, memory_bytes: int) -> tuple[FailureReason, str]:
    peak = f"it had used up to {megabytes(ended.peak_bytes)} of memory"
    if ended.over_memory:
        limit = f"more than its {megabytes(memory_bytes)} of memory (--memory)"
        return FailureReason.OVER_MEMORY, f"killed by SIGKILL for using {limit}; {peak}"
    if ended.signal is not None:
        name = _SIGNALS.get(ended.signal, f"signal {ended.signal}")
        hint = " (perhaps the system ran out of memory)" if ended.signal == 9 else ""
        return FailureReason.SLOT_DIED, f"the slot process was killed by {name}{hint}; {peak}"
    text = f"the slot process exited with status {ended.exit_status}; {peak}"
    return FailureReason.SLOT_DIED, text
