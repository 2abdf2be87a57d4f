"""The master's own life: it runs, drains, has its workers exit, and is over."""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import Level, Quit
from zmr.core.cluster import Cluster
from zmr.core.events import StopRequested
from zmr.core.outbox import Outbox
from zmr.core.settings import MasterSettings
from zmr.core.states import MASTER, MasterState
from zmr.display import counted


class Life:
    def __init__(self, cluster: Cluster, outbox: Outbox, settings: MasterSettings) -> None:
        self.state = MASTER.initial
        self._stop: StopRequested | None = None  # the request for which it drains
        self._cluster = cluster
        self._outbox = outbox
        self._settings = settings
        self._exiting_since = 0.0
        self._exit_status = 0

    @property
    def is_exiting(self) -> bool:
        """Whether all workers have to exit."""
        return self.state is MasterState.EXITING

    @property
    def takes_jobs(self) -> bool:
        """Whether there may be more jobs."""
        is_taken = self._settings.one_job and bool(self._cluster.active or self._cluster.queued)
        return self.state is MasterState.RUNNING and not is_taken

    @property
    def drained_for(self) -> StopRequested | None:
        """The request to end when nothing is under way, as soon as nothing is."""
        is_drained = self.state is MasterState.DRAINING and not self._cluster.is_busy
        return self._stop if is_drained else None

    def next_deadline(self) -> float | None:
        """When it no longer waits for workers to exit."""
        return self._over_at if self.is_exiting else None

    def stop_requested(self, stop: StopRequested) -> bool:
        """A signal came. Whether the jobs are to end at once."""
        if self.state is MasterState.RUNNING:
            if self._settings.keeps_jobs:
                self._end_for_the_next_start(stop)
                return False
            self._stop = stop
            if self._cluster.is_busy:
                self._drain(stop)
                return False
            return True
        return self.state is MasterState.DRAINING

    def _end_for_the_next_start(self, stop: StopRequested) -> None:
        """End without a word: the next start goes on, and workers wait for it."""
        unfinished = len(self._cluster.active) + len(self._cluster.queued)
        jobs = counted(unfinished, "unfinished job")
        text = f"{stop.reason}: ends; the next start goes on with {jobs}"
        self._outbox.log(Level.WARNING, text)
        self._move("stop, the journal keeps the jobs")
        self._outbox.act(Quit(f"stopped by {stop.reason}", stop.exit_status))

    def _drain(self, stop: StopRequested) -> None:
        running = self._cluster.running
        what = counted(running, "running task") if running else "the output"
        text = f"{stop.reason}: waiting for {what}; once more stops at once"
        self._outbox.log(Level.WARNING, text)
        self._move("stop, work is under way")

    def exit_with(self, exit_status: int) -> None:
        """It is cut short: the process ends with this status."""
        self._exit_status = exit_status

    def exit_workers(self, reason: str, now: float) -> None:
        """Have all workers exit, then end. Only the first call counts."""
        if self._may_exit:
            self._move("exit workers")
            self._exiting_since = now
            for worker in self._cluster.workers.present:
                self._outbox.send(worker.peer, m.Exit(reason))

    def end_if_over(self, now: float) -> None:
        """It is exiting: end when the workers are gone, or have had the time for it."""
        if not self._cluster.workers.any_present or now >= self._over_at:
            self._move("workers gone, or time is up")
            self._outbox.publish(m.MasterEvent("ended"))
            self._outbox.act(Quit("nothing left to do", self._exit_status))

    @property
    def _may_exit(self) -> bool:
        return self.state in (MasterState.RUNNING, MasterState.DRAINING)

    @property
    def _over_at(self) -> float:
        return self._exiting_since + self._settings.leave_grace_s

    def _move(self, happened: str) -> None:
        self.state = MASTER.move(self.state, happened)
