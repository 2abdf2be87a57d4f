"""How far attempts are, by the heartbeats that count; and that who does not move is stopped.

An attempt has stood still since its last movement, or since its worker was heard again after a
silence, whichever came later: while a machine stands still, or can't be reached, nothing is known
of its tasks, and nothing is held against them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish
from zmr.core.events import FrameReceived

from ..machines.site import Site
from .books import FROM_PEERS, LIVE, NUMBER, PRESENT
from .ledger import Ledger

# How far two ways to add the same times may differ.
_ROUNDING_S = 1e-6

STOPPED = "no progress"  # begins the reason
OUTPUT_LOST = "its output: "  # likewise


@dataclass(slots=True)
class Going:
    """A live or lost attempt, as heartbeats tell of it."""

    began_at: float
    moved_at: float
    without_at: float  # when it was last known to have done nothing of its input
    figures: tuple[int, int] = (0, 0)
    fraction: float = 0.0
    queued: bool = True
    starting: bool = False

    def hears(self, row: m.Progress, now: float) -> None:
        figures = row.records, row.bytes
        if self.queued and not row.queued:
            self.began_at = now
        is_new = row.queued != self.queued or row.starting != self.starting
        if figures != self.figures or is_new:
            self.moved_at = now
        if not row.fraction:
            self.without_at = now
        self.figures, self.queued, self.fraction = figures, row.queued, row.fraction
        self.starting = row.starting


class Movement:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        self._site = site
        self._ledger = ledger
        self._applied = applied
        self.going: dict[int, Going] = {}
        self.heard: list[int] = []  # attempts that run, as this frame says
        self._committing: set[int] = set()
        self._live: set[int] = set()  # of the worker, before this frame
        self._had_leave: set[int] = set()  # those of them that had the leave to publish
        self.had_waited: set[int] = set()  # those of them that did not run yet
        self._was_suspect = False
        self.was_present = False  # whose frame this is, before it

    def before(self, event: Any) -> None:
        """The ledger is about to see this."""
        self.heard.clear()
        if not isinstance(event, FrameReceived):
            return
        ledger = self._ledger
        peer = ledger.peers.get(event.peer.decode())
        self.was_present = peer is not None and peer.state in PRESENT
        self._was_suspect = peer is not None and peer.state == "suspect"
        self._committing.clear()
        self._live = set(peer.live) if peer is not None else set()
        self._had_leave = {id for id in self._live if ledger.attempts[id].is_granted}
        self.had_waited = {id for id in self._live if id in self.going and self.going[id].queued}
        if peer is not None:
            for id in peer.live:
                seen = ledger.attempts[id]
                if seen.state == "committing":
                    self._committing.add(id)

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """The ledger has seen it."""
        if isinstance(event, FrameReceived):
            self._hears(event, now, epoch)
        for action in actions:
            if isinstance(action, Publish) and isinstance(action.event, m.TaskEvent):
                self._published(action.event, now)
        for id in self.heard:
            self._check_stopped(id, now)

    def master_restarted(self, now: float) -> None:
        """A new master knows of attempts, not how far they are."""
        self.going = {id: Going(now, now, now) for id in self.going}

    def _hears(self, event: FrameReceived, now: float, epoch: int) -> None:
        is_of_epoch, process = event.frame.epoch == epoch, event.peer.decode()
        is_present, was_suspect = self.was_present, self._was_suspect
        # What is no peer's to say ends a frame.
        said = takewhile(lambda message: isinstance(message, FROM_PEERS), event.frame.messages)
        for message in said:
            if isinstance(message, m.Register):
                counts = is_present = True
            else:
                counts = is_present and is_of_epoch
            if counts and was_suspect:
                was_suspect = False
                for id in self._live & self.going.keys():
                    self.going[id].moved_at = now
            if not counts:
                continue
            if isinstance(message, m.CommitRequest):
                self._committing.add(message.attempt)
                self._may_publish(process, message.attempt, now)
            elif isinstance(message, m.Heartbeat):
                for row in message.progress:
                    self._row(process, row, now)
            elif isinstance(message, m.Leave):
                is_present = False

    def _may_publish(self, process: str, id: int, now: float) -> None:
        """The attempt has asked for leave. To get it is to move."""
        seen, going = self._ledger.attempts.get(id), self.going.get(id)
        has_leave = seen is not None and seen.worker == process and seen.is_granted
        if going is not None and has_leave and id not in self._had_leave:
            going.moved_at = now

    def _row(self, process: str, row: m.Progress, now: float) -> None:
        seen = self._ledger.attempts.get(row.attempt)
        going = self.going.get(row.attempt)
        if going is None or seen is None or seen.worker != process:
            return
        going.hears(row, now)
        is_granted = row.attempt in self._had_leave or seen.is_granted
        if row.attempt in self._committing and not is_granted:
            going.moved_at = now  # another one may publish first
        elif not row.queued:
            self.heard.append(row.attempt)

    def _published(self, event: m.TaskEvent, now: float) -> None:
        id = self._ledger.id_of(event)
        if event.state in LIVE:
            going = self.going.setdefault(id, Going(now, now, now))
            if self._ledger.attempts[id].returned_at == now:
                going.moved_at = now
        elif event.state == "lost" and event.text.startswith(OUTPUT_LOST):
            # It is known as one that was handed out once; whether it runs, heartbeats will say.
            self.going[id] = Going(0.0, 0.0, 0.0)
        elif event.state == "failed" and event.text.startswith(STOPPED):
            going = self.going[id]
            still_s, limit_s = now - going.moved_at, self._limit_s(id)
            assert not going.queued, f"attempt {id & NUMBER} was stopped before it began"
            assert still_s > limit_s - _ROUNDING_S, (
                f"attempt {id & NUMBER} was stopped: it has stood still for {still_s:.2f} s only"
            )
            self._applied["an attempt that stands still is stopped"] += 1

    def _check_stopped(self, id: int, now: float) -> None:
        seen, still_s = self._ledger.attempts[id], now - self.going[id].moved_at
        if seen.state in LIVE:
            is_overdue = still_s > self._limit_s(id) + _ROUNDING_S
            assert not is_overdue, f"attempt {id & NUMBER} stands still for {still_s:.2f} s"

    def _limit_s(self, id: int) -> float:
        job = self._site.answers[self._ledger.attempts[id].task[0]].job
        return job.setup_timeout_s if self.going[id].starting else job.task_timeout_s
