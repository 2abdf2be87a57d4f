"""The master's decisions: `handle` an input or `tick` a deadline, get back what to do.

The master knows jobs, tasks, attempts and workers (`zmr.core.cluster`), and no user data. It
promises that each task's result counts once: the first attempt to complete a task wins, and at most
one attempt may publish a file of the output. Nothing here waits, sends, or reads a clock; `now` is
seconds on a clock that only has to go forward.

This module passes each message on to the policy that decides about it, and at the end of each turn
follows up on what has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zmr import messages as m
from zmr.core.actions import MasterAction
from zmr.core.attempts import Attempts
from zmr.core.clients import Clients
from zmr.core.cluster import Cluster
from zmr.core.events import (
    FrameReceived,
    JobGiven,
    MasterInput,
    OutputCompleted,
    StopRequested,
)
from zmr.core.fetch_failures import FetchFailures
from zmr.core.handouts import HandOuts
from zmr.core.jobs import JobRun
from zmr.core.journal import EpochBegun, Record
from zmr.core.master_life import Life
from zmr.core.membership import Membership
from zmr.core.notices import Notices
from zmr.core.outbox import Outbox
from zmr.core.phases import Phases
from zmr.core.quarantine import Quarantine
from zmr.core.restore import restore
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState, MasterState
from zmr.core.workers import Worker

Rows = tuple[tuple[m.JobStatus, ...], tuple[m.WorkerStatus, ...]]


class Master:
    """One start of the master. `epoch`, from 1 to 2**32 - 1, is that of no other start."""

    def __init__(self, epoch: int, settings: MasterSettings | None = None) -> None:
        if not 0 < epoch < 1 << 32:
            raise ValueError(f"{epoch} can't be an epoch: it is part of every attempt's id")
        self.epoch = epoch
        settings = settings or MasterSettings()
        outbox = Outbox()
        cluster = Cluster(epoch, settings, outbox.record)
        notices = Notices(cluster, outbox)
        life = Life(cluster, outbox, settings)
        self.cluster = cluster
        self.life = life
        self._outbox = outbox
        self._phases = Phases(cluster, outbox, settings, life, notices)
        self._quarantine = Quarantine(cluster, outbox, notices)
        self._fetch_failures = FetchFailures(cluster, outbox, settings, notices)
        self._attempts = Attempts(
            cluster, outbox, notices, self._phases, self._quarantine, self._fetch_failures
        )
        self._membership = Membership(cluster, outbox, settings, life, notices, self._attempts)
        self._clients = Clients(cluster, outbox, settings, life, self._phases)
        self._hand_outs = HandOuts(cluster, outbox, notices, self._phases)
        self._from_worker: dict[type, Callable[[Worker, Any, float], None]] = {
            m.GetTask: self._membership.get_task,
            m.Heartbeat: self._membership.heartbeat,
            m.MapDone: self._attempts.completed,
            m.ReduceDone: self._attempts.completed,
            m.TaskFailed: self._attempts.failed,
            m.CommitRequest: self._attempts.commit_requested,
            m.OutputsChecked: self._fetch_failures.answered,
            m.Leave: self._membership.leave,
        }

    @property
    def jobs(self) -> Mapping[str, JobRun]:
        """All jobs, in the order of submission; of ended ones the last."""
        return self.cluster.jobs

    @property
    def ignored(self) -> Counter[str]:
        """How many messages changed nothing, by why."""
        return self._outbox.ignored

    # --- the interface of the shell ---

    def rows(self) -> Rows:
        """How things stand: all jobs, and the workers that are present."""
        jobs = tuple(job.status() for job in self.cluster.jobs.values())
        workers = tuple(worker.status() for worker in self.cluster.workers.present)
        return jobs, workers

    def restore(self, records: Iterable[Record], now: float) -> list[MasterAction]:
        """Go on where the journal with these records ends, and keep it up from now on.

        Comes before anything else, if at all: also for a journal that is empty yet. Raises
        ValueError if this epoch has been before.
        """
        self._outbox.keep_records()
        restore(self.cluster, self._outbox, records, now)
        self.cluster.commit(EpochBegun(self.epoch), now)
        return self._settle(now)

    def handle(self, event: MasterInput, now: float) -> list[MasterAction]:
        """What to do about an input."""
        match event:
            case FrameReceived(peer, frame):
                self._receive(peer, frame, now)
            case JobGiven():
                self._clients.given(event, now)
            case OutputCompleted():
                self._phases.output_completed(event, now)
            case StopRequested():
                if self.life.stop_requested(event):
                    self._phases.cut_short(event, now)
        return self._settle(now)

    def tick(self, now: float) -> list[MasterAction]:
        """What to do about the deadlines that have passed."""
        self._hand_outs.tick()
        self._membership.tick(now)
        self._fetch_failures.tick(now)
        self._quarantine.tick(now)
        self._phases.tick(now)
        return self._settle(now)

    def next_deadline(self) -> float | None:
        """When `tick` is due."""
        deadlines = (
            self.cluster.workers.next_deadline(),
            self._phases.next_deadline(),
            self._hand_outs.next_deadline(),
            self._fetch_failures.next_deadline(),
            self._quarantine.next_deadline(),
            self.life.next_deadline(),
        )
        return min((d for d in deadlines if d is not None), default=None)

    # --- a turn ---

    def _receive(self, peer: bytes, frame: m.Frame, now: float) -> None:
        workers, outbox = self.cluster.workers, self._outbox
        worker = workers.get(peer)
        unknown: list[m.Message] = []  # from before this master's time, or of a worker given up
        registers = False
        for message in frame.messages:
            if isinstance(message, m.Register):
                worker = self._membership.register(peer, message, now)
                registers = True
            elif isinstance(message, _FROM_CLIENT):
                self._clients.receive(peer, message, now)
            elif worker is None or frame.epoch != self.epoch:
                unknown.append(message)
            else:
                self._membership.sign_of_life(worker, now)
                self._from_worker[type(message)](worker, message, now)
                worker = workers.get(peer)
        if unknown:
            outbox.ignored["not registered"] += 1
            if not registers and not isinstance(unknown[-1], m.Leave):
                outbox.send(peer, m.RegisterAgain())

    def _settle(self, now: float) -> list[MasterAction]:
        """Follow up on what changed: steps, hand-outs, the end. Returns the turn's actions."""
        if self.life.state is not MasterState.OVER:
            self._follow_up(now)
        return self._outbox.turn()

    def _follow_up(self, now: float) -> None:
        # Most turns change little, and there are very many of them: look first, then call.
        phases, life, cluster = self._phases, self.life, self.cluster
        for job in tuple(cluster.active.values()):
            if job.is_complete:
                phases.advance(job, now)
        if cluster.workers.quarantined:
            self._quarantine.keep_one_working()
        if life.state is MasterState.RUNNING:
            self._hand_outs.hand_out(now)
        elif (stop := life.drained_for) is not None:
            phases.cut_short(stop, now)
        phases.watch_workers(now)
        for job in cluster.active.values():
            if job.is_complete and job.state is not JobState.COMPLETING:
                phases.complete_output(job)
        if life.state is MasterState.EXITING:
            life.end_if_over(now)


_FROM_CLIENT = (m.Submit, m.CancelJob, m.GetSnapshot)
