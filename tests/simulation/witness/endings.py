"""How jobs may end: each end has a cause that was seen."""

from __future__ import annotations

from typing import Any

from zmr.core.actions import JobEnded, MasterAction
from zmr.core.events import OutputCompleted
from zmr.core.states import JobState

from ..machines.jobs import JobPlan
from ..machines.site import Site
from .books import ENDED, files_left_out
from .ledger import Ledger
from .repeats import Repeats


class Endings:
    def __init__(self, site: Site, ledger: Ledger, repeats: Repeats) -> None:
        self._site = site
        self._ledger = ledger
        self._repeats = repeats
        self._incomplete: set[str] = set()  # jobs whose manifest can't be written

    def master_did(self, event: Any, actions: list[MasterAction]) -> None:
        """What followed from an event; None: from the time. The ledger has seen it."""
        if isinstance(event, OutputCompleted):
            change = self._incomplete.add if event.error else self._incomplete.discard
            change(event.job_id)
        for action in actions:
            if isinstance(action, JobEnded):
                self._check_end(action)
        for job_id in self._ledger.too_bad:
            known = self._ledger.phases.get(job_id.rpartition(".")[0] or job_id)
            is_over = known is None or known[1] in ENDED  # it may have been forgotten since
            assert is_over, f"{job_id} goes on with too many bad records"

    def _check_end(self, ended: JobEnded) -> None:
        outcome, site = ended.outcome, self._site
        job = site.jobs.get(outcome.spec.job_id)
        if job is None:  # one that no master can take
            assert outcome.state is JobState.FAILED
            return
        step_ids = {step.id for step in job.steps}
        state = outcome.state.value
        if state == "failed":
            allowed = (
                self._may_fail(step_ids, job.max_attempts)
                or any(task[0] in step_ids for task in self._repeats.tasks)
                or self._may_give_up(ended)
                or self._skips_too_many(job)
                or (site.is_interrupted and "no more jobs" in outcome.reason)
                or job.id in self._incomplete
                or self._folder_is_taken(job)
            )
            assert allowed, f"{job.id} failed without reason: {outcome.reason}"
        elif state == "cancelled":
            asked = job.id in site.cancelled or site.is_interrupted
            assert asked, f"{job.id} was cancelled by nobody: {outcome.reason}"
        else:
            is_poisoned = any(step.poisoned for step in job.steps)
            assert not is_poisoned, f"{job.id} is done, although a task always fails"
            assert not job.is_too_bad, f"{job.id} is done, although too much of its input is bad"
            assert job.id not in self._incomplete, f"{job.id} is done without a manifest"

    def _folder_is_taken(self, job: JobPlan) -> bool:
        """Whether a job that goes on has the same output folder."""
        jobs, phases = self._site.jobs, self._ledger.phases
        same = (other for other in jobs.values() if other.output == job.output and other is not job)
        return any(other.id in phases and phases[other.id][1] not in ENDED for other in same)

    def _may_fail(self, step_ids: set[str], max_attempts: int) -> bool:
        failed = [len(ids) for key, ids in self._ledger.failures.items() if key[0] in step_ids]
        lost = [len(ids) for key, ids in self._ledger.lost_inputs.items() if key[0] in step_ids]
        return max_attempts in failed or max(lost, default=0) >= 20

    def _skips_too_many(self, job: JobPlan) -> bool:
        step_ids = {step.id for step in job.steps}
        ledger = self._ledger
        known = {key: len(skips) for key, skips in ledger.skips.items()} | ledger.left_out
        n = sum(n for key, n in known.items() if key[0] in step_ids)
        found = (
            n > job.skip_bad_records or files_left_out(ledger.left_out, job) > job.skip_bad_files
        )
        return found or not self._ledger.too_bad.isdisjoint(step_ids)

    def _may_give_up(self, ended: JobEnded) -> bool:
        is_alone = all(peer.state in ("lost", "left") for peer in self._ledger.peers.values())
        limited = self._site.settings.worker_timeout_s is not None
        # To write the manifest takes no worker.
        is_complete = self._was_complete(ended.outcome.spec.job_id)
        return ended.outcome.out_of_workers and limited and is_alone and not is_complete

    def _was_complete(self, job_id: str) -> bool:
        answer = self._site.answers[self._site.jobs[job_id].steps[-1].id]
        # A job without tasks begins with a worker, after a restart again.
        return answer.n_map > 0 and self._ledger.has_all_files(answer)
