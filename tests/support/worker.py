"""A worker core by itself: a test says what its master and its slots say, and sees what it does."""

from __future__ import annotations

from typing import TypeVar

from support.story import validate_worker
from zmr import messages as m
from zmr.core.actions import SendMaster, SendSlot, WorkerAction
from zmr.core.events import FrameReceived, StopRequested, WorkerInput
from zmr.core.settings import WorkerSettings
from zmr.core.worker import WorkerCore
from zmr.messages import SlotEnded, SlotSaid, TaskKind

A = TypeVar("A")
M = TypeVar("M")


def spec(job_id: str = "job") -> m.JobSpec:
    return m.JobSpec(job_id, "test", "test", b"", "", (), 2, "/out")


def task(attempt: int, job_id: str = "job") -> m.Task:
    return m.Task(job_id, TaskKind.MAP, attempt, attempt, 2, "/out")


def done(attempt: int, job_id: str = "job") -> m.MapDone:
    path = f"/local/{job_id}/{attempt}"
    return m.MapDone(job_id, attempt, attempt, path, m.Stats())


class Worker:
    """A worker core with `slots` slots, registered; `actions` are those of the last event."""

    def __init__(self, slots: int = 1, *, register: bool = True) -> None:
        settings = WorkerSettings("host:1", "host", 1, slots, "/local", "tcp://m:1")
        self.now = 0.0
        self.core = WorkerCore(settings, self.now)
        self.actions: list[WorkerAction] = []
        if register:
            self.hears(m.Registered(1.0, 5.0))

    def _event(self, event: WorkerInput) -> None:
        self.actions = self.core.handle(event, self.now)
        validate_worker(self.core)

    def hears(self, *messages: m.Message, epoch: int = 7) -> None:
        self._event(FrameReceived(b"", m.Frame(epoch, messages)))

    def gets(self, *attempts: int, job_id: str = "job") -> None:
        """Receive tasks with these attempts."""
        tasks = tuple(task(attempt, job_id) for attempt in attempts)
        self.hears(m.TaskResponse(tasks, (spec(job_id),)))

    def slot_says(self, message: m.FromSlot, slot: int = 0) -> None:
        self._event(SlotSaid(slot, (message,)))

    def slot_ends(self, slot: int = 0, signal: int | None = 9) -> None:
        self._event(SlotEnded(slot, None if signal else 0, signal, 0, over_memory=False))

    def interrupted(self) -> None:
        self._event(StopRequested("SIGTERM", 143))

    def passes(self, duration_s: float) -> None:
        """Let time pass; `actions` are those of all ticks."""
        end, actions = self.now + duration_s, []
        while (deadline := self.core.next_deadline()) is not None and deadline <= end:
            self.now = deadline
            actions += self.core.tick(self.now)
        self.now, self.actions = end, actions

    def did(self, kind: type[A]) -> list[A]:
        return [action for action in self.actions if isinstance(action, kind)]

    def said(self, kind: type[M]) -> list[M]:
        """What it said to the master."""
        messages = [action.message for action in self.did(SendMaster)]
        return [message for message in messages if isinstance(message, kind)]

    def begun(self) -> list[tuple[int, int]]:
        """Return the tasks given to slots, as (slot, attempt)."""
        sent = [(action.slot, action.message) for action in self.did(SendSlot)]
        return [(slot, each.attempt) for slot, each in sent if isinstance(each, m.Task)]

    def make_quick(self) -> None:
        """Have it find out that tasks are quick, so that it holds some in reserve."""
        self.gets(1)
        self.slot_says(done(1))
        self.hears(m.Ack((1,)))
