"""A job's way through its phases, and a pipeline's from step to step, from the start to the end."""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import CompleteOutput, JobEnded, Level
from zmr.core.cluster import Cluster
from zmr.core.events import OutputCompleted, StopRequested
from zmr.core.jobs import Ending, JobRun
from zmr.core.journal import JobForgotten, StepBegun
from zmr.core.master_life import Life
from zmr.core.notices import Notices
from zmr.core.outbox import Outbox
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.core.workers import Worker
from zmr.display import counted

# Jobs that have ended are kept for `zmr status`: so many at most, and of long texts fewer.
_ENDED_JOBS_KEPT = 100
_ENDED_BYTES_KEPT = 16_000_000


class Phases:
    def __init__(
        self,
        cluster: Cluster,
        outbox: Outbox,
        settings: MasterSettings,
        life: Life,
        notices: Notices,
    ) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._settings = settings
        self._life = life
        self._notices = notices
        self._without_workers_since: float | None = None  # and with a job that waits for them

    # --- on the way ---

    def start(self, job: JobRun, now: float) -> None:
        """A queued job's turn has come."""
        self._cluster.start(job)
        self._begun(job)
        self.advance(job, now)

    def reduces_begin(self, job: JobRun) -> None:
        """All maps of the job, or step, are complete."""
        maps = counted(len(job.maps), "map task")
        self._outbox.log(Level.INFO, f"job {job.id}: all of {maps} complete")
        self._publish(job, JobState.REDUCE)

    def advance(self, job: JobRun, now: float) -> None:
        """What runs now of the job is complete: go on with the next step of a pipeline, if any."""
        while job.is_complete and job.has_next_step:
            knowing, step_id = self._cluster.workers_knowing(job), job.id
            over = self._cluster.commit(StepBegun(job.public_id), now)
            self._notices.cancelled(over, "the step is complete")
            self._have_forgotten(knowing, step_id)
            self._begun(job)

    def complete_output(self, job: JobRun) -> None:
        """All of the output is there: have the manifest written."""
        self._cluster.begin_to_complete(job)
        self._outbox.act(CompleteOutput(job.outcome(Ending(JobState.DONE))))

    def output_completed(self, completed: OutputCompleted, now: float) -> None:
        """The manifest is written, or can't be."""
        job = self._cluster.jobs.get(completed.job_id)
        if job is not None and job.is_active:  # otherwise it was stopped meanwhile
            state = JobState.FAILED if completed.error else JobState.DONE
            self.end(job, Ending(state, completed.error), now)

    def _begun(self, job: JobRun) -> None:
        """The job, or a step of it, has begun."""
        self._outbox.log(Level.INFO, f"job {job.id} started")
        self._publish(job, JobState.MAP)
        if job.state is JobState.REDUCE:  # there is nothing to map
            self.reduces_begin(job)

    def _publish(self, job: JobRun, state: JobState) -> None:
        text = job.with_step(job.step.name) if job.spec.steps else ""
        self._outbox.publish(m.JobEvent(job.public_id, state.value, text))

    # --- the end ---

    def end(self, job: JobRun, ending: Ending, now: float) -> None:
        """The job is over: nothing of it runs on, and its workers and clients get to know."""
        # While the job still has its tasks, of which its outcome is made.
        outcome, knowing = job.outcome(ending), self._cluster.workers_knowing(job)
        over = self._cluster.commit(job.closing(ending), now)
        self._notices.cancelled(over, f"the job is {ending.state.value}")
        self._have_forgotten(knowing, job.id)
        is_reported = self._settings.one_job or self._settings.reports_outcomes
        level = Level.INFO if is_reported or ending.state is JobState.DONE else Level.ERROR
        id, state, reason = job.public_id, ending.state.value, ending.reason
        self._outbox.log(level, f"job {id} {state}" + (f": {reason}" if reason else ""))
        self._outbox.act(JobEnded(outcome))
        self._outbox.publish(m.JobEvent(id, state, reason))
        while self._are_too_many():
            self._cluster.commit(JobForgotten(self._cluster.ended[0]), now)
        if self._settings.one_job:
            self._life.exit_workers(f"job {id} {state}", now)

    def cut_short(self, stop: StopRequested, now: float) -> None:
        """End all jobs, and then the master."""
        self._life.exit_with(stop.exit_status)
        reason = f"stopped by {stop.reason}"
        for job in (*self._cluster.active.values(), *self._cluster.queued.values()):
            self.end(job, Ending(JobState.CANCELLED, reason), now)
        self._life.exit_workers(f"the master was {reason}", now)

    def _are_too_many(self) -> bool:
        """Whether more jobs that have ended are kept than can be. The last one always is."""
        ended, jobs = self._cluster.ended, self._cluster.jobs
        size_bytes = sum(jobs[job_id].size_bytes for job_id in ended)
        return len(ended) > _ENDED_JOBS_KEPT or (size_bytes > _ENDED_BYTES_KEPT and len(ended) > 1)

    def _have_forgotten(self, workers: list[Worker], job_id: str) -> None:
        """Nothing of the job, or step, is of use to these workers any more."""
        for worker in workers:
            self._outbox.send(worker.peer, m.ForgetJob(job_id))

    # --- without workers ---

    def watch_workers(self, now: float) -> None:
        """Note since when there has been a job and no worker."""
        if self._cluster.workers.any_present or not (self._cluster.active or self._cluster.queued):
            self._without_workers_since = None
        elif self._without_workers_since is None:
            self._without_workers_since = now

    def next_deadline(self) -> float | None:
        """When jobs that wait for a worker fail."""
        timeout_s, since = self._settings.worker_timeout_s, self._without_workers_since
        if timeout_s is None or since is None or not self._waiting():
            return None
        return since + timeout_s

    def tick(self, now: float) -> None:
        """Give up jobs that have had no worker for too long."""
        give_up_at = self.next_deadline()
        if give_up_at is not None and now >= give_up_at:
            reason = f"no worker for {self._settings.worker_timeout_s:g} s (--worker-timeout)"
            for job in self._waiting():
                self.end(job, Ending(JobState.FAILED, reason, out_of_workers=True), now)

    def _waiting(self) -> list[JobRun]:
        """Jobs that need workers to get on."""
        active = [job for job in self._cluster.active.values() if not job.is_complete]
        return [*active, *self._cluster.queued.values()]
