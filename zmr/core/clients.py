"""What clients ask for: jobs, the end of jobs, and how things stand."""

from __future__ import annotations

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

# A job that makes it more tasks than these is refused before it fills the memory: a task takes 200
# bytes, and a client may claim inputs of any size.
_MOST_TASKS = 1 << 20


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
        for other in self._cluster.jobs.values():
            if other.spec.output == spec.output and not other.has_ended:
                return f"{spec.output} is the output folder of {other.public_id}, which goes on"
        others = sum(len(job.maps) + len(job.reduces) for job in self._cluster.jobs.values())
        n_tasks = count_pieces(submit.inputs, split_bytes) + spec.n_reduce
        if others + n_tasks > _MOST_TASKS:
            with_others = f", with those of other jobs {others + n_tasks:,}" if others else ""
            return f"{n_tasks:,} tasks{with_others}: a master takes at most {_MOST_TASKS:,}"
        self._cluster.commit(JobSubmitted(submit, split_bytes, fingerprint), now)
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
            known = ", ".join(self._cluster.jobs) or "none"
            refusal = f"there is no job {cancel.job_id!r}; there are: {known}"
            self._outbox.send(peer, m.Refused(refusal))
            return
        refusal = _too_late(job)
        if not refusal and not job.has_ended:
            self._phases.end(job, Ending(JobState.CANCELLED, cancel.reason), now)
        self._outbox.send(peer, m.Refused(refusal) if refusal else m.Submitted(job.public_id))


def _too_late(job: JobRun) -> str:
    """Why the job can't be cancelled any more. Not refused is a cancel that is repeated."""
    if job.state is JobState.CANCELLED:
        return ""
    if job.has_ended:
        return f"{job.public_id} is {job.state.value} already"
    return f"the output of {job.public_id} is complete already" if job.is_complete else ""
