"""A worker that is silent is suspect, and then lost, when its time is over: not much later."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..machines.site import Site
from .ledger import Ledger

_ROUNDING_S = 1e-6


class Silences:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        settings = site.settings
        self._lost_after_s = settings.lost_after_s
        self._suspect_after_s = min(settings.suspect_after_s, settings.lost_after_s)
        self._ledger = ledger
        self._applied = applied
        self._epoch = 0

    def master_did(self, event: Any, now: float, epoch: int) -> None:
        """What followed from the time; the ledger has seen it."""
        if event is not None:
            return
        is_restart = epoch != self._epoch  # no deadline has passed then
        self._epoch = epoch
        if is_restart:
            return
        for name, peer in self._ledger.peers.items():
            if peer.state == "alive":
                limit_s = self._suspect_after_s
            elif peer.state == "suspect":
                limit_s = self._lost_after_s
            else:
                continue
            silence_s = now - peer.heard_at
            is_overdue = silence_s > limit_s + _ROUNDING_S
            assert not is_overdue, f"{name} is {peer.state} after {silence_s:.2f} s of silence"
            self._applied["a silent worker is given up in time"] += silence_s > limit_s / 2
