"""How long quarantines are: each twice as long as the one before, until a trial goes well."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish

from .books import AGAIN, PRESENT
from .ledger import Ledger

_FIRST_S, _LONGEST_S = 10.0, 300.0

# A turn of the master takes no longer.
_TURN_S = 1.0

_ROUNDING_S = 1e-6


@dataclass(slots=True)
class _Record:
    """What speaks against a worker."""

    next_s: float = _FIRST_S
    until: float | None = None  # while it is quarantined
    is_on_trial: bool = False


class Quarantines:
    def __init__(self, ledger: Ledger, applied: Counter[str]) -> None:
        self._ledger = ledger
        self._applied = applied
        self._records: dict[str, _Record] = {}

    def master_did(self, actions: list[MasterAction], now: float) -> None:
        """What followed from an event, or from the time. The ledger has seen it."""
        for action in actions:
            if not isinstance(action, Publish):
                continue
            event = action.event
            if isinstance(event, m.WorkerEvent):
                self._worker_event(event, now)
            elif isinstance(event, m.TaskEvent) and event.state == "succeeded":
                record = self._records.get(event.worker)
                if record is not None and record.is_on_trial:
                    del self._records[event.worker]
        for worker, record in self._records.items():
            is_over = record.until is None or now <= record.until + _TURN_S
            assert is_over, f"the quarantine of {worker} does not end"

    def master_restarted(self) -> None:
        """A new master knows nothing of this."""
        self._records.clear()

    def _worker_event(self, event: m.WorkerEvent, now: float) -> None:
        worker = event.worker
        if event.state not in PRESENT and event.state != "quarantined":
            self._records.pop(worker, None)
        elif event.state == "quarantined" and event.text:
            record = self._records.setdefault(worker, _Record())
            told = f"no tasks for {record.next_s:g} s: "
            assert event.text.startswith(told), f"{event}, not {told}"
            self._applied["a quarantine begins"] += 1
            if record.next_s > _FIRST_S:
                self._applied["a quarantine is longer than the one before"] += 1
            record.until, record.is_on_trial = now + record.next_s, False
            record.next_s = min(2 * record.next_s, _LONGEST_S)
        elif event.text == AGAIN:
            record = self._records[worker]
            assert record.until is not None, f"{worker} was not quarantined"
            is_time = now >= record.until - _ROUNDING_S
            others = self._ledger.takers() - {worker}
            assert is_time or not others, f"{worker} is quarantined for too short a time"
            self._applied["a quarantine ends when its time is over"] += is_time
            record.until, record.is_on_trial = None, True
