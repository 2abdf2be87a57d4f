"""What has to follow, and at once: a complete output gets its manifest, a job's end ends all of it.

Other books forbid what is wrong; this one demands what is right. `applied` counts how often each
demand had something to demand: one that never does is none.
"""

from __future__ import annotations

from collections import Counter

from zmr import messages as m
from zmr.core.actions import (
    Append,
    CompleteOutput,
    JobEnded,
    MasterAction,
    Outcome,
    Publish,
    Quit,
    Send,
)
from zmr.core.journal import JobClosed
from zmr.core.states import JobState

from ..machines.site import Site
from .books import ACTIVE, ENDED, LIVE, NUMBER, PRESENT
from .ledger import Ledger
from .movement import OUTPUT_LOST


class Effects:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        self._site = site
        self._ledger = ledger
        self._applied = applied
        self._epoch = 0
        self._has_quit = False  # the master of this epoch
        self._ordered: set[str] = set()  # jobs of which this master has ordered the manifest
        self._over: set[str] = set()  # jobs and steps, by the ids that workers know
        self._ends: dict[str, tuple[str, str]] = {}  # by job: how its last attempt ended, its task

    def master_did(self, actions: list[MasterAction], epoch: int) -> None:
        """What followed from an event, or from the time. The ledger has seen it."""
        if epoch != self._epoch:
            self._epoch, self._has_quit = epoch, False
            self._ordered.clear()
        self._ends.clear()
        closed: dict[str, JobClosed] = {}
        advanced = False
        for action in actions:
            match action:
                case Publish(published):
                    advanced |= self._published(published)
                case Send(peer, message):
                    self._check_sent(peer, message)
                case Append(records):
                    closed = {r.spec.job_id: r for r in records if isinstance(r, JobClosed)}
                case JobEnded(outcome):
                    self._job_ended(outcome, closed)
                case CompleteOutput(outcome):
                    self._check_order(outcome.spec.job_id)
                case Quit():
                    self._has_quit = True
        self._check_outputs_lost(actions)
        if advanced and not self._has_quit:
            self._check_completed()

    # --- the output of a job ---

    def _check_order(self, job_id: str) -> None:
        """The manifest is ordered once, when all of the output is there."""
        assert job_id not in self._ordered, f"the manifest of {job_id} is ordered once more"
        assert self._ledger.is_output_complete(job_id), f"the manifest of {job_id} is too early"
        self._ordered.add(job_id)

    def _check_completed(self) -> None:
        for job_id, (_, state) in self._ledger.phases.items():
            if state in ACTIVE and self._ledger.is_output_complete(job_id):
                is_ordered = job_id in self._ordered
                assert is_ordered, f"the output of {job_id} is there, its manifest is not ordered"
                self._applied["a complete output gets its manifest"] += 1

    # --- the end of a job ---

    def _job_ended(self, outcome: Outcome, closed: dict[str, JobClosed]) -> None:
        job_id = outcome.spec.job_id
        job = self._site.jobs.get(job_id)
        if job is None:  # one that no master can take
            return
        if self._site.journal is not None:
            self._check_record(outcome, closed.get(job_id))
        step_ids = {step.id for step in job.steps}
        left = [
            id & NUMBER
            for id, seen in self._ledger.attempts.items()
            if seen.state in LIVE and seen.task[0] in step_ids
        ]
        assert not left, f"{job_id} has ended, but not its attempts {left}"
        by_task = ""
        if outcome.state is JobState.FAILED:
            ends = (self._ends[id] for id in step_ids if id in self._ends)
            state, task = next(ends, ("", ""))
            by_task = task if state == "failed" else ""
            self._applied["a job that fails by a task names it"] += bool(by_task)
        assert outcome.failed_task == by_task, (
            f"{job_id} failed by {by_task or 'no task'}, not by {outcome.failed_task or 'none'}"
        )

    def _check_record(self, outcome: Outcome, closed: JobClosed | None) -> None:
        """A restart knows of the end what clients are told."""
        job_id = outcome.spec.job_id
        assert closed is not None, f"the end of {job_id} is not recorded"
        kept = (closed.status.state, closed.status.reason, closed.traceback, closed.failed_task)
        told = (outcome.state.value, outcome.reason, outcome.traceback, outcome.failed_task)
        assert kept == told, f"the end of {job_id} is kept as {kept}, and told as {told}"
        assert closed.out_of_workers == outcome.out_of_workers

    # --- what is over ---

    def _published(self, event: m.Event) -> bool:
        """Whether a task is complete with this, or a job has come further."""
        if isinstance(event, m.TaskEvent):
            assert event.job_id not in self._over, f"{event} although its job is over"
            if event.state in ("failed", "succeeded"):
                task = f"{event.kind.label}-{event.index}"
                self._ends[event.job_id] = event.state, task
            return event.state == "succeeded"
        if not isinstance(event, m.JobEvent):
            return False
        job = self._site.jobs.get(event.job_id)
        if job is not None:
            step, _ = self._ledger.phases[event.job_id]
            # By this event: the job may have come further since, in the same turn.
            over = job.steps if event.state in ENDED else job.steps[: step - 1]
            self._over.update(each.id for each in over)
        return True

    def _check_sent(self, peer: bytes, message: m.Message) -> None:
        """Nothing is asked for a job that is over."""
        if isinstance(message, m.CheckOutputs):
            is_over = message.job_id in self._over
            assert not is_over, f"a question about outputs of {message.job_id}, which is over"

    # --- map outputs ---

    def _check_outputs_lost(self, actions: list[MasterAction]) -> None:
        """A whole map output is made again only if it goes with the worker that it is on."""
        for action in actions:
            if not isinstance(action, Publish) or not isinstance(action.event, m.TaskEvent):
                continue
            event = action.event
            if event.state != "lost" or not event.text.startswith(OUTPUT_LOST):
                continue
            answer = self._site.answers[event.job_id]
            is_needed = not all(
                (event.job_id, m.TaskKind.REDUCE, index) in self._ledger.winners
                for index in range(answer.n_reduce)
            )
            assert is_needed, f"{event} although nothing reads it any more"
            state = self._ledger.peers[event.worker].state
            if "can't read" not in event.text:
                assert state not in PRESENT, f"{event} although its worker is {state}"
                self._applied["an output goes with its own worker only"] += 1
            elif "does not answer" in event.text:
                self._check_silence(event)

    def _check_silence(self, event: m.TaskEvent) -> None:
        """A worker that is well has answered."""
        site = self._site
        if site.is_calm_for(2 * site.settings.lost_after_s):
            assert not site.is_running(event.worker), f"{event} although its worker is well"
