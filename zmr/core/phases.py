"""From phase to phase, and from step to step of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.humanize import counted
from zmr.core.jobs import JobRun
from zmr.core.journal import StepBegun

if TYPE_CHECKING:
    from zmr.core.master import Master


class Phases:
    """The part of the master that leads jobs on. It shares the master's state."""

    def __init__(self, master: Master) -> None:
        self._master = master

    def begun(self, job: JobRun) -> None:
        """Tell that the job, or a step of it, has begun."""
        self._master.log(Level.INFO, f"job {job.id} started")
        self._publish(job)

    def advance(self, job: JobRun) -> None:
        """Go on to whatever can begin now."""
        if job.advance():
            maps = counted(len(job.maps), "map task")
            self._master.log(Level.INFO, f"job {job.id}: all of {maps} complete")
            self._publish(job)
        if job.is_complete and job.has_next_step:
            self._end_step(job)
            self.go_on(job)
            self.begun(job)
            self.advance(job)

    def _end_step(self, job: JobRun) -> None:
        """Nothing of the complete step is needed any more but what it has put out."""
        self._master.cancel_attempts(job.attempts.values(), "the step is complete")
        self._master.have_forgotten(job)
        self._master.record(StepBegun(job.public_id))

    def go_on(self, job: JobRun) -> None:
        """Have the active job go on with its next step, under that one's id."""
        job.begin_next_step()
        self._master.active = {job.id: job for job in self._master.active.values()}

    def _publish(self, job: JobRun) -> None:
        text = job.told(job.step.name) if job.spec.steps else ""
        self._master.publish(m.JobEvent(job.public_id, job.state.value, text))
