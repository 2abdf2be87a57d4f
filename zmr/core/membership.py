"""The workers of a master: registration, heartbeats, silence, departure.

Any worker may come, go, and come back at any time, and nothing of that is an error. What a worker
says of itself in a heartbeat is the truth about it: attempts that it doesn't have never reached
it, and those that it should not have are cancelled, again if need be.
"""

from __future__ import annotations

from dataclasses import replace

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.attempts import Attempts
from zmr.core.cluster import Cluster
from zmr.core.jobs import JobRun
from zmr.core.journal import WorkerGone, WorkerJoined
from zmr.core.master_life import Life
from zmr.core.notices import Notices
from zmr.core.outbox import Outbox
from zmr.core.scheduler import is_straggler
from zmr.core.settings import MasterSettings
from zmr.core.states import AttemptState, WorkerState
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker
from zmr.display import counted

# A worker that has not got a task after so many heartbeats never will.
_HEARTBEATS_TO_ARRIVE = 3


class Membership:
    def __init__(
        self,
        cluster: Cluster,
        outbox: Outbox,
        settings: MasterSettings,
        life: Life,
        notices: Notices,
        attempts: Attempts,
    ) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._settings = settings
        self._life = life
        self._notices = notices
        self._attempts = attempts

    # --- signs of life ---

    def register(self, peer: bytes, register: m.Register, now: float) -> Worker:
        """A worker is new, back, or repeats itself."""
        cluster, outbox, settings = self._cluster, self._outbox, self._settings
        worker = cluster.workers.get(peer)
        if worker is None:
            cluster.commit(WorkerJoined(peer, replace(register, running=(), held=())), now)
            worker = cluster.workers.workers[peer]
            slots = counted(worker.slots, "slot")
            outbox.log(Level.INFO, f"worker {worker.name} registered, with {slots}")
            outbox.publish(m.WorkerEvent(worker.name, worker.state.value, slots))
        else:
            self.sign_of_life(worker, now)
            if register.shuffle_address != worker.shuffle_address:
                cluster.move(worker, register.shuffle_address)
            cluster.forget_specs(worker)  # it may have dropped what seemed to be of no more use
        outbox.send(peer, m.Registered(settings.heartbeat_interval_s, settings.lost_after_s))
        if self._life.is_exiting:
            outbox.send(peer, m.Exit("the master is about to end"))
        else:
            self._attempts.take_back(worker, register, now)
        return worker

    def sign_of_life(self, worker: Worker, now: float) -> None:
        """Something came from the worker."""
        if self._cluster.seen(worker, now):
            for attempt in worker.attempts.values():  # they may have stood still with it
                self._cluster.waits(attempt, now)
            self._outbox.log(Level.INFO, f"worker {worker.name} is heard again")
            self._outbox.publish(m.WorkerEvent(worker.name, worker.condition))

    def get_task(self, worker: Worker, message: m.GetTask, now: float) -> None:
        """The worker can take so many attempts at a time."""
        self._cluster.set_credit(worker, message.credit)

    def heartbeat(self, worker: Worker, heartbeat: m.Heartbeat, now: float) -> None:
        """All that the worker has, and how far it is with it."""
        outbox = self._outbox
        self.get_task(worker, m.GetTask(heartbeat.credit), now)
        outbox.send(worker.peer, m.HeartbeatReply())
        if self._life.is_exiting:
            outbox.send(worker.peer, m.Exit("the master is about to end"))
        for job_id in heartbeat.jobs:
            if job_id not in self._cluster.active:  # it ended, and the message of that was lost
                outbox.send(worker.peer, m.ForgetJob(job_id))
        reported = {progress.attempt: progress for progress in heartbeat.progress}
        useless = [
            id
            for id in reported
            if id not in worker.attempts and not self._attempts.goes_on(worker, id, now)
        ]
        if useless:
            outbox.send(worker.peer, m.Cancel(tuple(useless), "of no use any more"))
        for attempt in list(worker.attempts.values()):
            if not attempt.is_live:
                continue  # its job has failed, by what was reported of another attempt
            progress = reported.get(attempt.id)
            if progress is None:
                self._missing(worker, attempt, now)
            else:
                self._progress(worker, attempt, progress, now)

    def _missing(self, worker: Worker, attempt: Attempt, now: float) -> None:
        """The worker doesn't have it. If it was not sent just now, it never will."""
        arrives_in_s = _HEARTBEATS_TO_ARRIVE * self._settings.heartbeat_interval_s
        # What an earlier start of the master sent is too late to arrive.
        is_of_this_start = attempt.epoch == self._cluster.epoch
        if not is_of_this_start or now - attempt.began_at > arrives_in_s:
            what = "never reached" if is_of_this_start else "is no longer with"
            self._cluster.forget_specs(worker)
            self._cluster.lose(attempt)
            self._notices.publish(attempt, f"it {what} the worker")
            self._outbox.log(Level.WARNING, f"{attempt} {what} {worker.name}")

    def _progress(self, worker: Worker, attempt: Attempt, progress: m.Progress, now: float) -> None:
        cluster = self._cluster
        job = cluster.active[attempt.job_id]
        cluster.progressed(attempt, progress, now)
        if attempt.queued:
            waits_s = now - attempt.began_at
            elsewhere = cluster.scheduler.has_free_slots_beside(worker)
            if waits_s > self._settings.take_back_after_s and elsewhere:
                self._notices.cancel([attempt], "taken back from a busy worker's queue")
        elif _waits_for_commit(attempt):
            cluster.waits(attempt, now)
        elif now - attempt.moved_at > job.patience_s(attempt):
            self._attempts.stuck(job, attempt, now)
        else:
            # Whenever in the phase: the scheduler waits for its end, and then need not look for it.
            # It may change back, when others have proved as slow meanwhile.
            backup_after_s = job.spec.backup_after_s
            slow = is_straggler(attempt, job.table(attempt.task.kind), now, backup_after_s)
            if slow or job.backups_wanted:
                cluster.want_backup(attempt, slow)

    # --- the end of it ---

    def tick(self, now: float) -> None:
        """See which workers have been silent for too long."""
        workers = self._cluster.workers
        for worker in workers.silent(now):
            self._cluster.fall_silent(worker)
            self._outbox.log(Level.WARNING, f"worker {worker.name} is silent")
            self._outbox.publish(m.WorkerEvent(worker.name, worker.state.value))
        for worker in workers.lost_for_long():
            self._cluster.commit(WorkerGone(worker.peer), now)
        for worker in workers.overdue(now):
            attempts, outputs = self._cluster.lose_worker(worker)
            why = f"silent for {self._settings.lost_after_s:g} s"
            self._gone(worker, attempts, outputs, why, now)

    def leave(self, worker: Worker, message: m.Leave, now: float) -> None:
        """It says goodbye: neither it nor its outputs come back."""
        self._outbox.log(Level.INFO, f"worker {worker.name} left: {message.reason}")
        attempts, outputs = self._cluster.leave(worker)
        self._gone(worker, attempts, outputs, message.reason, now)
        self._cluster.commit(WorkerGone(worker.peer), now)

    def _gone(
        self,
        worker: Worker,
        attempts: tuple[Attempt, ...],
        outputs: dict[str, dict[int, int]],
        why: str,
        now: float,
    ) -> None:
        """It is lost or has left, and with it these attempts and these map outputs."""
        for attempt in attempts:
            self._notices.publish(attempt, why)
        is_lost, state = worker.state is WorkerState.LOST, worker.state.value
        n_outputs = self._lose_outputs(outputs, why, may_return=is_lost, now=now)
        if is_lost or attempts or n_outputs:
            count = counted(len(attempts), "running task")
            count += f" and {counted(n_outputs, 'map output')}"
            text = f"worker {worker.name} {state} ({why}): {count} go to others"
            self._outbox.log(Level.WARNING, text)
        self._outbox.publish(m.WorkerEvent(worker.name, state, why))

    def _lose_outputs(
        self, outputs: dict[str, dict[int, int]], why: str, may_return: bool, now: float
    ) -> int:
        """Returns how many are still needed, and made again."""
        lost = 0
        for job_id, own in outputs.items():
            job = self._cluster.active.get(job_id)
            if job is not None:
                lost += self._lose_outputs_of(job, own, why, may_return, now)
        return lost

    def _lose_outputs_of(
        self, job: JobRun, own: dict[int, int], why: str, may_return: bool, now: float
    ) -> int:
        lost = 0
        for index in own.values():
            task = job.maps.tasks[index]
            if job.needs_output_of(task):
                self._notices.lose_output(job, task, why, may_return, now)
                lost += 1
        return lost


def _waits_for_commit(attempt: Attempt) -> bool:
    """Whether another attempt may publish first: to wait for it is not to be stuck."""
    return attempt.state is AttemptState.COMMITTING and attempt.task.committer is not attempt
