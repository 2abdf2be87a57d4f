"""A job that has no worker for as long as `--worker-timeout` says fails then.

Not before, not long after, and not while there is a worker or when its output is complete.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from zmr.core.actions import JobEnded, MasterAction
from zmr.core.states import JobState

from ..machines.site import Site
from .books import ENDED, PRESENT
from .ledger import Ledger

# A turn of the master takes no longer.
_TURN_S = 1.0

_ROUNDING_S = 1e-6


class Deserted:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        self._timeout_s = site.settings.worker_timeout_s
        self._ledger = ledger
        self._applied = applied
        self._since: float | None = None  # there has been a job, and no worker

    def master_restarted(self) -> None:
        """It has seen no workers go."""
        self._since = None

    def master_did(self, event: Any, actions: list[MasterAction], now: float) -> None:
        """What followed from an event; None: from the time. The ledger has seen it."""
        if self._timeout_s is None:
            return
        since, waited_s = self._since, 0.0
        if since is not None:
            waited_s = now - since
        for action in actions:
            if isinstance(action, JobEnded) and action.outcome.out_of_workers:
                self._check_given_up(action, waited_s)
        if any(peer.state in PRESENT for peer in self._ledger.peers.values()):
            self._since = None
            return
        ledger = self._ledger
        left = [job_id for job_id, (_, state) in ledger.phases.items() if state not in ENDED]
        self._since = (now if since is None else since) if left else None
        is_time = event is None and waited_s >= self._timeout_s
        if is_time or waited_s > self._timeout_s + _TURN_S:
            waiting = [job_id for job_id in left if not ledger.is_output_complete(job_id)]
            assert not waiting, f"{waiting} have had no worker for {waited_s:.2f} s"

    def _check_given_up(self, ended: JobEnded, waited_s: float) -> None:
        outcome, timeout_s = ended.outcome, self._timeout_s
        assert timeout_s is not None
        job_id = outcome.spec.job_id
        is_time = waited_s >= timeout_s - _ROUNDING_S
        assert is_time, f"{job_id} is given up without workers after {waited_s:.2f} s"
        assert outcome.state is JobState.FAILED, (
            f"{job_id} is {outcome.state.value}, for want of workers"
        )
        told = f"no worker for {timeout_s:g} s (--worker-timeout)"
        assert outcome.reason == told, f"{job_id} failed by {outcome.reason!r}, not {told!r}"
        self._applied["a job without workers fails when its time is over"] += 1
