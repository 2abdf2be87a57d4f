"""The journal on the master's disk: it survives the master, and is all that does."""

from __future__ import annotations

from zmr.core.journal import CLEARS, CLEARS_ITSELF, Record, about, reading_order
from zmr.journal import codec as journal


class Journal:
    """Records as bytes; without those that are of no more use."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, bytes]] = []

    def reopen(self) -> None:
        """A new master has it open, and the last one no more."""

    def write(self, records: tuple[Record, ...]) -> None:
        """Append them, all or none."""
        for record in records:
            subject = about(record)
            if isinstance(record, CLEARS):
                self._rows = [row for row in self._rows if row[0] != subject]
            if not isinstance(record, CLEARS_ITSELF):
                self._rows.append((subject, journal.encode(record)))

    def read(self) -> list[Record]:
        """As `zmr.journal.store` does: of each thing in their order, one thing after the other."""
        of_each: dict[str, list[bytes]] = {}
        for subject, data in self._rows:
            of_each.setdefault(subject, []).append(data)
        firsts = {subject: seq for seq, subject in enumerate(of_each)}
        subjects = sorted(firsts, key=lambda subject: reading_order(subject, firsts[subject]))
        return [journal.decode(data) for subject in subjects for data in of_each[subject]]
