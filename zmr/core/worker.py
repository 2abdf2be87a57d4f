"""The worker agent's decisions: what to ask the master for, which slot runs what, what to keep.

The agent never runs user code; its slots do, and a slot can be killed and replaced at any moment.
What this core owns: the tasks that were handed to this worker, until their results are
acknowledged; the map outputs that it holds, until their job is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from zmr import messages as m
from zmr.core.actions import (
    CheckFiles,
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
from zmr.core.events import FilesChecked, FrameReceived, StopRequested, WorkerInput
from zmr.core.settings import WorkerSettings
from zmr.core.slots import Slot, SlotTable, slot_death
from zmr.core.states import AGENT, AgentState, SlotState
from zmr.display import counted
from zmr.messages import SlotEnded, SlotSaid

# Quick tasks are asked for in advance: about so much work for a slot, and at most so many.
_RESERVE_S = 0.1
_MOST_RESERVED = 64

# Of these a slot itself has two, and more of tasks that are hardly anything: it then never waits
# for the agent, which hears of many of them at once.
_IN_SLOT_S = 0.005
_MOST_IN_SLOT = 16

# How often a worker that waits for its master says so.
_SAY_WAITING_EVERY_S = 30.0
_LONGEST_REGISTER_WAIT_S = 5.0


class WorkerCore:
    def __init__(self, settings: WorkerSettings, now: float) -> None:
        self.settings = settings
        self.state = AGENT.initial
        self.epoch = 0
        self._past_epochs: set[int] = set()
        self.slots = SlotTable(settings.slots)
        self.jobs: dict[str, m.JobSpec] = {}
        self.held: dict[int, m.MapDone] = {}  # map outputs, by attempt
        self.unacknowledged: dict[int, m.Message] = {}  # results, by attempt
        self.commits: dict[int, m.CommitRequest] = {}  # questions without an answer, by attempt
        self.progress: dict[int, m.Progress] = {}
        self.ignored: Counter[str] = Counter()
        self._actions: list[WorkerAction] = []
        self._heartbeat_interval_s = 1.0
        self._heard_at = now
        self._waits_loudly_at = now + 2.0
        self._next_send_at = now  # of a heartbeat, or of a registration
        self._register_wait_s = 0.5
        # By epoch. Ids grow: whatever is not newer was here before.
        self._newest_attempts: dict[int, int] = {}
        self._checking: set[int] = set()  # map outputs that are being looked at, by attempt
        self._to_discard: set[str] = set()  # jobs whose folder goes when their slots are gone
        self._task_s: float | None = None  # the usual duration of a task
        self._credit_sent = 0
        self._stop_for: StopRequested | None = None  # why it drains
        self._serves_until: float | None = None  # it drains, and others may read its map outputs

    # --- the interface of the shell ---

    def handle(self, event: WorkerInput, now: float) -> list[WorkerAction]:
        match event:
            case FrameReceived(_, frame):
                self._receive(frame, now)
            case SlotSaid(slot, messages):
                for message in messages:
                    self._slot_said(self.slots[slot], message, now)
            case SlotEnded():
                self._slot_ended(self.slots[event.slot], event)
            case FilesChecked():
                self._files_checked(event)
            case StopRequested():
                self._stop(event, now)
        return self._settle(now)

    def tick(self, now: float) -> list[WorkerAction]:
        silence_s = now - self._heard_at
        if now >= self._gives_up_at:
            text = f"no master at {self.settings.master} for {silence_s:.0f} s (--death-timeout)"
            self._log(Level.ERROR, text)
            self._quit(text, 4)
        elif now >= self._waits_loudly_at:
            self._waits_loudly_at = now + _SAY_WAITING_EVERY_S
            left_s = self.settings.death_timeout_s - silence_s
            text = f"waiting for the master at {self.settings.master} (gives up in {left_s:.0f} s)"
            self._log(Level.WARNING, text)
        if self._serves_until is not None and now >= self._serves_until:
            self._serves_until = None
        if now >= self._next_send_at and not self._is_over:
            self._heartbeat(now) if self.is_registered else self._register(now)
        return self._settle(now)

    def next_deadline(self) -> float | None:
        if self._is_over:
            return None
        deadline = min(self._gives_up_at, self._waits_loudly_at, self._next_send_at)
        return deadline if self._serves_until is None else min(deadline, self._serves_until)

    @property
    def is_registered(self) -> bool:
        """Whether there is a master that knows this worker."""
        return self.state in (AgentState.REGISTERED, AgentState.DRAINING)

    @property
    def _is_draining(self) -> bool:
        return self.state in (AgentState.DRAINING, AgentState.DRAINING_UNREGISTERED)

    @property
    def _is_over(self) -> bool:
        return self.state is AgentState.OVER

    def _move(self, happened: str) -> None:
        self.state = AGENT.move(self.state, happened, self.settings.name)

    @property
    def _gives_up_at(self) -> float:
        return self._heard_at + self.settings.death_timeout_s

    @property
    def attempts(self) -> list[int]:
        """All attempts that this worker holds: in slots, queued."""
        return [task.attempt for task in self.slots.tasks]

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
                settings.shuffle_address,
            )
        )
        self._next_send_at = now + self._register_wait_s
        self._register_wait_s = min(self._register_wait_s * 2, _LONGEST_REGISTER_WAIT_S)

    def _heartbeat(self, now: float) -> None:
        for result in self.unacknowledged.values():
            self._send(result)
        for request in self.commits.values():
            self._send(request)
        running = {task.attempt for task in self.slots.running}
        rows = []
        for attempt in self.attempts:
            # A slot that is loading the job says nothing of the task that waits for that.
            known = self.progress.get(attempt) or m.Progress(attempt, starting=attempt in running)
            rows.append(known._replace(queued=attempt not in running))
        self._credit_sent = self._credit()
        self._send(m.Heartbeat(self._credit_sent, tuple(rows), tuple(self.jobs)))
        self._next_send_at = now + self._heartbeat_interval_s

    def _credit(self) -> int:
        return 0 if self._is_draining else self.settings.slots * self._depth()

    def _depth(self) -> int:
        """How many attempts a slot should have at hand, a power of two."""
        if self._task_s is None:
            return 1
        wanted = min(int(_RESERVE_S / max(self._task_s, 1e-6)), _MOST_RESERVED)
        return 1 << (max(wanted, 1).bit_length() - 1)

    def _depth_in_slot(self) -> int:
        """How many of them a slot process has been sent."""
        if self._task_s is None or self._depth() == 1:
            return 1
        return min(max(2, int(_IN_SLOT_S / max(self._task_s, 1e-6))), _MOST_IN_SLOT)

    # --- from the master ---

    def _receive(self, frame: m.Frame, now: float) -> None:
        messages = frame.messages
        if self.is_registered and frame.epoch in self._past_epochs:
            # It is late, or a late frame has made the living master's epoch a past one. Then that
            # master says so, and its answer to the registration counts.
            messages = tuple(each for each in messages if isinstance(each, m.RegisterAgain))
            self.ignored["of a past epoch"] += not messages
        for message in messages:
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
        if self._is_over or (self.is_registered and epoch == self.epoch):
            return
        self._log(Level.INFO, f"registered with the master at {self.settings.master}")
        if epoch != self.epoch:
            self._past_epochs.add(self.epoch)
            self._past_epochs.discard(epoch)
        self.epoch = epoch
        self._move("registered")
        self._register_wait_s = 0.5
        self._heartbeat_interval_s = min(max(message.heartbeat_interval_s, 0.01), 60.0)
        self._forget_unused()
        self._heartbeat(now)

    def _register_again(self, epoch: int, now: float) -> None:
        if self.is_registered:
            self._log(Level.INFO, "the master does not know this worker: registering again")
            self._move("register again")
            self._register(now)

    def _refused(self, refused: m.Refused) -> None:
        text = f"the master at {self.settings.master} refused: {refused.reason}"
        self._log(Level.ERROR, text)
        if not self.is_registered:
            self._quit(text, 4)

    def _tasks(self, response: m.TaskResponse) -> None:
        for spec in response.jobs:
            self.jobs[spec.job_id] = spec
            self._to_discard.discard(spec.job_id)
        for task in response.tasks:
            if task.attempt <= self._newest_attempts.get(self.epoch, 0):
                self.ignored["task that was here before"] += 1
                continue
            self._newest_attempts[self.epoch] = task.attempt
            # What is not taken on here, the master misses in the heartbeats.
            if task.job_id not in self.jobs:
                self.ignored["task of an unknown job"] += 1
            elif not self._is_draining:
                self.slots.queue.append(task)

    def _cancel(self, cancel: m.Cancel) -> None:
        self.slots.cancel(set(cancel.attempts))
        for slot in self.slots.slots:
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
        task = slot.running
        if task is not None and task.attempt in slot.cancelled:
            slot.tasks.popleft()
            text = f"slot {slot.number}: {task.kind.label} {task.index} stopped: {reason}"
            self._log(Level.INFO, text)
            self._kill(slot)

    def _commit_reply(self, reply: m.CommitReply) -> None:
        if self.commits.pop(reply.attempt, None) is None:
            return
        for slot in self.slots.slots:
            task = slot.running
            if task is not None and task.attempt == reply.attempt:
                self._actions.append(SendSlot(slot.number, reply))

    def _ack(self, ack: m.Ack) -> None:
        for attempt in ack.attempts:
            self.unacknowledged.pop(attempt, None)

    def _check_outputs(self, check: m.CheckOutputs) -> None:
        held = {a: self.held[a] for a in check.attempts if a in self.held}
        gone = tuple(a for a in check.attempts if a not in held)
        if gone:
            self._send(m.OutputsChecked(check.job_id, damaged=gone))
        files = tuple((a, done.path) for a, done in held.items() if a not in self._checking)
        if files:
            self._checking.update(a for a, _ in files)
            self._actions.append(CheckFiles(check.job_id, files))

    def _files_checked(self, checked: FilesChecked) -> None:
        self._checking.difference_update(checked.whole, checked.damaged)
        if checked.damaged:
            count = counted(len(checked.damaged), "map output")
            self._log(Level.WARNING, f"job {checked.job_id}: {count} damaged or gone")
        if self.is_registered:
            self._send(m.OutputsChecked(checked.job_id, checked.whole, checked.damaged))

    def _forget_job(self, forget: m.ForgetJob) -> None:
        self._forget(forget.job_id)

    def _forget_unused(self) -> None:
        """Drop jobs of which nothing is here: perhaps they ended while the master was away."""
        used = {task.job_id for task in self.slots.tasks}
        used |= {done.job_id for done in self.held.values()}
        for job_id in sorted(self.jobs.keys() - used):
            self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        self.jobs.pop(job_id, None)
        self.held = {a: done for a, done in self.held.items() if done.job_id != job_id}
        self.commits = {a: asked for a, asked in self.commits.items() if asked.job_id != job_id}
        for slot in self.slots.drop_job(job_id):
            self._kill(slot)
        left = set(self.attempts)
        self.progress = {a: known for a, known in self.progress.items() if a in left}
        self._to_discard.add(job_id)
        self._discard_forgotten()

    def _discard_forgotten(self) -> None:
        """Remove the folders of forgotten jobs, each when no slot can write there any more."""
        for job_id in sorted(self._to_discard - self.slots.jobs_served):
            self._to_discard.discard(job_id)
            self._actions.append(DiscardJob(job_id))

    def _exit(self, message: m.Exit) -> None:
        self._log(Level.INFO, f"the master says to exit: {message.reason}")
        self._quit(message.reason, 0)

    # --- slots ---

    def _slot_said(self, slot: Slot, message: m.FromSlot, now: float) -> None:
        current = slot.running
        if current is None:
            self.ignored["from a slot that was stopped"] += 1
            return
        if message.attempt != current.attempt:
            self.ignored["from a slot, about another task"] += 1
            return
        if isinstance(message, m.Progress):
            self.progress[message.attempt] = message
        elif isinstance(message, m.CommitRequest):
            self.commits[message.attempt] = message
            if self.is_registered:
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
        if self.is_registered:
            self._send(result)

    def _slot_ended(self, slot: Slot, ended: SlotEnded) -> None:
        task = slot.running
        if task is not None:
            slot.tasks.popleft()
            kind, index, attempt = task.kind, task.index, task.attempt
            progress = self.progress.get(attempt)
            read = progress.records if progress is not None and kind is m.TaskKind.MAP else 0
            reason, text, known = slot_death(ended, self.settings.memory_bytes, read)
            self._log(Level.WARNING, f"slot {slot.number}, {kind.label} {index}: {text}")
            self.commits.pop(attempt, None)
            failed = m.TaskFailed(
                task.job_id, kind, index, attempt, reason, text, circumstances=known
            )
            self._report(failed)
        self.slots.vacate(slot)
        if self._is_draining:
            self.slots.queue.clear()
        self._discard_forgotten()

    def _kill(self, slot: Slot) -> None:
        slot.move("kill")
        self._actions.append(KillSlot(slot.number))

    def _fill_slots(self, now: float) -> None:
        """Give the queued tasks to slots, one each first."""
        most = self._depth_in_slot()
        while (slot := self.slots.place(most)) is not None:
            self._give(slot, self.slots.queue.popleft(), now)
        for slot in self.slots.in_the_way():
            self._kill(slot)

    def _give(self, slot: Slot, task: m.Task, now: float) -> None:
        if slot.state is SlotState.EMPTY:
            slot.start(task.job_id)
            start = m.StartJob(
                self.jobs[task.job_id],
                f"{self.settings.folder}/{task.job_id}",
                self.settings.memory_bytes,
                self._heartbeat_interval_s / 2,
                self.settings.no_direct_read,
                self.settings.syncs_late,
            )
            self._actions.append(StartSlot(slot.number, start))
        if not slot.tasks:
            slot.began_at = now
        slot.tasks.append(task)
        self._actions.append(SendSlot(slot.number, task))

    # --- the end ---

    def _stop(self, stop: StopRequested, now: float) -> None:
        if self.state is AgentState.REGISTERED and (self.slots.running or self.held):
            self._move("stop, not idle")
            self._stop_for, self._serves_until = stop, now + self.settings.drain_timeout_s
            self.slots.queue.clear()  # not begun: they are for others
            tasks = counted(len(self.slots.running), "running task")
            outputs = counted(len(self.held), "map output")
            limit = f"(at most {self.settings.drain_timeout_s:g} s, --drain-timeout)"
            text = f"{tasks}, and for the readers of {outputs} {limit}"
            self._log(Level.WARNING, f"{stop.reason}: waiting for {text}; once more stops at once")
        else:
            self._quit(f"stopped by {stop.reason}", stop.exit_status)

    def _settle(self, now: float) -> list[WorkerAction]:
        if self._is_draining:
            if self._may_leave:
                assert self._stop_for is not None, "it drains, and nobody has asked for that"
                self._quit(f"stopped by {self._stop_for.reason}", self._stop_for.exit_status)
        elif not self._is_over:
            self._fill_slots(now)
        if self.is_registered and (credit := self._credit()) != self._credit_sent:
            self._credit_sent = credit
            self._send(m.GetTask(credit))
        actions, self._actions = self._actions, []
        return actions

    @property
    def _may_leave(self) -> bool:
        is_idle = not any(slot.tasks for slot in self.slots.slots) and not self.unacknowledged
        return is_idle and (not self.held or self._serves_until is None)

    def _quit(self, reason: str, exit_status: int) -> None:
        if self.is_registered:
            self._send(m.Leave(reason))
        if not self._is_over:
            self._move("quit")
            self._actions.append(Quit(reason, exit_status))


_FROM_MASTER: dict[type, Callable[[WorkerCore, Any], None]] = {
    m.TaskResponse: WorkerCore._tasks,
    m.Cancel: WorkerCore._cancel,
    m.CommitReply: WorkerCore._commit_reply,
    m.Ack: WorkerCore._ack,
    m.ForgetJob: WorkerCore._forget_job,
    m.CheckOutputs: WorkerCore._check_outputs,
    m.Exit: WorkerCore._exit,
    m.HeartbeatReply: lambda core, message: None,
}
