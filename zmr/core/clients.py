"""What clients ask for: jobs, the end of jobs, and how things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.events import JobGiven
from zmr.core.humanize import counted
from zmr.core.jobs import JobRun
from zmr.core.journal import JobSubmitted
from zmr.core.plan import count_pieces, plan

if TYPE_CHECKING:
    from zmr.core.master import Master

# A job of more map tasks is refused before it fills the memory.
_MOST_MAPS = 10_000_000


class Clients:
    """The part of the master that hears of clients. It shares the master's state."""

    def __init__(self, master: Master) -> None:
        self._master = master

    def receive(
        self, peer: bytes, message: m.Submit | m.CancelJob | m.GetSnapshot, now: float
    ) -> None:
        """A client asks."""
        match message:
            case m.Submit():
                refusal = self._submit(message)
                job_id = message.spec.job_id
                self._master.send(peer, m.Refused(refusal) if refusal else m.Submitted(job_id))
            case m.CancelJob():
                self._cancel_job(peer, message, now)
            case m.GetSnapshot(after_seq):
                self._master.send_snapshot(peer, after_seq)

    def given(self, given: JobGiven, now: float) -> None:
        """A job of this process: what can't be taken ends at once, with the reason."""
        master, spec = self._master, given.submit.spec
        known = master.jobs.get(spec.job_id)
        refusal = self._submit(given.submit, given.words)
        if refusal:
            job = master.jobs[spec.job_id] = JobRun(spec, [], given.words)
            master.end_job(job, "fail", refusal, now)
        elif known is not None and known.has_ended and master.settings.one_job:
            master.exit_workers(f"job {known.id} {known.state.value}", now)

    def _submit(self, submit: m.Submit, words: str = "") -> str:
        """Queue the job. Returns why not, or an empty string."""
        master, spec, split_bytes = self._master, submit.spec, self._master.settings.split_bytes
        if spec.job_id in master.jobs:
            return ""
        if "." in spec.job_id:
            return f"{spec.job_id} can't be the id of a job: steps of pipelines have such"
        if not master.takes_jobs:
            return "this master takes no more jobs"
        for other in master.jobs.values():
            if other.spec.output == spec.output and not other.has_ended:
                return f"{spec.output} is the output folder of {other.public_id}, which goes on"
        if count_pieces(submit.inputs, split_bytes) > _MOST_MAPS:
            return f"the inputs make more than {_MOST_MAPS:,} map tasks"
        master.record(JobSubmitted(submit, split_bytes, words))
        job = JobRun(spec, plan(submit.inputs, split_bytes), words, split_bytes)
        master.jobs[job.public_id] = master.queued[job.id] = job
        maps, reduces = len(job.maps), len(job.reduces)
        text = f"{spec.name}: {counted(maps, 'map task')}, {counted(reduces, 'reduce task')}"
        if spec.steps:
            text = f"{spec.name}: {counted(len(spec.steps), 'step')}, {counted(maps, 'map task')}"
        master.log(Level.INFO, f"job {job.public_id} queued; {text}")
        master.publish(m.JobEvent(job.public_id, job.state.value, text))
        return ""

    def _cancel_job(self, peer: bytes, cancel: m.CancelJob, now: float) -> None:
        master = self._master
        job = master.jobs.get(cancel.job_id)
        if job is None:
            known = ", ".join(master.jobs) or "none"
            master.send(peer, m.Refused(f"there is no job {cancel.job_id!r}; there are: {known}"))
            return
        if not job.has_ended and not job.is_complete:
            master.end_job(job, "cancel", cancel.reason, now)
        master.send(peer, m.Submitted(job.public_id))
