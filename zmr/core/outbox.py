"""What a turn of the master decides is collected here: its records, and all other effects.

Records are written before anything else has an effect, so they are the turn's first action.
"""

from __future__ import annotations

from collections import Counter

from zmr.core.actions import Append, Level, Log, MasterAction, Publish, Send
from zmr.core.journal import Record
from zmr.messages import Event, Message


class Outbox:
    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()  # messages that changed nothing, by why
        self._actions: list[MasterAction] = []
        self._keeps_records = False
        self._records: list[Record] = []

    def keep_records(self) -> None:
        """There is a journal."""
        self._keeps_records = True

    def send(self, peer: bytes, message: Message) -> None:
        self._actions.append(Send(peer, message))

    def publish(self, event: Event) -> None:
        self._actions.append(Publish(event))

    def log(self, level: Level, text: str) -> None:
        self._actions.append(Log(level, text))

    def act(self, action: MasterAction) -> None:
        """Have the shell do something else."""
        self._actions.append(action)

    def record(self, record: Record) -> None:
        """Have it in the journal before anything that this turn decides leaves the master."""
        if self._keeps_records:
            self._records.append(record)

    def turn(self) -> list[MasterAction]:
        """The actions of this turn, in their order. The next one begins."""
        actions, self._actions = self._actions, []
        if self._records:
            actions.insert(0, Append(tuple(self._records)))
            self._records.clear()
        return actions
