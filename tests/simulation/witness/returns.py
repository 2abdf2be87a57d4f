"""The book of what a worker says that it has: attempts that are back, missing, or ask to publish.

What a worker says of itself is the truth about it. An attempt that it has goes on, one that it
does not have is lost, and its results count; of all else it is told that it is of no use.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from zmr import messages as m
from zmr.core.actions import Append, MasterAction, Publish, Send
from zmr.core.events import FrameReceived
from zmr.core.journal import CommitGranted

from ..machines.site import Site
from .books import ACTIVE, FROM_PEERS, LIVE, NUMBER
from .ledger import Ledger
from .movement import Movement

# So many heartbeats after its hand-out, an attempt has arrived or never will.
_BEATS = 3

_ROUNDING_S = 1e-6

BACK = "back with its worker"
MISSING = {"it never reached the worker": True, "it is no longer with the worker": False}


class Returns:
    def __init__(
        self, site: Site, ledger: Ledger, movement: Movement, applied: Counter[str]
    ) -> None:
        self._site = site
        self._ledger = ledger
        self._movement = movement
        self._applied = applied

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """The ledger, and the book of movements, have seen it."""
        messages = event.frame.messages if isinstance(event, FrameReceived) else ()
        events = [
            action.event
            for action in actions
            if isinstance(action, Publish) and isinstance(action.event, m.TaskEvent)
        ]
        for published in events:
            if published.state == "committing":
                self._check_committing(published, messages, actions)
            elif published.text in MISSING:
                self._check_missing(published, messages, now, epoch)
        for action in actions:
            if isinstance(action, Send) and isinstance(action.message, m.Cancel):
                self._check_cancelled(action.peer.decode(errors="replace"), action.message)
        if isinstance(event, FrameReceived) and self._ledger.is_fresh:
            changed = {self._ledger.id_of(published) for published in events}
            self._heard(event, actions, changed, now, epoch)

    def _heard(
        self,
        event: FrameReceived,
        actions: list[MasterAction],
        changed: set[int],
        now: float,
        epoch: int,
    ) -> None:
        """A worker has said something. These attempts have changed by it."""
        messages = event.frame.messages
        if not all(isinstance(message, FROM_PEERS) for message in messages):
            return
        if any(isinstance(message, m.Leave) for message in messages):
            return  # it hears nothing more
        sent = [a.message for a in actions if isinstance(a, Send) and a.peer == event.peer]
        kinds = {type(message) for message in sent}
        process = event.peer.decode()
        for message in messages:
            if isinstance(message, m.Register) and m.Exit not in kinds:
                self._check_registered(process, message, sent)
        if event.frame.epoch != epoch or kinds & {m.RegisterAgain, m.Refused}:
            return  # nothing else was listened to
        last = None
        is_heard = self._movement.was_present
        for message in messages:
            is_heard |= isinstance(message, m.Register)
            if not is_heard:
                continue  # what a lost worker says before it registers
            if isinstance(message, m.Heartbeat):
                last = message
            elif isinstance(message, m.CommitRequest):
                self._check_request(process, message, sent, changed)
        if last is not None and isinstance(messages[-1], m.Heartbeat):
            self._check_heartbeat(process, last, changed, now, epoch)

    def _check_cancelled(self, process: str, cancel: m.Cancel) -> None:
        """What is cancelled is thrown away: no map output that counts."""
        ledger = self._ledger
        for id in cancel.attempts:
            seen = ledger.attempts.get(id)
            if (
                seen is None
                or seen.worker != process
                or ledger.winners.get(seen.task) != id
                or id in ledger.empty
            ):
                continue
            answer = self._site.answers[seen.task[0]]
            step, state = ledger.phases.get(answer.job.id, (0, ""))
            is_current = state in ACTIVE and answer.job.steps[step - 1].id == answer.step.id
            is_read = answer.n_reduce and not ledger.has_all_files(answer)
            is_kept = is_current and seen.task[1] is m.TaskKind.MAP and is_read
            assert not is_kept, f"the output of attempt {id & NUMBER} counts, and is cancelled"

    # --- asking to publish ---

    def _check_committing(
        self, event: m.TaskEvent, messages: Any, actions: list[MasterAction]
    ) -> None:
        """It has asked, or had the leave before its worker was lost, which is kept then."""
        id = self._ledger.id_of(event)
        asks = any(isinstance(x, m.CommitRequest) and x.attempt == id for x in messages)
        if event.text != BACK:
            assert asks, f"{event}, and it has not asked"
            return
        seen = self._ledger.attempts[id]
        assert seen.was_granted, f"{event}, and it was allowed nothing"
        if seen.state in LIVE and self._site.journal is not None:
            records = [r for a in actions if isinstance(a, Append) for r in a.records]
            is_kept = any(isinstance(r, CommitGranted) and r.attempt == id for r in records)
            assert is_kept, f"{event}, and its leave is not recorded"

    def _check_request(
        self, process: str, request: m.CommitRequest, sent: list[m.Message], changed: set[int]
    ) -> None:
        seen = self._ledger.attempts.get(request.attempt)
        if seen is None or seen.worker != process:
            return
        if seen.task != (request.job_id, request.kind, request.index):
            return
        if request.kind is m.TaskKind.MAP and self._site.answers[seen.task[0]].n_reduce:
            return
        number = request.attempt & NUMBER
        is_lost = seen.state == "lost" and request.attempt not in changed
        assert not is_lost, f"attempt {number} asks to publish, and is lost"
        if seen.state not in LIVE:
            return
        # Of one that had the leave before a restart, it was published then.
        is_committing = seen.state == "committing" or seen.is_granted
        assert is_committing, f"attempt {number} asks to publish, and is running"
        refused = [x.attempt for x in sent if isinstance(x, m.CommitReply) and not x.granted]
        assert request.attempt not in refused, f"attempt {number} goes on, and may not publish"
        self._applied["an attempt that asks to publish is committing"] += 1

    # --- what is missing ---

    def _check_missing(self, event: m.TaskEvent, messages: Any, now: float, epoch: int) -> None:
        """A heartbeat does not name an attempt that had the time to arrive."""
        id = self._ledger.id_of(event)
        beats = [message for message in messages if isinstance(message, m.Heartbeat)]
        is_missing = any(all(row.attempt != id for row in beat.progress) for beat in beats)
        assert is_missing, f"{event}, and its worker has it"
        is_of_this_start = MISSING[event.text]
        assert is_of_this_start == (id >> 32 == epoch), f"{event} of another start"
        if is_of_this_start:
            least_s = _BEATS * self._site.settings.heartbeat_interval_s
            waited_s = now - self._movement.going[id].began_at
            assert waited_s > least_s - _ROUNDING_S, f"{event} after {waited_s:.2f} s"

    def _check_heartbeat(
        self, process: str, beat: m.Heartbeat, changed: set[int], now: float, epoch: int
    ) -> None:
        ledger = self._ledger
        told = {row.attempt for row in beat.progress}
        for id in told:
            seen = ledger.attempts.get(id)
            if seen is not None and seen.worker == process and not seen.has_succeeded:
                assert seen.state != "lost", f"{process} has attempt {id & NUMBER}, which is lost"
        most_s = _BEATS * self._site.settings.heartbeat_interval_s
        for id in ledger.peers[process].live - told - changed:
            waited_s = now - self._movement.going[id].began_at
            is_due = id >> 32 != epoch or waited_s > most_s + _ROUNDING_S
            assert not is_due, f"{process} does not have attempt {id & NUMBER}, which is not lost"

    # --- what a worker comes back with ---

    def _check_registered(self, process: str, register: m.Register, sent: list[m.Message]) -> None:
        ledger = self._ledger
        useless = {n for x in sent if isinstance(x, m.Cancel) for n in x.attempts}
        forgotten = {x.job_id for x in sent if isinstance(x, m.ForgetJob)}
        for id in register.running:
            seen = ledger.attempts.get(id)
            is_own = seen is not None and seen.worker == process
            goes_on = is_own and seen is not None and (seen.state in LIVE or seen.has_succeeded)
            assert goes_on or id in useless or id in ledger.failing, (
                f"{process} is back with attempt {id & NUMBER}, and is told nothing"
            )
            self._applied["a worker that is back is told what is of no use"] += not goes_on
        for done in register.held:
            seen = ledger.attempts.get(done.attempt)
            counts = seen is not None and ledger.winners.get(seen.task) == done.attempt
            is_told = done.attempt in useless or done.job_id in forgotten
            assert counts or is_told, (
                f"{process} holds the output of attempt {done.attempt & NUMBER} in vain"
            )
            self._applied["a worker that is back is told what is of no use"] += not counts
