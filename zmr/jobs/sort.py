"""`zmr run sort INPUT... -o OUT`"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zmr import FixedRecords, Identity, Job, Lines, Range, Raw


class Sort(Job):
    """Sort lines, or records of a fixed size, by their bytes: all of the output is in order.

    The files of the output, one after the other, are the sorted input. With record_bytes, records
    have that size, and are sorted by their first key_bytes, equal ones staying in their order.
    """

    record_bytes: int = 0
    key_bytes: int = 10

    reduce = Identity()
    partition = Range()

    @property
    def input(self) -> Any:
        """Lines as bytes, or records."""
        return FixedRecords(self.record_bytes) if self.record_bytes else Lines(text=False)

    @property
    def output(self) -> Any:
        """As they came."""
        return Raw(end=b"") if self.record_bytes else Raw()

    def map(self, record: bytes) -> Iterator[tuple[bytes, bytes | None]]:
        if self.record_bytes:
            yield record[: self.key_bytes], record[self.key_bytes :]
        else:
            yield record, None
