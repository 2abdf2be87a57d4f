"""The end of a master: after a signal, after its one job; and what its workers hear of it.

The first signal ends a master that keeps its jobs at once, for the next start. Another master
begins nothing more, and waits for what is under way; a second signal ends all jobs at once. In the
end the workers are told to exit, as often as they speak, and have a while for it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from zmr import messages as m
from zmr.core.actions import CompleteOutput, JobEnded, MasterAction, Publish, Quit, Send
from zmr.core.events import FrameReceived, JobGiven, OutputCompleted, StopRequested

from ..machines.site import Site
from .books import ENDED, PRESENT
from .ledger import Ledger

# A turn of the master takes no longer.
_TURN_S = 1.0

_ROUNDING_S = 1e-6


class Closing:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        self._site = site
        self._ledger = ledger
        self._applied = applied
        self._epoch = 0
        self._begin()

    def _begin(self) -> None:
        self._stop: StopRequested | None = None  # the first signal
        self._is_cut_short = False
        self._exits_at: float | None = None  # since when its workers are to exit
        self._has_quit = False
        self._manifests: set[str] = set()  # that are being written
        self._was_busy = False

    def before(self, event: Any, epoch: int) -> None:
        """The other books are about to see this."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._begin()
        if isinstance(event, StopRequested):
            self._was_busy = self._is_busy()
        elif isinstance(event, OutputCompleted):
            self._manifests.discard(event.job_id)

    def master_did(self, event: Any, actions: list[MasterAction], now: float) -> None:
        """What followed from an event; None: from the time. The ledger has seen it."""
        exits: list[str] = []
        ended: list[JobEnded] = []
        quits: Quit | None = None
        hands_out = False
        for action in actions:
            if isinstance(action, Send):
                if isinstance(action.message, m.Exit):
                    exits.append(action.peer.decode())
                hands_out |= isinstance(action.message, m.TaskResponse)
            elif isinstance(action, JobEnded):
                ended.append(action)
                self._manifests.discard(action.outcome.spec.job_id)
            elif isinstance(action, CompleteOutput):
                self._manifests.add(action.outcome.spec.job_id)
            elif isinstance(action, Quit):
                quits = action
        if self._has_quit:  # what had come by then is still heard
            assert not hands_out, "a task is handed out after the end of the master"
            return
        if isinstance(event, StopRequested) and self._stops(event, ended, quits):
            return
        by_itself = any(not each.outcome.reason.startswith("stopped by") for each in ended)
        has_its_end = self._site.settings.one_job and by_itself
        if self._stop and not (self._is_cut_short or has_its_end or self._exits_at is not None):
            self._drains(ended)
        assert not hands_out or self._stop is None, "a task is handed out after a signal"
        self._exit(event, exits, ended, now)
        self._end(actions, quits, now)

    # --- a signal ---

    def _stops(self, event: StopRequested, ended: list[JobEnded], quits: Quit | None) -> bool:
        """A signal came. Whether that is the end of the master, and of no job."""
        if self._exits_at is not None:
            return False
        if self._site.settings.keeps_jobs:
            assert quits is not None, "a master that keeps its jobs goes on after a signal"
            assert quits.exit_status == event.exit_status, f"ends with {quits.exit_status}"
            assert not ended, "a master that keeps its jobs has ended one"
            self._applied["a master that keeps its jobs ends at once"] += 1
            self._has_quit = True
            return True
        if self._stop is None:
            self._stop = event
            if self._was_busy:
                assert not ended, "a job is cut short by the first signal"
                self._applied["what is under way when a signal comes may end"] += 1
                return False
        else:
            self._applied["a second signal ends all at once"] += 1
        self._cut_short()
        return False

    def _drains(self, ended: list[JobEnded]) -> None:
        """It waits for what is under way, and for nothing else."""
        if not self._is_busy():
            self._applied["a master with nothing under way ends after a signal"] += 1
            self._cut_short()
        else:
            by_signal = [each for each in ended if each.outcome.reason.startswith("stopped by")]
            assert not by_signal, "a job is cut short, although something is under way"

    def _cut_short(self) -> None:
        self._is_cut_short = True
        left = [job_id for job_id, (_, state) in self._ledger.phases.items() if state not in ENDED]
        assert not left, f"{left} go on after the end of the master was decided"

    def _is_busy(self) -> bool:
        """Whether an attempt runs, or a complete output waits for its manifest."""
        return bool(self._manifests) or any(peer.live for peer in self._ledger.peers.values())

    # --- the workers ---

    def _exit(self, event: Any, exits: list[str], ended: list[JobEnded], now: float) -> None:
        """All present workers are told, and each that speaks is told again."""
        peers = self._ledger.peers
        expected: set[str] = set()
        may_be: set[str] = set()
        if self._exits_at is None and self._is_to_exit(event, ended):
            self._exits_at = now
            expected = {name for name, peer in peers.items() if peer.state in PRESENT}
            if isinstance(event, FrameReceived):  # it may have left, in this frame
                may_be = {event.peer.decode(errors="replace")}
        elif self._exits_at is not None and isinstance(event, FrameReceived):
            process, said = event.peer.decode(errors="replace"), event.frame.messages
            may_be = {process} if self._ledger.is_fresh else set()
            asks = m.Register | m.Heartbeat if event.frame.epoch == self._epoch else m.Register
            is_there = process in peers and peers[process].state in PRESENT
            is_of_worker = all(isinstance(message, m.FromWorker) for message in said)
            has_asked = any(isinstance(message, asks) for message in said)
            if may_be and is_there and is_of_worker and has_asked:
                expected = may_be
                self._applied["a worker that speaks to a master that ends is to exit"] += 1
        left = expected.difference(exits)
        assert not left, f"{sorted(left)} are not told to exit"
        others = set(exits) - expected - may_be
        assert not others, f"{sorted(others)} are told to exit, and nothing ends"

    def _is_to_exit(self, event: Any, ended: list[JobEnded]) -> bool:
        is_known = isinstance(event, JobGiven) and self._site.settings.one_job and not ended
        if is_known:  # the job of a master that was started again may be over
            state = self._ledger.phases.get(event.submit.spec.job_id, (1, ""))[1]
            if state in ENDED:
                return True
        return self._is_cut_short or (self._site.settings.one_job and bool(ended))

    def _end(self, actions: list[MasterAction], quits: Quit | None, now: float) -> None:
        """The master ends when its workers are gone, or have had the time for it."""
        if self._exits_at is None:
            assert quits is None, f"the master ends: {quits}"
            return
        is_there = any(peer.state in PRESENT for peer in self._ledger.peers.values())
        over_at = self._exits_at + self._site.settings.leave_grace_s
        assert now < over_at + _TURN_S, "the master waits for its workers for too long"
        if quits is None:
            assert is_there, "the master goes on, although its workers are gone"
            return
        assert not is_there or now >= over_at - _ROUNDING_S, "the master does not wait"
        is_told = any(
            isinstance(action, Publish) and isinstance(action.event, m.MasterEvent)
            for action in actions
        )
        assert is_told, "the end of the master is not published"
        status = self._stop.exit_status if self._stop and self._is_cut_short else 0
        assert quits.exit_status == status, f"ends with {quits.exit_status}, not {status}"
        self._applied["a master ends when its workers are gone"] += not is_there
        self._applied["a master does not wait for workers for ever"] += is_there
        self._has_quit = True
