"""The tasks of one phase, and the attempts at them.

`TaskTable` owns its tasks' states. It knows which are idle and how many are complete without
looking at all of them, so that a million tasks cost no more a step than ten. A task that nothing
has happened to takes no memory: clients may claim inputs of any size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import overload

from zmr.core.pace import Pace
from zmr.core.states import ATTEMPT, TASK, AttemptState, TaskState
from zmr.messages import MapDone, OutputFile, Progress, ReduceDone, TaskKind

# How far the queue is searched for a task that fits the worker.
_LOOK_AHEAD = 64

# One for all tasks: an empty set takes more memory than a task.
_NO_PEERS: frozenset[bytes] = frozenset()


class Attempt:
    """One hand-out of one task to one worker."""

    __slots__ = (
        "began_at",
        "fraction",
        "id",
        "is_starting",
        "job_id",
        "moved_at",
        "peer",
        "progress",
        "queued",
        "state",
        "task",
        "was_granted",
        "without_at",
    )

    def __init__(self, id: int, job_id: str, task: TaskRecord, peer: bytes, now: float) -> None:
        self.id = id
        self.job_id = job_id
        self.task = task
        self.peer = peer
        self.state = ATTEMPT.initial
        self.began_at = now  # the hand-out; from the heartbeat on that says it runs, that
        self.moved_at = now  # when it last made progress, as far as heartbeats show
        self.progress = (0, 0)
        self.fraction = 0.0  # of its input that is done; 0: not known
        self.without_at = now  # when it was last known to have done nothing of that
        self.queued = True
        self.is_starting = False  # it runs, and its job is loaded, or its setup runs
        self.was_granted = False  # it has got the leave to publish

    def move(self, happened: str) -> None:
        self.state = ATTEMPT.move(self.state, happened, self)

    @property
    def is_live(self) -> bool:
        return self.state is AttemptState.RUNNING or self.state is AttemptState.COMMITTING

    def progressed(self, progress: Progress, now: float) -> None:
        """A heartbeat says how far it is."""
        figures = progress.records, progress.bytes
        if self.queued and not progress.queued:
            self.began_at = now
        state = progress.queued, progress.starting
        if figures != self.progress or (self.queued, self.is_starting) != state:
            self.moved_at = now
        if not progress.fraction:
            self.without_at = now
        self.progress, self.fraction = figures, progress.fraction
        self.queued, self.is_starting = state

    def left_s(self, now: float) -> float | None:
        """How many seconds it will go on if its pace stays; None: there is no telling.

        This is the estimate of LATE (Zaharia et al., OSDI 2008), by the time that all of the
        attempt took so far, or by that since its input began to be done, whichever is less: before
        that a reduce fetches, and imports take their time.
        """
        fraction = self.fraction
        if not fraction:
            return None
        return (now - max(self.began_at, self.without_at)) / fraction * (1.0 - fraction)

    def records(self) -> float:
        """How many records its input has, by the fraction of it that is done, which is known."""
        return self.progress[0] / self.fraction

    def __str__(self) -> str:
        return f"{self.task}, attempt {self.number}"

    @property
    def number(self) -> int:
        """The attempt's number for people: 1, 2, 3, ..."""
        return self.id & 0xFFFFFFFF

    @property
    def epoch(self) -> int:
        """That of the start of the master which handed it out."""
        return self.id >> 32


class TaskRecord:
    """One task of a job."""

    __slots__ = (
        "attempts",
        "committer",
        "errors",
        "failed_on",
        "failures",
        "file",
        "index",
        "kind",
        "lost",
        "lost_inputs",
        "owner",
        "path",
        "skipped",
        "skips",
        "state",
        "suspects",
        "winner",
    )

    def __init__(self, kind: TaskKind, index: int) -> None:
        self.kind = kind
        self.index = index
        self.state = TASK.initial
        self.attempts: tuple[Attempt, ...] = ()  # the live ones
        self.lost: tuple[Attempt, ...] = ()  # those whose workers may come back
        self.failures = 0
        self.lost_inputs = 0  # attempts that could not read their input
        self.failed_on = _NO_PEERS  # peers that are better avoided
        self.errors: tuple[str, ...] = ()  # what the job's own code raised in it, each once
        self.committer: Attempt | None = None  # the one that may publish
        self.winner = 0  # the attempt that completed it last; 0: it never was complete
        self.owner = b""  # the peer that did
        self.path = ""  # of the map output, which may be lost since
        self.file: OutputFile | None = None  # the published one
        self.suspects: tuple[int, ...] = ()  # records at which a slot has died once ...
        self.skips: tuple[int, ...] = ()  # ... and twice: they are left out
        self.skipped = 0  # records and files that the winner left out

    def __str__(self) -> str:
        return f"{self.kind.label} {self.index}"

    def count_failure(
        self, peer: bytes, lost_input: bool, record: int = -1, error: str = ""
    ) -> None:
        """An attempt failed there; of this record, if that is known and may be left out.

        `error` is what the job's own code raised, if it did.

        The second failure of a record shows that it is the record's fault. So the record is left
        out from now on, and neither failure counts against the task.
        """
        if record in self.skips:
            return
        if record in self.suspects:
            self.suspects = tuple(suspect for suspect in self.suspects if suspect != record)
            self.skips += (record,)
            self.failures -= 1
            return
        if lost_input:
            self.lost_inputs += 1
        else:
            self.failures += 1
            if error and error not in self.errors:
                self.errors += (error,)
            if record >= 0:
                self.suspects += (record,)
        self.failed_on |= {peer}

    def validate(self) -> None:
        """Fail if the task contradicts its attempts."""
        is_complete, committer = self.state is TaskState.COMPLETED, self.committer
        assert not is_complete or self.winner, f"{self}: complete by no attempt"
        assert not is_complete or not self.lost, f"{self}: complete, and waits for lost attempts"
        assert (self.state is TaskState.IN_PROGRESS) == bool(self.attempts), f"{self}: state"
        for attempt in self.attempts:
            assert attempt.is_live, f"{attempt}: listed as live"
            assert attempt.task is self, f"{attempt}: of another task"
        for attempt in self.lost:
            assert attempt.state is AttemptState.LOST, f"{attempt}: listed as lost"
            assert attempt.task is self, f"{attempt}: of another task"
        if committer is not None:
            assert committer in self.attempts, f"{self}: the committer is not live"
            assert committer.state is AttemptState.COMMITTING, f"{self}: the committer's state"
            assert committer.was_granted, f"{self}: the committer has no leave"

    def is_result(self, attempt_id: int) -> bool:
        """Whether the task is complete by this attempt."""
        return self.state is TaskState.COMPLETED and self.winner == attempt_id


class Tasks(Sequence[TaskRecord]):
    """The tasks of one kind of one job. Each is made when it is first asked for."""

    def __init__(self, kind: TaskKind, n_tasks: int) -> None:
        self._kind = kind
        self._tasks: list[TaskRecord | None] = [None] * n_tasks

    def __len__(self) -> int:
        return len(self._tasks)

    @overload
    def __getitem__(self, index: int) -> TaskRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[TaskRecord]: ...
    def __getitem__(self, index: int | slice) -> TaskRecord | list[TaskRecord]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        task = self._tasks[index]
        if task is None:
            number = index if index >= 0 else index + len(self)
            task = self._tasks[index] = TaskRecord(self._kind, number)
        return task

    def made(self) -> Iterator[TaskRecord]:
        """Those that something may have happened to, in their order; all others are idle."""
        return (task for task in self._tasks if task is not None)


class TaskTable:
    """The tasks of one kind of one job."""

    def __init__(self, kind: TaskKind, n_tasks: int) -> None:
        self.kind = kind
        self.tasks = Tasks(kind, n_tasks)
        self._n_tasks = n_tasks  # each turn asks for it
        self.idle = n_tasks
        self.completed = 0
        # All idle tasks are in the queue, or are of those from number `_unqueued` on, which come
        # after it. In both there are some that are idle no more.
        self._queue: deque[TaskRecord] = deque()
        self._unqueued = 0
        self.pace = Pace()
        self.started_at: float | None = None
        self.completed_at: float | None = None

    def __len__(self) -> int:
        return self._n_tasks

    @property
    def remaining(self) -> int:
        return self._n_tasks - self.completed

    def next_idle(self, fits: Callable[[TaskRecord], bool]) -> TaskRecord | None:
        """The first idle task that fits, among the next ones; the caller must hand it out."""
        queue, found = self._queue, None
        others: dict[TaskRecord, None] = {}
        while len(others) < _LOOK_AHEAD:
            if queue:
                task = queue.popleft()
            elif self._unqueued < self._n_tasks:
                task = self.tasks[self._unqueued]
                self._unqueued += 1
            else:
                break
            # Some were taken back by their workers, or came into the queue once more.
            if task.state is not TaskState.IDLE or task in others:
                continue
            if fits(task):
                found = task
                break
            others[task] = None
        queue.extendleft(reversed(others))
        return found

    def requeue(self) -> None:
        """Queue the idle tasks anew, in their order."""
        self._queue.clear()
        self._unqueued = 0

    def hand_out(self, attempt: Attempt, now: float) -> None:
        self._move(attempt.task, "hand out")
        attempt.task.attempts += (attempt,)
        if self.started_at is None:
            self.started_at = now

    def attempt_returned(self, attempt: Attempt, now: float) -> None:
        """A lost attempt's worker is back, and still at it."""
        task = attempt.task
        attempt.move("return")
        attempt.moved_at = now
        self._move(task, "lost attempt returns")
        task.lost = _without(task.lost, attempt)
        task.attempts += (attempt,)

    def attempt_ended(self, attempt: Attempt, happened: str) -> None:
        """A live or lost attempt failed, was cancelled, or its worker was lost."""
        task = attempt.task
        self._unlist(attempt)
        attempt.move(happened)
        if attempt.state is AttemptState.LOST:
            task.lost += (attempt,)
        if task.committer is attempt:
            task.committer = None
        if not task.attempts and task.state is TaskState.IN_PROGRESS:
            self._move(task, "last attempt ends")

    def let_publish(self, attempt: Attempt, now: float) -> None:
        """The attempt, and no other one, may publish the task's output."""
        attempt.was_granted = True
        attempt.moved_at = now  # however long it has waited for this
        if attempt.state is AttemptState.RUNNING:
            attempt.move("ask to commit")
        attempt.task.committer = attempt

    def complete(
        self, attempt: Attempt, done: MapDone | ReduceDone, ran_s: float | None, now: float
    ) -> None:
        """The attempt's task is complete by it. The task's other attempts are of no more use.

        `ran_s` is how long it took, if that is known.
        """
        task = attempt.task
        if ran_s is not None:
            self.pace.add(ran_s, done.stats.records_in)
        self._unlist(attempt)
        attempt.move("succeed")
        self._move(task, "complete")
        task.winner, task.owner, task.file = attempt.id, attempt.peer, done.file
        task.path = done.path if isinstance(done, MapDone) else ""
        task.skipped = done.skipped + done.skipped_files if isinstance(done, MapDone) else 0
        task.committer = None
        self.completed += 1
        self.completed_at = now

    def output_lost(self, task: TaskRecord, may_return: Attempt | None = None) -> None:
        """The completed task's output is gone: it must run again, unless its attempt returns."""
        if may_return is not None:
            task.lost += (may_return,)
        self.completed -= 1
        self._move(task, "output lost")

    def validate(self) -> None:
        """Fail if the table contradicts its tasks, or a task itself."""
        queued, states, passed = set(map(id, self._queue)), [], 0
        for task in self.tasks.made():
            task.validate()
            is_passed = task.index < self._unqueued
            is_queued = not is_passed or id(task) in queued
            assert task.state is not TaskState.IDLE or is_queued, f"{task} is not queued"
            passed += is_passed
            states.append(task.state)
        assert passed == self._unqueued, f"a {self.kind.label} is not queued"
        idle = states.count(TaskState.IDLE) + len(self.tasks) - len(states)
        assert self.completed == states.count(TaskState.COMPLETED), f"{self.kind.label}: completed"
        assert self.idle == idle, f"{self.kind.label}: idle"

    def files(self) -> Iterator[OutputFile]:
        """What has been published."""
        return (task.file for task in self.tasks.made() if task.file is not None)

    def _unlist(self, attempt: Attempt) -> None:
        task = attempt.task
        if attempt.is_live:
            task.attempts = _without(task.attempts, attempt)
        else:
            task.lost = _without(task.lost, attempt)

    def _move(self, task: TaskRecord, happened: str) -> None:
        was_idle = task.state is TaskState.IDLE
        task.state = TASK.move(task.state, happened, task)
        is_idle = task.state is TaskState.IDLE
        self.idle += is_idle - was_idle
        if is_idle:
            self._queue.appendleft(task)  # the first in turn: others may be waiting for it


def _without(attempts: tuple[Attempt, ...], ended: Attempt) -> tuple[Attempt, ...]:
    return tuple(attempt for attempt in attempts if attempt is not ended)
