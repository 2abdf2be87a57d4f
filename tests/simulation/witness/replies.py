"""A worker gets the answers that it waits for; and a cancel has its effect."""

from __future__ import annotations

from collections import Counter

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish, Send
from zmr.core.events import FrameReceived

from ..machines.site import Site
from .books import ENDED, FROM_PEERS, LIVE, NUMBER
from .ledger import Ledger

_RESULTS = (m.MapDone, m.ReduceDone, m.TaskFailed)


class Replies:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        self._site = site
        self._ledger = ledger
        self._applied = applied

    def master_heard(self, event: FrameReceived, actions: list[MasterAction]) -> None:
        """What followed from a frame. The ledger has seen it."""
        sent = [a.message for a in actions if isinstance(a, Send) and a.peer == event.peer]
        if self._ledger.is_fresh:
            self._check_worker(event, sent, self._stopped(actions))
        for message in event.frame.messages:
            if isinstance(message, m.CancelJob):
                self._check_cancel(message.job_id)

    def _stopped(self, actions: list[MasterAction]) -> set[int]:
        """Attempts that had leave to publish, and have failed now or are lost."""
        ledger = self._ledger
        events = (a.event for a in actions if isinstance(a, Publish))
        over = (e for e in events if isinstance(e, m.TaskEvent) and e.state in ("failed", "lost"))
        return {id for id in map(ledger.id_of, over) if ledger.attempts[id].was_granted}

    def _check_worker(self, event: FrameReceived, sent: list[m.Message], stopped: set[int]) -> None:
        if not all(isinstance(message, FROM_PEERS) for message in event.frame.messages):
            assert any(isinstance(message, m.Refused) for message in sent), "not refused"
            return
        if any(isinstance(message, m.Leave) for message in event.frame.messages):
            return  # it hears nothing more
        acks = {id for message in sent if isinstance(message, m.Ack) for id in message.attempts}
        # Who is not registered repeats everything when it is.
        again = any(isinstance(message, m.RegisterAgain | m.Registered) for message in sent)
        kinds = {type(message) for message in sent}
        cancelled = {n for msg in sent if isinstance(msg, m.Cancel) for n in msg.attempts}
        replied = {msg.attempt for msg in sent if isinstance(msg, m.CommitReply)}
        for message in event.frame.messages:
            if isinstance(message, m.Heartbeat):
                assert again or m.HeartbeatReply in kinds, "a heartbeat without an answer"
                for row in message.progress:
                    useful = again or self._is_useful(row.attempt) or row.attempt in cancelled
                    assert useful, f"attempt {row.attempt & NUMBER} goes on in vain"
            elif isinstance(message, m.Register):
                assert m.Registered in kinds, "a registration without an answer"
            elif isinstance(message, _RESULTS):
                assert again or message.attempt in acks, "a result without an answer"
            elif isinstance(message, m.CommitRequest):
                is_answered = message.attempt in replied | cancelled
                is_answered = is_answered or self._has_to_wait(message, stopped)
                assert again or is_answered, "a request to publish without an answer"

    def _is_useful(self, attempt: int) -> bool:
        seen = self._ledger.attempts.get(attempt)
        has_ended_now = attempt in self._ledger.failing
        return seen is not None and (seen.has_succeeded or has_ended_now or seen.state in LIVE)

    def _has_to_wait(self, request: m.CommitRequest, stopped: set[int]) -> bool:
        """Whether another attempt at the task may publish first, or there is nothing to publish."""
        seen = self._ledger.attempts.get(request.attempt)
        if seen is None:
            return False
        if request.kind is m.TaskKind.MAP and self._site.answers[seen.task[0]].n_reduce:
            return True
        others = (n for n in self._ledger.attempts_of(seen.task) if n != request.attempt)
        # The other one may have been stopped by what follows in this frame.
        return any(self._ledger.attempts[n].is_granted or n in stopped for n in others)

    def _check_cancel(self, job_id: str) -> None:
        """A job that is cancelled has ended, unless its output is complete."""
        ledger = self._ledger
        if job_id in ledger.phases and not ledger.is_output_complete(job_id):
            has_ended = ledger.phases[job_id][1] in ENDED
            assert has_ended, f"{job_id} goes on after it was cancelled"
            self._applied["a cancel ends its job"] += 1
