"""The witness of a simulation: several books, each kept of what goes in and what comes out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from zmr.core.actions import MasterAction, WorkerAction
from zmr.core.events import FrameReceived
from zmr.core.journal import Record
from zmr.core.master import Master

from ..machines.site import Site, Starts
from .answers import Answers
from .charges import Charges
from .closing import Closing
from .dealings import Dealings
from .deserted import Deserted
from .duties import Duties
from .effects import Effects
from .endings import Endings
from .failures import Failures
from .figures import Figures
from .hand_outs import HandOuts
from .kept import Kept
from .ledger import Ledger
from .movement import Movement
from .quarantines import Quarantines
from .questions import Questions
from .repeats import Repeats
from .replies import Replies
from .returns import Returns
from .silences import Silences
from .stragglers import Stragglers


class Witness:
    def __init__(self, site: Site, is_in_order: bool) -> None:
        self.applied: Counter[str] = Counter()  # how often each demand had something to demand
        self.ledger = Ledger(site, is_in_order, self.applied)
        self._repeats = Repeats(self.ledger)
        self._endings = Endings(site, self.ledger, self._repeats)
        self._site = site
        self.answers = Answers(site)
        self._movement = Movement(site, self.ledger, self.applied)
        self._stragglers = Stragglers(site, self.ledger, self._movement, self.applied)
        self._replies = Replies(site, self.ledger, self.applied)
        self._quarantines = Quarantines(self.ledger, self.applied)
        self._kept = Kept(self.ledger, self.applied)
        self._hand_outs = HandOuts(site, self.ledger, self._repeats, self.applied)
        self._figures = Figures(site, self.ledger, self.applied)
        self._failures = Failures(site, self.ledger, self._repeats, self._movement, self.applied)
        self._returns = Returns(site, self.ledger, self._movement, self.applied)
        self.duties: dict[str, tuple[int, Duties]] = {}  # by machine: of which start
        self._effects = Effects(site, self.ledger, self.applied)
        self._closing = Closing(site, self.ledger, self.applied)
        self._questions = Questions(site, self.ledger, self.applied)
        self._charges = Charges(self.ledger, self._movement, self.applied)
        self._dealings = Dealings(site, self.ledger, self._movement, self.applied)
        self._silences = Silences(site, self.ledger, self.applied)
        self._deserted = Deserted(site, self.ledger, self.applied)

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """What followed from an event; None: from the time. `now` is the master's."""
        self._movement.before(event)
        self._closing.before(event, epoch)
        self._questions.before(event)
        self._dealings.before(event)
        self.ledger.master_did(event, actions, now, epoch)
        self._repeats.master_did(actions)
        self._endings.master_did(event, actions)
        self.answers.master_did(event, actions, epoch)
        if isinstance(event, FrameReceived):
            self._replies.master_heard(event, actions)
        self._effects.master_did(actions, epoch)
        self._quarantines.master_did(actions, now)
        self._movement.master_did(event, actions, now, epoch)
        self._stragglers.master_did(event, actions, now, epoch)
        self._hand_outs.master_did(event, actions)
        self._returns.master_did(event, actions, now, epoch)
        self._failures.master_did(event, actions)
        self._figures.master_did(event, actions, now)
        self._kept.master_did(actions)
        self._silences.master_did(event, now, epoch)
        self._closing.master_did(event, actions, now)
        self._deserted.master_did(event, actions, now)
        self._questions.master_did(event, actions, now, epoch)
        self._charges.master_did(actions, now)
        self._dealings.master_did(event, actions, now, epoch)

    def master_restarted(self, core: Master, now: float) -> None:
        """A new master has read the journal."""
        self.ledger.master_restarted(core, now)
        self.answers.master_restarted(core)
        self._movement.master_restarted(now)
        self._stragglers.master_restarted()
        self._quarantines.master_restarted()
        self._hand_outs.master_restarted(core)
        self._figures.master_restarted(now)
        self._kept.master_restarted()
        self._deserted.master_restarted()
        self._questions.master_restarted()
        self._charges.master_restarted()
        self._dealings.master_restarted()

    def recorded(self, records: list[Record]) -> None:
        """This is in the journal now."""
        self.ledger.recorded(records)
        self._kept.recorded(records)

    def between_turns(self, journal: list[Record], epoch: int) -> None:
        """The master has had all effects of a turn; this is in the journal."""
        self._kept.check(journal, epoch)

    def worker_did(
        self,
        worker: Starts,
        event: Any,
        actions: list[WorkerAction],
        epoch: int,
        is_registered: bool,
    ) -> None:
        """What followed from an event of a worker; None: from the time."""
        start, duties = self.duties.get(worker.name, (0, None))
        if duties is None or start != worker.starts:
            duties = Duties(worker, self._site, self.applied)
            self.duties[worker.name] = worker.starts, duties
        duties.worker_did(event, actions)
