"""Who works for the master: registration, heartbeats, silence, departure.

Any worker may come, go, and come back at any time, and nothing of that is an error. What a worker
says of itself in a heartbeat is the truth about it: attempts that it doesn't have never reached
it, and those that it should not have are cancelled, again if need be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.humanize import counted
from zmr.core.jobs import JobRun
from zmr.core.journal import WorkerGone, WorkerJoined
from zmr.core.scheduler import is_straggler
from zmr.core.states import AttemptState, WorkerState
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker

if TYPE_CHECKING:
    from zmr.core.master import Master

# A worker that has not got a task after so many heartbeats never will.
_HEARTBEATS_TO_ARRIVE = 3


class Membership:
    """The part of the master that hears of workers. It shares the master's state."""

    def __init__(self, master: Master) -> None:
        self._master = master

    # --- signs of life ---

    def register(self, peer: bytes, register: m.Register, now: float) -> Worker:
        """A worker is new, back, or repeats itself."""
        master = self._master
        worker = master.workers.get(peer)
        if worker is None:
            worker = master.workers.register(peer, register, now)
            master.record(WorkerJoined(peer, replace(register, running=(), held=())))
            master.scheduler.update(worker)
            slots = counted(worker.slots, "slot")
            master.log(Level.INFO, f"worker {worker.name} registered, with {slots}")
            master.publish(m.WorkerEvent(worker.name, worker.state.value, slots))
        else:
            self.sign_of_life(worker, now)
            worker.has_spec_of.clear()  # it may have dropped what it thought it needed no more
        settings = master.settings
        master.send(peer, m.Registered(settings.heartbeat_interval_s, settings.lost_after_s))
        if master.is_exiting:
            master.send(peer, m.Exit("the master is about to end"))
        else:
            master.results.take_back(worker, register, now)
        return worker

    def sign_of_life(self, worker: Worker, now: float) -> None:
        """Something came from the worker."""
        master = self._master
        if master.workers.seen(worker, now):
            master.scheduler.update(worker)
            master.log(Level.INFO, f"worker {worker.name} is heard again")
            master.publish(m.WorkerEvent(worker.name, worker.condition))

    def get_task(self, worker: Worker, message: m.GetTask, now: float) -> None:
        """The worker can take so many attempts at a time."""
        if worker.credit != message.credit:
            worker.credit = message.credit
            self._master.scheduler.update(worker)

    def heartbeat(self, worker: Worker, heartbeat: m.Heartbeat, now: float) -> None:
        """All that the worker has, and how far it is with it."""
        master = self._master
        self.get_task(worker, m.GetTask(heartbeat.credit), now)
        master.send(worker.peer, m.HeartbeatReply())
        if master.is_exiting:
            master.send(worker.peer, m.Exit("the master is about to end"))
        for job_id in heartbeat.jobs:
            if job_id not in master.active:  # it ended, and the word of that was lost
                master.send(worker.peer, m.ForgetJob(job_id))
        told = {progress.attempt: progress for progress in heartbeat.progress}
        useless = [
            id
            for id in told
            if id not in worker.attempts and not master.results.goes_on(worker, id, now)
        ]
        if useless:
            master.send(worker.peer, m.Cancel(tuple(useless), "of no use any more"))
        for attempt in list(worker.attempts.values()):
            if not attempt.is_live:
                continue  # its job has failed, by what was told of another attempt
            progress = told.get(attempt.id)
            if progress is None:
                self._missing(worker, attempt, now)
            else:
                self._progress(worker, attempt, progress, now)

    def _missing(self, worker: Worker, attempt: Attempt, now: float) -> None:
        """The worker doesn't have it. If it was not sent just now, it never will."""
        master = self._master
        arrives_in_s = _HEARTBEATS_TO_ARRIVE * master.settings.heartbeat_interval_s
        # What an earlier start of the master sent is too late to arrive.
        is_of_this_start = attempt.epoch == master.epoch
        if not is_of_this_start or now - attempt.began_at > arrives_in_s:
            what = "never reached" if is_of_this_start else "is no longer with"
            worker.has_spec_of.discard(attempt.job_id)
            master.close_attempt(attempt, "worker lost")
            master.publish_attempt(attempt, f"it {what} the worker")
            master.log(Level.WARNING, f"{attempt} {what} {worker.name}")

    def _progress(self, worker: Worker, attempt: Attempt, progress: m.Progress, now: float) -> None:
        master = self._master
        job, settings = master.active[attempt.job_id], master.settings
        attempt.told((progress.records, progress.bytes), progress.queued, now)
        if attempt.queued:
            waits_s = now - attempt.began_at
            elsewhere = master.scheduler.has_free_slots_beside(worker)
            if waits_s > settings.take_back_after_s and elsewhere:
                master.cancel_attempts([attempt], "taken back from a busy worker's queue")
        elif _waits_for_commit(attempt):
            attempt.moved_at = now
        elif now - attempt.moved_at > job.spec.task_timeout_s:
            master.results.stuck(job, attempt, now)
        elif is_straggler(attempt, job.table(attempt.task.kind), now, job.spec.backup_after_s):
            # Whenever in the phase: the scheduler waits for its end, and then need not look for it.
            job.backups_wanted[attempt.id] = attempt
        else:
            job.backups_wanted.pop(attempt.id, None)  # its like have proved as slow meanwhile

    # --- the end of it ---

    def tick(self, now: float) -> None:
        """See who has been silent for too long."""
        master = self._master
        for worker in master.workers.newly_suspect(now):
            master.scheduler.update(worker)
            master.log(Level.WARNING, f"worker {worker.name} is silent")
            master.publish(m.WorkerEvent(worker.name, worker.state.value))
        for worker in master.workers.lost_for_long():
            self._forget(worker)
        for worker in master.workers.newly_lost(now):
            self._gone(worker, f"silent for {master.settings.lost_after_s:g} s")

    def leave(self, worker: Worker, message: m.Leave, now: float) -> None:
        """It says goodbye: neither it nor its outputs come back."""
        self._master.log(Level.INFO, f"worker {worker.name} left: {message.reason}")
        self._master.workers.left(worker)
        self._gone(worker, message.reason)
        self._forget(worker)

    def _forget(self, worker: Worker) -> None:
        self._master.workers.forget(worker)
        self._master.record(WorkerGone(worker.peer))

    def _gone(self, worker: Worker, why: str) -> None:
        """It is lost, and may come back, or has left for good."""
        master = self._master
        master.scheduler.update(worker)
        is_lost = worker.state is WorkerState.LOST
        attempts = list(worker.attempts.values())
        for attempt in attempts:
            master.close_attempt(attempt, "worker lost" if is_lost else "cancel")
            master.publish_attempt(attempt, why)
        outputs = 0
        for job_id, own in worker.outputs.items():
            if job := master.active.get(job_id):
                outputs += self._lose_outputs(job, own, why, may_return=is_lost)
        worker.outputs.clear()
        master.doubts.worker_gone(worker)
        master.care.worker_gone(worker)
        if is_lost or attempts or outputs:
            tasks = counted(len(attempts), "running task")
            master.log(
                Level.WARNING,
                f"worker {worker.name} {worker.state.value} ({why}): {tasks} and "
                f"{counted(outputs, 'map output')} go to others",
            )
        master.publish(m.WorkerEvent(worker.name, worker.state.value, why))

    def _lose_outputs(self, job: JobRun, own: dict[int, int], why: str, may_return: bool) -> int:
        lost = 0
        for attempt_id, index in own.items():
            task = job.maps.tasks[index]
            if task.is_result(attempt_id) and job.needs_output_of(task):
                self._master.results.lose_output(job, task, why, may_return)
                lost += 1
        return lost


def _waits_for_commit(attempt: Attempt) -> bool:
    """Whether another attempt may publish first: to wait for it is not to be stuck."""
    return attempt.state is AttemptState.COMMITTING and attempt.task.committer is not attempt
