"""The worker agent's decisions: what to ask the master for, which slot runs what, what to keep.

The agent never runs user code; its slots do, and a slot can be killed and replaced at any moment.
What this core owns: the tasks that were handed to this worker, until their results are
acknowledged; the map outputs that it holds, until their job is forgotten.

A slot process serves one job. Tasks wait in the agent's queue, a few of them in the slot itself
when they are quick, so that a slot never waits for the agent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from zmr.core import messages as m
from zmr.core.actions import (
    DiscardFiles,
    DiscardJob,
    KillSlot,
    Level,
    Log,
    Quit,
    SendMaster,
    SendSlot,
    StartSlot,
    WorkerAction,
)
from zmr.core.events import FrameReceived, SlotEnded, SlotSaid, StopRequested, WorkerEvent
from zmr.core.failures import slot_death

# Quick tasks are asked for in advance: about so much work for a slot, and at most so many.
_RESERVE_S = 0.1
_MOST_RESERVED = 64

# How often a worker that waits for its master says so.
_SAY_WAITING_EVERY_S = 30.0
_LONGEST_REGISTER_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    name: str
    host: str
    pid: int
    slots: int
    folder: str  # each job's map outputs are in a folder of its own in here
    master: str  # its address, for people
    memory_bytes: int = 0  # what one task may use; 0: no limit
    death_timeout_s: float = 300.0  # the worker ends when its master is silent for so long


class SlotState(Enum):
    EMPTY = "empty"
    OPEN = "open"  # a process is there
    STOPPING = "stopping"  # it was killed, and its end has not been reported yet


class Slot:
    __slots__ = ("began_at", "cancelled", "job_id", "number", "state", "tasks")

    def __init__(self, number: int) -> None:
        self.number = number
        self.state = SlotState.EMPTY
        self.job_id = ""
        self.tasks: deque[m.Task] = deque()  # the first is running, the others wait in the slot
        self.cancelled: set[int] = set()  # of those that wait
        self.began_at = 0.0  # when the first was begun, as far as the agent can tell


class WorkerCore:
    def __init__(self, settings: WorkerSettings, now: float) -> None:
        self.settings = settings
        self.epoch = 0
        self.slots = [Slot(number) for number in range(settings.slots)]
        self.queue: deque[m.Task] = deque()
        self.jobs: dict[str, m.JobSpec] = {}
        self.held: dict[int, m.MapDone] = {}  # map outputs, by attempt
        self.unacknowledged: dict[int, m.Message] = {}  # results, by attempt
        self.commits: dict[int, m.CommitRequest] = {}  # questions without an answer, by attempt
        self.progress: dict[int, m.Progress] = {}
        self.ignored: Counter[str] = Counter()
        self._actions: list[WorkerAction] = []
        self._heartbeat_interval_s = 1.0
        self._is_registered = False
        self._heard_at = now
        self._waits_loudly_at = now + 2.0
        self._next_send_at = now  # of a heartbeat, or of a registration
        self._register_wait_s = 0.5
        self._task_s: float | None = None  # the usual duration of a task
        self._credit_told = 0
        self._stopping: StopRequested | None = None
        self._has_quit = False

    # --- the interface of the shell ---

    def handle(self, event: WorkerEvent, now: float) -> list[WorkerAction]:
        match event:
            case FrameReceived(_, frame):
                self._receive(frame, now)
            case SlotSaid(slot, message):
                self._slot_said(self.slots[slot], message, now)
            case SlotEnded():
                self._slot_ended(self.slots[event.slot], event)
            case StopRequested():
                self._stop(event)
        return self._settle(now)

    def tick(self, now: float) -> list[WorkerAction]:
        silence_s = now - self._heard_at
        if silence_s >= self.settings.death_timeout_s:
            text = f"no master at {self.settings.master} for {silence_s:.0f} s (--death-timeout)"
            self._log(Level.ERROR, text)
            self._quit(text, 4)
        elif now >= self._waits_loudly_at:
            self._waits_loudly_at = now + _SAY_WAITING_EVERY_S
            left_s = self.settings.death_timeout_s - silence_s
            text = f"waiting for the master at {self.settings.master} (gives up in {left_s:.0f} s)"
            self._log(Level.WARNING, text)
        if now >= self._next_send_at and not self._has_quit:
            self._heartbeat(now) if self._is_registered else self._register(now)
        return self._settle(now)

    def next_deadline(self) -> float | None:
        if self._has_quit:
            return None
        give_up_at = self._heard_at + self.settings.death_timeout_s
        return min(give_up_at, self._waits_loudly_at, self._next_send_at)

    @property
    def attempts(self) -> list[int]:
        """All attempts that this worker holds: in slots, queued."""
        in_slots = [
            task.attempt
            for slot in self.slots
            for task in slot.tasks
            if task.attempt not in slot.cancelled
        ]
        return in_slots + [task.attempt for task in self.queue]

    # --- to the master ---

    def _send(self, message: m.Message) -> None:
        self._actions.append(SendMaster(message))

    def _log(self, level: Level, text: str) -> None:
        self._actions.append(Log(level, text))

    def _register(self, now: float) -> None:
        settings = self.settings
        self._send(
            m.Register(
                settings.name,
                settings.host,
                settings.pid,
                settings.slots,
                tuple(self.attempts),
                tuple(self.held.values()),
            )
        )
        self._next_send_at = now + self._register_wait_s
        self._register_wait_s = min(self._register_wait_s * 2, _LONGEST_REGISTER_WAIT_S)

    def _heartbeat(self, now: float) -> None:
        for result in self.unacknowledged.values():
            self._send(result)
        for request in self.commits.values():
            self._send(request)
        running = {slot.tasks[0].attempt for slot in self.slots if slot.tasks}
        none = m.Progress(0)
        rows = []
        for attempt in self.attempts:
            told = self.progress.get(attempt, none)
            rows.append(m.Progress(attempt, told.records, told.bytes, attempt not in running))
        self._credit_told = self._credit()
        self._send(m.Heartbeat(self._credit_told, tuple(rows)))
        self._next_send_at = now + self._heartbeat_interval_s

    def _credit(self) -> int:
        return 0 if self._stopping else self.settings.slots * self._depth()

    def _depth(self) -> int:
        """How many attempts a slot should have at hand, a power of two."""
        if self._task_s is None or self._task_s > _RESERVE_S / 2:
            return 1
        wanted = min(int(_RESERVE_S / max(self._task_s, 1e-6)), _MOST_RESERVED)
        return 1 << (wanted.bit_length() - 1)

    # --- from the master ---

    def _receive(self, frame: m.Frame, now: float) -> None:
        for message in frame.messages:
            if isinstance(message, m.Registered):
                self._registered(frame.epoch, message, now)
            elif isinstance(message, m.RegisterAgain):
                self._register_again(frame.epoch, now)
            elif isinstance(message, m.Refused):
                self._refused(message)
            elif frame.epoch != self.epoch or type(message) not in _FROM_MASTER:
                self.ignored["not from this master" if frame.epoch != self.epoch else "kind"] += 1
                continue
            else:
                _FROM_MASTER[type(message)](self, message)
            self._heard_at = now
            self._waits_loudly_at = now + max(5.0, 3 * self._heartbeat_interval_s)

    def _registered(self, epoch: int, message: m.Registered, now: float) -> None:
        if self._is_registered and epoch == self.epoch:
            return
        self._log(Level.INFO, f"registered with the master at {self.settings.master}")
        self.epoch = epoch
        self._is_registered = True
        self._register_wait_s = 0.5
        self._heartbeat_interval_s = min(max(message.heartbeat_interval_s, 0.01), 60.0)
        self._heartbeat(now)

    def _register_again(self, epoch: int, now: float) -> None:
        if self._is_registered:
            self._log(Level.WARNING, "the master does not know this worker: registering again")
            self._is_registered = False
            self._register_wait_s = 0.5
            self._register(now)

    def _refused(self, refused: m.Refused) -> None:
        text = f"the master at {self.settings.master} refused: {refused.reason}"
        self._log(Level.ERROR, text)
        if not self._is_registered:
            self._quit(text, 4)

    def _tasks(self, response: m.TaskResponse) -> None:
        for spec in response.jobs:
            self.jobs[spec.job_id] = spec
        known = set(self.attempts)
        for task in response.tasks:
            if task.job_id not in self.jobs:
                self.ignored["task of an unknown job"] += 1  # the master will notice
            elif task.attempt not in known and task.attempt not in self.unacknowledged:
                self.queue.append(task)

    def _cancel(self, cancel: m.Cancel) -> None:
        attempts = set(cancel.attempts)
        self.queue = deque(task for task in self.queue if task.attempt not in attempts)
        for slot in self.slots:
            slot.cancelled |= {task.attempt for task in slot.tasks if task.attempt in attempts}
            self._stop_if_cancelled(slot, cancel.reason)
        discarded = []
        for attempt in cancel.attempts:
            self.progress.pop(attempt, None)
            self.unacknowledged.pop(attempt, None)
            self.commits.pop(attempt, None)
            done = self.held.pop(attempt, None)
            if done is not None and done.path:
                discarded.append(done.path)
        if discarded:
            self._actions.append(DiscardFiles(tuple(discarded)))

    def _stop_if_cancelled(self, slot: Slot, reason: str) -> None:
        """A task that waits in a slot can't be called back; when its turn comes, it is stopped."""
        if slot.state is SlotState.OPEN and slot.tasks and slot.tasks[0].attempt in slot.cancelled:
            task = slot.tasks.popleft()
            text = f"slot {slot.number}: {task.kind.label} {task.index} stopped: {reason}"
            self._log(Level.INFO, text)
            self._kill(slot)

    def _commit_reply(self, reply: m.CommitReply) -> None:
        if self.commits.pop(reply.attempt, None) is None:
            return
        for slot in self.slots:
            if slot.tasks and slot.tasks[0].attempt == reply.attempt:
                self._actions.append(SendSlot(slot.number, reply))

    def _ack(self, ack: m.Ack) -> None:
        for attempt in ack.attempts:
            self.unacknowledged.pop(attempt, None)

    def _forget(self, forget: m.ForgetJob) -> None:
        job_id = forget.job_id
        self.jobs.pop(job_id, None)
        of_job = [task.attempt for task in self.queue if task.job_id == job_id]
        of_job += [a for a, done in self.held.items() if done.job_id == job_id]
        for attempt in of_job:
            self.held.pop(attempt, None)
        self.queue = deque(task for task in self.queue if task.job_id != job_id)
        for slot in self.slots:
            if slot.job_id == job_id and slot.state is SlotState.OPEN:
                slot.tasks.clear()
                self._kill(slot)
        self._actions.append(DiscardJob(job_id))

    def _exit(self, message: m.Exit) -> None:
        self._log(Level.INFO, f"the master says to exit: {message.reason}")
        self._quit(message.reason, 0)

    # --- slots ---

    def _slot_said(self, slot: Slot, message: m.FromSlot, now: float) -> None:
        if slot.state is not SlotState.OPEN or not slot.tasks:
            self.ignored["from a slot that was stopped"] += 1
            return
        current = slot.tasks[0]
        if message.attempt != current.attempt:
            self.ignored["from a slot, about another task"] += 1
            return
        if isinstance(message, m.Progress):
            self.progress[message.attempt] = message
        elif isinstance(message, m.CommitRequest):
            self.commits[message.attempt] = message
            self._send(message)
        else:
            self._task_ended(slot, current, message, now)

    def _task_ended(
        self,
        slot: Slot,
        task: m.Task,
        result: m.MapDone | m.ReduceDone | m.TaskFailed,
        now: float,
    ) -> None:
        took_s = now - slot.began_at
        self._task_s = took_s if self._task_s is None else 0.8 * self._task_s + 0.2 * took_s
        slot.tasks.popleft()
        slot.began_at = now
        self.commits.pop(task.attempt, None)
        if isinstance(result, m.MapDone) and result.path:
            self.held[task.attempt] = result
        self._report(result)
        self._stop_if_cancelled(slot, "cancelled before it began")

    def _report(self, result: m.MapDone | m.ReduceDone | m.TaskFailed) -> None:
        self.progress.pop(result.attempt, None)
        self.unacknowledged[result.attempt] = result
        if self._is_registered:
            self._send(result)

    def _slot_ended(self, slot: Slot, ended: SlotEnded) -> None:
        was_killed = slot.state is SlotState.STOPPING
        if not was_killed and slot.tasks:
            task = slot.tasks.popleft()
            reason, text = slot_death(ended, self.settings.memory_bytes)
            self._log(Level.WARNING, f"slot {slot.number}, {task.kind.label} {task.index}: {text}")
            self.commits.pop(task.attempt, None)
            self._report(
                m.TaskFailed(task.job_id, task.kind, task.index, task.attempt, reason, text)
            )
        waiting = [task for task in slot.tasks if task.attempt not in slot.cancelled]
        self.queue.extendleft(reversed(waiting))
        slot.tasks.clear()
        slot.cancelled.clear()
        slot.state, slot.job_id = SlotState.EMPTY, ""

    def _kill(self, slot: Slot) -> None:
        slot.state = SlotState.STOPPING
        self._actions.append(KillSlot(slot.number))

    def _fill_slots(self, now: float) -> None:
        """Give the queued tasks to slots, one each first."""
        for depth in (1, 2) if self._depth() > 1 else (1,):
            while self.queue:
                slot = self._slot_for(self.queue[0].job_id, depth)
                if slot is None:
                    break
                self._give(slot, self.queue.popleft(), now)

    def _slot_for(self, job_id: str, depth: int) -> Slot | None:
        """A slot of the job with fewer tasks than `depth`, else an empty one.

        If there is only one that idles for another job, it is stopped, to be replaced.
        """
        empty = other = None
        for slot in self.slots:
            if slot.state is SlotState.EMPTY:
                empty = empty or slot
            elif slot.state is SlotState.OPEN and slot.job_id == job_id:
                if len(slot.tasks) < depth:
                    return slot
            elif slot.state is SlotState.OPEN and not slot.tasks:
                other = other or slot
        if empty is None and other is not None:
            self._kill(other)
        return empty

    def _give(self, slot: Slot, task: m.Task, now: float) -> None:
        if slot.state is SlotState.EMPTY:
            slot.state, slot.job_id = SlotState.OPEN, task.job_id
            start = m.StartJob(
                self.jobs[task.job_id],
                f"{self.settings.folder}/{task.job_id}",
                self.settings.memory_bytes,
                self._heartbeat_interval_s / 2,
            )
            self._actions.append(StartSlot(slot.number, start))
        if not slot.tasks:
            slot.began_at = now
        slot.tasks.append(task)
        self._actions.append(SendSlot(slot.number, task))

    # --- the end ---

    def _stop(self, stop: StopRequested) -> None:
        running = sum(1 for slot in self.slots if slot.tasks)
        if self._stopping is None and running and self._is_registered:
            self._stopping = stop
            self.queue.clear()  # not begun: they are for others
            self._log(
                Level.WARNING,
                f"{stop.reason}: waiting for {running} running tasks; once more stops at once",
            )
        else:
            self._stopping = stop
            self._quit(f"stopped by {stop.reason}", stop.exit_status)

    def _settle(self, now: float) -> list[WorkerAction]:
        if not self._has_quit:
            self._fill_slots(now)
            is_idle = not any(slot.tasks for slot in self.slots) and not self.unacknowledged
            if self._stopping and is_idle:
                self._quit(f"stopped by {self._stopping.reason}", self._stopping.exit_status)
            elif self._is_registered and self._credit() != self._credit_told:
                self._credit_told = self._credit()
                self._send(m.GetTask(self._credit_told))
        actions, self._actions = self._actions, []
        return actions

    def _quit(self, reason: str, exit_status: int) -> None:
        if not self._has_quit:
            self._has_quit = True
            if self._is_registered:
                self._send(m.Leave(reason))
            self._actions.append(Quit(reason, exit_status))


_FROM_MASTER: dict[type, Callable[[WorkerCore, Any], None]] = {
    m.TaskResponse: WorkerCore._tasks,
    m.Cancel: WorkerCore._cancel,
    m.CommitReply: WorkerCore._commit_reply,
    m.Ack: WorkerCore._ack,
    m.ForgetJob: WorkerCore._forget,
    m.Exit: WorkerCore._exit,
    m.HeartbeatReply: lambda core, message: None,
}
