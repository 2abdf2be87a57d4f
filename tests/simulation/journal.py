"""The journal on the master's disk: it survives the master, and is all that does."""

from __future__ import annotations

from zmr.core.journal import CLEARS, CLEARS_ITSELF, Record, about
from zmr.journal import codec as journal


class Journal:
    """Records in the order of their writing, as bytes; without those that are of no more use."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, bytes]] = []

    def write(self, records: tuple[Record, ...]) -> None:
        """Append them, all or none."""
        for record in records:
            subject = about(record)
            if isinstance(record, CLEARS):
                self._rows = [row for row in self._rows if row[0] != subject]
            if not isinstance(record, CLEARS_ITSELF):
                self._rows.append((subject, journal.encode(record)))

    def read(self) -> list[Record]:
        return [journal.decode(data) for _, data in self._rows]
