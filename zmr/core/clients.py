"""What clients ask for: jobs, the end of jobs, and how things stand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from zmr import messages as m
from zmr.core.actions import Level, SendSnapshot
from zmr.core.cluster import Cluster
from zmr.core.events import JobGiven
from zmr.core.jobs import Ending, JobRun
from zmr.core.journal import JobSubmitted
from zmr.core.master_life import Life
from zmr.core.outbox import Outbox
from zmr.core.phases import Phases
from zmr.core.plan import Plan, count_pieces, split_bytes_of
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.display import counted

# What goes beyond these limits is refused before it fills the memory: what is kept of all jobs that
# have not ended, and their tasks, of which each takes some hundred bytes once it is handed out. A
# client may claim inputs of any size.
_MOST_TASKS = 1 << 20
_MOST_JOBS = 5_000
_MOST_BYTES = 256_000_000
_NAMED = 20  # in an answer that names jobs


class Clients:
    def __init__(
        self,
        cluster: Cluster,
        outbox: Outbox,
        settings: MasterSettings,
        life: Life,
        phases: Phases,
    ) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._settings = settings
        self._life = life
        self._phases = phases

    def receive(
        self, peer: bytes, message: m.Submit | m.CancelJob | m.GetSnapshot, now: float
    ) -> None:
        """A client asks."""
        match message:
            case m.Submit():
                refusal = self._submit(message, "", now)
                job_id = message.spec.job_id
                self._outbox.send(peer, m.Refused(refusal) if refusal else m.Submitted(job_id))
            case m.CancelJob():
                self._cancel_job(peer, message, now)
            case m.GetSnapshot(after_seq):
                self._outbox.act(SendSnapshot(peer, after_seq))

    def given(self, given: JobGiven, now: float) -> None:
        """A job of this process: what can't be taken ends at once, with the reason."""
        spec = given.submit.spec
        known = self._cluster.jobs.get(spec.job_id)
        refusal = self._submit(given.submit, given.fingerprint, now)
        if refusal:
            refused = JobRun(spec, Plan(), given.fingerprint)
            self._phases.end(refused, Ending(JobState.FAILED, refusal), now)
        elif known is not None and known.has_ended and self._settings.one_job:
            self._life.exit_workers(f"job {known.id} {known.state.value}", now)

    def _submit(self, submit: m.Submit, fingerprint: str, now: float) -> str:
        """Queue the job. Returns why not, or an empty string."""
        spec = submit.spec
        split_bytes = split_bytes_of(submit.inputs, self._settings.split_bytes)
        if spec.job_id in self._cluster.jobs:
            return ""
        if "." in spec.job_id:
            return f"{spec.job_id} can't be the id of a job: steps of pipelines have such"
        if not self._life.takes_jobs:
            return "this master takes no more jobs"
        others = (*self._cluster.active.values(), *self._cluster.queued.values())
        for other in others:
            if other.spec.output == spec.output:
                return f"{spec.output} is the output folder of {other.public_id}, which goes on"
        record = JobSubmitted(submit, split_bytes, fingerprint)
        if refusal := _too_much(record, others):
            return refusal
        self._cluster.commit(record, now)
        job = self._cluster.jobs[spec.job_id]
        maps, reduces = len(job.maps), len(job.reduces)
        text = f"{spec.name}: {counted(maps, 'map task')}, {counted(reduces, 'reduce task')}"
        if spec.steps:
            text = f"{spec.name}: {counted(len(spec.steps), 'step')}, {counted(maps, 'map task')}"
        self._outbox.log(Level.INFO, f"job {job.public_id} queued; {text}")
        self._outbox.publish(m.JobEvent(job.public_id, job.state.value, text))
        return ""

    def _cancel_job(self, peer: bytes, cancel: m.CancelJob, now: float) -> None:
        job = self._cluster.jobs.get(cancel.job_id)
        if job is None:
            known = list(islice(reversed(self._cluster.jobs), _NAMED + 1))
            if len(known) > _NAMED:
                known[-1] = "..."
            names = ", ".join(reversed(known)) or "none"
            refusal = f"there is no job {cancel.job_id!r}; there are: {names}"
            self._outbox.send(peer, m.Refused(refusal))
            return
        refusal = _too_late(job)
        if not refusal and not job.has_ended:
            self._phases.end(job, Ending(JobState.CANCELLED, cancel.reason), now)
        self._outbox.send(peer, m.Refused(refusal) if refusal else m.Submitted(job.public_id))


def _too_much(record: JobSubmitted, others: Sequence[JobRun]) -> str:
    """Why the job is more than a master takes, with the others that have not ended; or empty."""
    n_others = sum(job.n_tasks for job in others)
    submit = record.submit
    n_tasks = count_pieces(submit.inputs, record.split_bytes) + submit.spec.n_reduce
    if n_others + n_tasks > _MOST_TASKS:
        with_others = f", with those of other jobs {n_others + n_tasks:,}" if n_others else ""
        return f"{n_tasks:,} tasks{with_others}: a master takes at most {_MOST_TASKS:,}"
    if len(others) >= _MOST_JOBS:
        return f"{len(others):,} jobs have not ended: a master takes at most {_MOST_JOBS:,}"
    # However many inputs one job has: they have come in frames of bounded size, or are its own.
    if others and sum(job.size_bytes for job in others) + record.size_bytes > _MOST_BYTES:
        return "the jobs that have not ended are as much as a master takes: wait until some have"
    return ""


def _too_late(job: JobRun) -> str:
    """Why the job can't be cancelled any more. Not refused is a cancel that is repeated."""
    if job.state is JobState.CANCELLED:
        return ""
    if job.has_ended:
        return f"{job.public_id} is {job.state.value} already"
    return f"the output of {job.public_id} is complete already" if job.is_complete else ""
