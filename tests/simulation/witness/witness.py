"""The witness of a simulation: several books, each kept of what goes in and what comes out."""

from __future__ import annotations

from typing import Any

from zmr.core.actions import MasterAction
from zmr.core.journal import Record
from zmr.core.master import Master

from ..machines.site import Site
from .answers import Answers
from .endings import Endings
from .ledger import Ledger


class Witness:
    def __init__(self, site: Site, is_in_order: bool) -> None:
        self.ledger = Ledger(site, is_in_order)
        self._endings = Endings(site, self.ledger)
        self.answers = Answers(site)

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """What followed from an event; None: from the time. `now` is the master's."""
        self.ledger.master_did(event, actions, now, epoch)
        self._endings.master_did(event, actions)
        self.answers.master_did(event, actions, epoch)

    def master_restarted(self, core: Master, now: float) -> None:
        """A new master has read the journal."""
        self.ledger.master_restarted(core, now)
        self.answers.master_restarted(core)

    def recorded(self, records: list[Record]) -> None:
        """This is in the journal now."""
        self.ledger.recorded(records)
