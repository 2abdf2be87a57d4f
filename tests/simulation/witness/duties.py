"""What a worker must say to its master, and do for it: an account of its own of what it was told.

Kept of what goes into a worker's core and what comes out of it; the core's own tables are not read.
A worker says in each heartbeat, and when it registers, all that it has, and repeats each result and
each request until it is answered; it answers every question; it goes on as long as a master is to
be heard, and no longer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from signal import Signals
from typing import Any

from zmr import messages as m
from zmr.core.actions import (
    CheckFiles,
    DiscardFiles,
    DiscardJob,
    Log,
    Quit,
    SendMaster,
    SendSlot,
    WorkerAction,
)
from zmr.core.events import FilesChecked, FrameReceived, StopRequested

from ..machines.site import Site, Starts
from .slot_books import SlotBook, SlotBooks

# Between a worker's deadline and the turn in which it sees that, by the worker's own clock.
_LATE_S = 0.7

# A worker that is not answered registers again after so long, then after twice as long, ...
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 5.0

# It says that it waits for its master so long after its start or the master's last word, or after
# three heartbeats, and then every so often.
_WAITS_SILENTLY_S, _SAYS_SO_AFTER_S, _SAYS_SO_EVERY_S = 2.0, 5.0, 30.0

_NEVER_S = float("inf")
_MOST_OFTEN_S, _LEAST_OFTEN_S = 0.01, 60.0


class Duties:
    """Those of one process, from its start."""

    def __init__(self, worker: Starts, site: Site, applied: Counter[str]) -> None:
        self._worker, self._applied = worker, applied
        self._death_timeout_s = site.death_timeout_s
        self._drain_timeout_s = site.drain_timeout_s
        self._slots = SlotBooks(worker.n_slots, applied)
        self._is_registered = self._is_draining = self._is_over = False
        self._epoch, self._past = 0, set[int]()
        self._jobs: dict[str, m.JobSpec] = {}
        self._newest: dict[int, int] = {}  # attempts that it was given, by epoch
        self._outputs: dict[int, m.MapDone] = {}  # map outputs that it has, by attempt
        self._owed: dict[int, m.FromSlot] = {}  # results that are not acknowledged, by attempt
        self._asking: dict[int, m.CommitRequest] = {}  # requests without an answer, by attempt
        self._progress: dict[int, m.Progress] = {}
        self._looked_at: set[int] = set()  # map outputs, by attempt
        self._folders: set[str] = set()  # of jobs that are over, and still there
        self._status = 0  # with which it is to end
        self._serves_until = _NEVER_S  # when it drains, and others may read its outputs
        self._credit = 0  # what it has told of last
        self._interval_s, self._wait_s = 1.0, _FIRST_WAIT_S
        self._now = self._heard_at = self._sends_at = worker.now
        self._says_so_at = self._now + _WAITS_SILENTLY_S
        # What has to follow from an event.
        self._must_say: list[m.Message] = []
        self._must_do: list[WorkerAction] = []
        self._must_warn: list[str] = []

    def worker_did(self, event: Any, actions: list[WorkerAction]) -> None:
        """What followed from an event; None: from the time."""
        if self._is_over:
            return
        self._now = self._worker.now
        gives_up_at = self._heard_at + self._death_timeout_s
        due_at = min(self._sends_at, self._says_so_at, gives_up_at, self._serves_until)
        assert self._now <= due_at + _LATE_S, f"nothing is done at {due_at:.3f} s"
        self._happens(event)
        self._check_end(actions)
        self._check_words(actions)
        if not self._is_over:  # with it, all of its slots end
            for start in self._slots.ordered(actions, self._now):
                self._check_start(start)
            if not self._is_draining:
                self._slots.check_waiting()
            self._credit_changes()
        said = [_in_order(action.message) for action in actions if isinstance(action, SendMaster)]
        assert said.count(_LEAVES) == self._must_say.count(_LEAVES), "it leaves where it is not"
        _compare(self._must_say, said, self._is_over, "said")
        done = [_sorted(action) for action in actions if _is_deed(action)]
        _compare(self._must_do, done, self._is_over, "done")

    def _check_end(self, actions: list[WorkerAction]) -> None:
        quits = [action for action in actions if isinstance(action, Quit)]
        assert len(quits) <= self._is_over, f"ends without need: {quits}"
        assert len(quits) == self._is_over, "it does not end"
        assert all(action.exit_status == self._status for action in quits)

    def _check_words(self, actions: list[WorkerAction]) -> None:
        logs = (action for action in actions if isinstance(action, Log))
        waits = [log.text for log in logs if log.text.startswith("waiting for the master")]
        assert waits == self._must_warn, f"says {waits}, not {self._must_warn}"

    def _check_start(self, start: m.StartJob) -> None:
        """A process begins to serve a job."""
        job_id = start.spec.job_id
        assert start.spec == self._jobs.get(job_id), f"another spec of {job_id}"
        folder, every_s = f"{self._worker.folder}/{job_id}", self._interval_s / 2
        assert start == m.StartJob(start.spec, folder, 0, every_s), f"a slot is started so: {start}"

    def _credit_changes(self) -> None:
        credit = self._wanted
        if self._is_registered and credit != self._credit:
            self._credit = credit
            self._must_say.append(m.GetTask(credit))
            self._applied["a worker says at once how many tasks it wants"] += 1

    @property
    def _wanted(self) -> int:
        return 0 if self._is_draining else self._slots.wanted

    # --- what happens ---

    def _happens(self, event: Any) -> None:
        self._must_say, self._must_do, self._must_warn = [], [], []
        match event:
            case None:
                self._time_passes()
            case FrameReceived(_, frame):
                self._hears(frame)
            case m.SlotSaid(number, messages):
                for message in messages:
                    self._slot_says(self._slots.slots[number], message)
            case m.SlotEnded():
                self._slot_ends(self._slots.slots[event.slot], event)
            case FilesChecked():
                self._looked_at.difference_update(event.whole, event.damaged)
                if self._is_registered:
                    told = m.OutputsChecked(event.job_id, event.whole, event.damaged)
                    self._must_say.append(told)
                    self._applied["what a look at outputs has shown is told"] += 1
            case StopRequested():
                self._is_to_stop(event)
        serves = bool(self._outputs) and self._serves_until < _NEVER_S
        if self._is_draining and not (self._slots.has_tasks or self._owed or serves):
            self._ends(self._status)
            self._applied["a worker that drains ends when all is told"] += 1
        elif self._is_draining and not (self._slots.has_tasks or self._owed):
            self._applied["a worker that drains goes on serving its outputs"] += 1

    def _time_passes(self) -> None:
        now, silence_s = self._now, self._now - self._heard_at
        if now >= self._heard_at + self._death_timeout_s:
            self._ends(4)
            self._applied["a worker without a master ends"] += 1
            return
        if now >= self._says_so_at:
            self._says_so_at = now + _SAYS_SO_EVERY_S
            left_s = self._death_timeout_s - silence_s
            text = f"waiting for the master at master (gives up in {left_s:.0f} s)"
            self._must_warn.append(text)
            self._applied["a worker says that it waits for its master"] += 1
        if now >= self._serves_until:
            self._serves_until = _NEVER_S
        if now >= self._sends_at:
            self._heartbeat() if self._is_registered else self._register()

    def _register(self) -> None:
        worker = self._worker
        running = sorted(task.attempt for task, _ in self._slots.held())
        outputs = sorted(self._outputs.values(), key=lambda done: done.attempt)
        register = m.Register(
            worker.process,
            worker.name,
            worker.starts,
            worker.n_slots,
            tuple(running),
            tuple(outputs),
            worker.shuffle_address,
        )
        self._must_say.append(register)
        self._sends_at = self._now + self._wait_s
        if self._wait_s > _FIRST_WAIT_S:
            self._applied["a worker that is not answered registers less and less often"] += 1
        self._wait_s = min(_LONGEST_WAIT_S, self._wait_s + self._wait_s)

    def _heartbeat(self) -> None:
        rows = []
        for task, waits in self._slots.held():
            known = self._progress.get(task.attempt)
            row = m.Progress(task.attempt, queued=waits, starting=not waits)
            if known is not None:
                row = known._replace(queued=waits)
            rows.append(row)
        rows.sort()
        self._credit = self._wanted
        self._must_say += [*self._owed.values(), *self._asking.values()]
        self._must_say.append(m.Heartbeat(self._credit, tuple(rows), tuple(sorted(self._jobs))))
        self._sends_at = self._now + self._interval_s
        self._applied["a result is repeated until it is acknowledged"] += len(self._owed)
        self._applied["a request to publish is repeated until it is answered"] += len(self._asking)
        self._applied["a heartbeat tells how far attempts are"] += bool(self._progress)

    def _is_to_stop(self, event: StopRequested) -> None:
        is_idle = not self._slots.n_running and not self._outputs
        if self._is_registered and not self._is_draining and not is_idle:
            self._is_draining, self._status = True, event.exit_status
            self._serves_until = self._now + self._drain_timeout_s
            self._slots.queue.clear()
        else:
            self._ends(event.exit_status)

    def _ends(self, status: int) -> None:
        if not self._is_over:
            self._is_over, self._status = True, status
            if self._is_registered:
                self._must_say.append(_LEAVES)

    # --- its master ---

    def _hears(self, frame: m.Frame) -> None:
        is_past = self._is_registered and frame.epoch in self._past
        for message in frame.messages:
            if is_past and not isinstance(message, m.RegisterAgain):
                continue
            if self._is_over:
                return
            if isinstance(message, m.Registered):
                self._registered(frame.epoch, message)
            elif isinstance(message, m.RegisterAgain):
                if self._is_registered:
                    self._is_registered = False
                    self._wait_s = _FIRST_WAIT_S
                    self._register()
            elif isinstance(message, m.Refused):
                if not self._is_registered:
                    self._ends(4)
            elif frame.epoch == self._epoch:
                self._obeys(message)
            else:
                continue
            self._heard_at = self._now
            silent_s = max(_SAYS_SO_AFTER_S, 3 * self._interval_s)
            self._says_so_at = self._now + silent_s

    def _registered(self, epoch: int, message: m.Registered) -> None:
        if self._is_registered and epoch == self._epoch:
            return
        if epoch != self._epoch:
            self._past.add(self._epoch)
            self._past.discard(epoch)
        self._epoch, self._is_registered = epoch, True
        self._wait_s = _FIRST_WAIT_S
        # Whatever a master asks for, a heartbeat is no flood, and comes now and then.
        self._interval_s = min(_LEAST_OFTEN_S, max(_MOST_OFTEN_S, message.heartbeat_interval_s))
        used = {task.job_id for task, _ in self._slots.held()}
        used.update(task.job_id for slot in self._slots.slots for task in slot.tasks)
        used.update(done.job_id for done in self._outputs.values())
        for job_id in self._jobs.keys() - used:
            self._forgets(job_id)
            self._applied["a job of which a worker has nothing is dropped"] += 1
        self._heartbeat()

    def _obeys(self, message: m.Message) -> None:
        match message:
            case m.TaskResponse():
                self._takes(message)
            case m.Cancel(attempts):
                self._cancels(attempts)
            case m.CommitReply(attempt):
                if self._asking.pop(attempt, None) is not None:
                    numbered = enumerate(self._slots.slots)
                    of_it = [n for n, s in numbered if s.running and s.running.attempt == attempt]
                    self._must_do += [SendSlot(n, message) for n in of_it]
            case m.Ack(attempts):
                for attempt in attempts:
                    self._owed.pop(attempt, None)
            case m.ForgetJob(job_id):
                self._forgets(job_id)
            case m.CheckOutputs():
                self._is_asked(message)
            case m.Exit():
                self._ends(0)

    def _takes(self, response: m.TaskResponse) -> None:
        for spec in response.jobs:
            self._jobs[spec.job_id] = spec
            self._folders.discard(spec.job_id)
        for task in response.tasks:
            is_new = task.attempt > self._newest.get(self._epoch, 0)
            self._newest[self._epoch] = max(task.attempt, self._newest.get(self._epoch, 0))
            if is_new and task.job_id in self._jobs and not self._is_draining:
                self._slots.queue.append(task)
            elif is_new and self._is_draining:
                self._applied["a worker that drains takes on nothing"] += 1

    def _cancels(self, attempts: tuple[int, ...]) -> None:
        self._slots.cancel(set(attempts))
        paths = []
        for attempt in attempts:
            for known in (self._progress, self._owed, self._asking):
                known.pop(attempt, None)
            done = self._outputs.pop(attempt, None)
            if done is not None:
                paths.append(done.path)
        if paths:
            self._must_do.append(DiscardFiles(tuple(sorted(paths))))
            self._applied["an output of no use is removed"] += 1

    def _forgets(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
        self._outputs = {n: done for n, done in self._outputs.items() if done.job_id != job_id}
        self._asking = {n: asked for n, asked in self._asking.items() if asked.job_id != job_id}
        self._slots.forget(job_id)
        left = {task.attempt for task, _ in self._slots.held()}
        self._progress = {n: known for n, known in self._progress.items() if n in left}
        self._folders.add(job_id)
        self._clears()

    def _clears(self) -> None:
        """The folder of a job that is over goes when no slot writes there."""
        for job_id in self._folders - self._slots.served:
            self._folders.remove(job_id)
            self._must_do.append(DiscardJob(job_id))
            self._applied["the folder of a job that is over goes"] += 1

    def _is_asked(self, check: m.CheckOutputs) -> None:
        files = []
        gone = []
        for attempt in check.attempts:
            if attempt not in self._outputs:
                gone.append(attempt)
            elif attempt not in self._looked_at:
                self._looked_at.add(attempt)
                files.append((attempt, self._outputs[attempt].path))
        if gone:
            self._must_say.append(m.OutputsChecked(check.job_id, damaged=tuple(gone)))
            self._applied["an output that is not there is told"] += 1
        if files:
            self._must_do.append(CheckFiles(check.job_id, tuple(files)))
            self._applied["a question about outputs is looked into"] += 1

    # --- its slots ---

    def _slot_says(self, slot: SlotBook, message: m.FromSlot) -> None:
        running = slot.running
        if running is None or running.attempt != message.attempt:
            return
        if isinstance(message, m.Progress):
            self._progress[message.attempt] = message
            return
        if isinstance(message, m.CommitRequest):
            self._asking[message.attempt] = message
            if self._is_registered:
                self._must_say.append(message)
            return
        if isinstance(message, m.MapDone) and message.path:
            self._outputs[message.attempt] = message
        self._has_result(message)
        self._slots.ended(slot, self._now)

    def _has_result(self, result: m.MapDone | m.ReduceDone | m.TaskFailed) -> None:
        self._progress.pop(result.attempt, None)
        self._asking.pop(result.attempt, None)
        self._owed[result.attempt] = result
        if self._is_registered:
            self._must_say.append(result)

    def _slot_ends(self, slot: SlotBook, ended: m.SlotEnded) -> None:
        task = slot.running
        if task is not None:
            slot.tasks.popleft()
            known = self._progress.get(task.attempt)
            self._has_result(_died(task, ended, known.records if known is not None else 0))
            self._applied["an attempt whose slot dies has failed"] += 1
        self._slots.vacated(slot)
        if self._is_draining:
            self._slots.queue.clear()
        self._clears()


_LEAVES = m.Leave("")


def _in_order(message: m.Message) -> m.Message:
    """The message, whatever the order in which it tells things; and without words for people."""
    match message:
        case m.Heartbeat(credit, progress, jobs):
            return m.Heartbeat(credit, tuple(sorted(progress)), tuple(sorted(jobs)))
        case m.Register(running=running, held=held):
            outputs = sorted(held, key=lambda done: done.attempt)
            return replace(message, running=tuple(sorted(running)), held=tuple(outputs))
        case m.Leave():
            return _LEAVES
    return message


def _is_deed(action: WorkerAction) -> bool:
    """Whether the worker does something for its master with this."""
    is_reply = isinstance(action, SendSlot) and isinstance(action.message, m.CommitReply)
    return is_reply or isinstance(action, CheckFiles | DiscardFiles | DiscardJob)


def _sorted(action: WorkerAction) -> WorkerAction:
    """The action, whatever the order in which it is about things."""
    if isinstance(action, DiscardFiles):
        return DiscardFiles(tuple(sorted(action.paths)))
    return action


def _died(task: m.Task, ended: m.SlotEnded, records: int) -> m.TaskFailed:
    """The failure of a task whose slot process has ended."""
    reason = m.FailureReason.SLOT_DIED
    peak = f"{ended.peak_bytes // 1_000_000} MB"
    how = f"the slot process exited with status {ended.exit_status}"
    if ended.over_memory:
        reason = m.FailureReason.OVER_MEMORY
        how = "killed by SIGKILL for using more than its 0 MB of memory (--memory)"
    elif ended.signal is not None:
        how = f"the slot process was killed by {Signals(ended.signal).name}"
        if ended.signal == Signals.SIGKILL:
            how += " (perhaps the system ran out of memory)"
    text = f"{how}; it had used up to {peak} of memory"
    if ended.record >= 0:
        text += f", and was at record {ended.record + 1:,} of its input"
    elif records and task.kind is m.TaskKind.MAP:
        text += f", and had read {records:,} records or more"
    known = m.Circumstances(ended.exit_status, ended.signal, ended.peak_bytes, ended.record)
    return m.TaskFailed(
        task.job_id, task.kind, task.index, task.attempt, reason, text, circumstances=known
    )


def _compare(expected: list[Any], found: list[Any], is_over: bool, what: str) -> None:
    """The same things, in any order; of a worker that ends, these at least."""
    if expected == found:
        return
    left = list(found)
    for each in expected:
        assert each in left, f"it has not {what} {each}, but {found}"
        left.remove(each)
    assert is_over or not left, f"it has {what} {left} without need"
