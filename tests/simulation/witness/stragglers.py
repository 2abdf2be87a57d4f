"""Backup tasks: a straggler gets one when a slot is free, and nothing else does.

The rule is that of docs/dev/architecture.md, told anew by what heartbeats and results say. What
they say in one frame may count before or after what else is in it: what is demanded holds both
ways, what is forbidden holds neither way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish, Quit
from zmr.core.events import FrameReceived, StopRequested

from ..machines.jobs import JobPlan
from ..machines.site import Site
from .books import LIVE, NUMBER, TaskKey
from .ledger import Ledger
from .movement import Going, Movement

# An attempt with nothing to go by stands still for so long, and so many medians.
_STILL_S, _MEDIANS = 10.0, 3

# A fresh attempt takes as long as this part of the tasks, and at most twice as long a record.
_SLOW, _PACES = 0.9, 2.0

# So many heartbeats a straggler may wait for a slot that is free.
_BEATS = 2.0

# How far two ways to add the same times may differ.
_ROUNDING_S = 1e-6

Phase = tuple[str, m.TaskKind]


@dataclass(slots=True)
class Took:
    """What a complete task took."""

    ran_s: float | None  # as this master saw it
    told_s: float  # as the task itself says
    records: int


@dataclass(slots=True)
class Reasons:
    """Why an attempt should have a backup task, as its last heartbeat showed."""

    certain: str  # also without what else was in that frame
    possible: str
    free_since: float | None = None  # a slot


class Stragglers:
    def __init__(
        self, site: Site, ledger: Ledger, movement: Movement, applied: Counter[str]
    ) -> None:
        self._site = site
        self._ledger = ledger
        self._movement = movement
        self._applied = applied
        self._phases: dict[Phase, list[Took]] = {}
        self._reasons: dict[int, Reasons] = {}
        self._slots: dict[str, int] = {}  # of workers
        self._failed_on: dict[TaskKey, set[str]] = {}
        self._states: dict[int, str] = {}
        self._is_over = False

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """The ledger, and the book of movements, have seen it."""
        results = self._hears(event) if isinstance(event, FrameReceived) else {}
        before = {phase: len(took) for phase, took in self._phases.items()} if results else None
        joining: dict[int, m.TaskEvent] = {}  # attempts that were handed out, or are back
        for action in actions:
            if isinstance(action, Publish) and isinstance(action.event, m.TaskEvent):
                self._published(action.event, results, joining, now, epoch)
            elif isinstance(action, Quit):
                self._is_over = True
        for id in self._movement.heard:
            self._judge(id, before, joining, now)
        for id, joined in joining.items():
            self._joined(id, joined)
        self._is_over |= isinstance(event, StopRequested)
        if self._reasons and not self._is_over:
            for id, reasons in self._reasons.items():
                if reasons.certain:
                    self._check_backup(id, reasons, now)

    def master_restarted(self) -> None:
        """A new master knows how long tasks took by what they said of it."""
        self._reasons.clear()
        self._is_over = False
        for took in (each for phase in self._phases.values() for each in phase):
            took.ran_s = took.told_s

    # --- what is known ---

    def _hears(self, event: FrameReceived) -> dict[int, m.Stats]:
        """The figures of what is complete, by attempt."""
        results: dict[int, m.Stats] = {}
        for message in event.frame.messages:
            if isinstance(message, m.MapDone | m.ReduceDone):
                results[message.attempt] = message.stats
            elif isinstance(message, m.Register):
                self._slots[event.peer.decode()] = message.slots
                results |= {done.attempt: done.stats for done in message.held}
        return results

    def _published(
        self,
        event: m.TaskEvent,
        results: dict[int, m.Stats],
        joining: dict[int, m.TaskEvent],
        now: float,
        epoch: int,
    ) -> None:
        id, task = self._ledger.id_of(event), (event.job_id, event.kind, event.index)
        before, self._states[id] = self._states.get(id, ""), event.state
        if event.state == "running" or (event.state in LIVE and before not in LIVE):
            joining[id] = event  # some that return have leave to publish already
        elif event.state == "succeeded":
            stats, ran_s = results[id], None
            if id >> 32 != epoch:
                ran_s = stats.elapsed_s
            elif before in LIVE:
                ran_s = now - self._movement.going[id].began_at
            took = Took(ran_s, stats.elapsed_s, stats.records_in)
            self._phases.setdefault(task[:2], []).append(took)
        elif event.state == "failed":
            self._failed_on.setdefault(task, set()).add(event.worker)
        if event.state not in LIVE:
            self._reasons.pop(id, None)

    def _judge(
        self, id: int, before: dict[Phase, int] | None, joining: Container[int], now: float
    ) -> None:
        """A heartbeat says how far the attempt is: is it a straggler?"""
        seen = self._ledger.attempts[id]
        phase = seen.task[:2]
        took = self._phases.get(phase, [])
        last = self._reasons.pop(id, None)
        is_alone = not any(n not in joining for n in self._beside(id))
        if seen.state not in LIVE or not took or not is_alone:
            return
        going, after_s = self._movement.going[id], self._job_of(id).backup_after_s
        then = took if before is None else took[: before.get(phase, 0)]
        certain = _reason(going, took, after_s, now, -_ROUNDING_S)
        possible = _reason(going, took, after_s, now, _ROUNDING_S)
        if len(then) != len(took):
            certain = certain and _reason(going, then, after_s, now, -_ROUNDING_S)
            possible = possible or _reason(going, then, after_s, now, _ROUNDING_S)
        if possible:
            since = last.free_since if last is not None else None
            self._reasons[id] = Reasons(certain, possible, since)

    def _joined(self, id: int, event: m.TaskEvent) -> None:
        """The attempt is beside others now, for a reason if it is a backup task."""
        beside = self._beside(id)
        if event.text == "backup":
            reasons = {self._reasons[n].possible for n in beside if n in self._reasons}
            assert reasons, f"{event} beside {[n & NUMBER for n in beside]}, of which none is late"
            for reason in reasons:
                self._applied[f"a backup task has a reason: {reason}"] += 1
        for other in beside:
            self._reasons.pop(other, None)

    def _beside(self, id: int) -> list[int]:
        """The other live attempts at its task."""
        ledger = self._ledger
        others = ledger.attempts_of(ledger.attempts[id].task)
        return [n for n in others if n != id and ledger.attempts[n].state in LIVE]

    def _job_of(self, id: int) -> JobPlan:
        return self._site.answers[self._ledger.attempts[id].task[0]].job

    # --- a slot for it ---

    def _check_backup(self, id: int, reasons: Reasons, now: float) -> None:
        """A straggler does not wait long for a slot that is free."""
        # Of one that commits only the publishing is left, which a second one would wait for.
        is_committing = self._ledger.attempts[id].state == "committing"
        if is_committing or not self._is_last_part(id) or not self._has_free_slot(id):
            reasons.free_since = None
            return
        if reasons.free_since is None:
            reasons.free_since = now
        waits_s = now - reasons.free_since
        is_late = waits_s > _BEATS * self._site.settings.heartbeat_interval_s
        assert not is_late, f"attempt {id & NUMBER}, {reasons.certain}, gets no backup task"

    def _is_last_part(self, id: int) -> bool:
        """Whether nearly all tasks of the phase are complete, and the others can run."""
        ledger = self._ledger
        job_id, kind, _ = ledger.attempts[id].task
        answer = self._site.answers[job_id]
        n_maps_done = sum(
            (job_id, m.TaskKind.MAP, n) in ledger.winners for n in range(answer.n_map)
        )
        n, n_done = answer.n_map, n_maps_done
        if kind is m.TaskKind.REDUCE:
            if n_maps_done < n or ledger.has_open_questions:
                return False
            n = answer.n_reduce
            n_done = sum((job_id, kind, index) in ledger.winners for index in range(n))
        return n - n_done <= max(1, int(n * self._site.settings.backup_fraction))

    def _has_free_slot(self, id: int) -> bool:
        """Whether another worker could run it, on which it has not failed yet."""
        seen = self._ledger.attempts[id]
        failed_on = self._failed_on.get(seen.task, set())
        for name, peer in self._ledger.peers.items():
            takes = peer.state == "alive" and peer.quarantined_at is None
            if not takes or name == seen.worker or name in failed_on:
                continue
            limit = 1 if peer.is_on_trial else min(peer.credit, self._slots[name])
            if len(peer.live) < min(limit, peer.credit):
                return True
        return False


def _reason(
    going: Going, took: list[Took], backup_after_s: float, now: float, slack_s: float
) -> str:
    """Why it should have a backup task; empty: it should not. By `slack_s`, it may seem later."""
    known = [(each.ran_s, each.records) for each in took if each.ran_s is not None]
    runs_s = now - going.began_at + slack_s
    if not known or runs_s <= backup_after_s:
        return ""
    durations_s = sorted(ran_s for ran_s, _ in known)
    if 0.0 < going.fraction < 1.0:
        left_s = (now - max(going.began_at, going.without_at)) * (1.0 / going.fraction - 1.0)
        n_records = sum(records for _, records in known)
        record_s = sum(durations_s) / n_records if n_records else 0.0
        fresh_s = _PACES * record_s * going.figures[0] / going.fraction
        fresh_s = max(fresh_s, durations_s[int(_SLOW * len(durations_s))])
        if left_s + slack_s > fresh_s:
            return "it is slow"
    still_s = now - going.moved_at + slack_s if going.fraction else runs_s
    median_s = durations_s[len(durations_s) // 2]
    is_still = still_s > max(_STILL_S, backup_after_s, _MEDIANS * median_s)
    return "it stands still" if is_still else ""
