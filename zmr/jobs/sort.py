"""`zmr run sort INPUT... -o OUT`"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zmr.formats import Lines
from zmr.formats.fixed_records import FixedRecords
from zmr.formats.output import Raw
from zmr.job import Job
from zmr.partitioners import Range
from zmr.reducers import Identity


class Sort(Job):
    """Sort lines, or records of a fixed size, by their bytes: all of the output is in order.

    The files of the output, one after the other, are the sorted input. Lines end with LF. With
    record_bytes, a record is so many bytes, whatever they are.
    """

    record_bytes: int = 0

    reduce = Identity()
    partition = Range()

    @property
    def input(self) -> Any:  # type: ignore[override]
        """Lines as bytes, or records."""
        return FixedRecords(self.record_bytes) if self.record_bytes else Lines(text=False)

    @property
    def output(self) -> Any:  # type: ignore[override]
        """As they came."""
        return Raw(end=b"") if self.record_bytes else Raw()

    def map(self, record: bytes) -> Iterator[tuple[bytes, None]]:
        yield record, None

    def map_batch(self, records: Any) -> Any:
        """Do the same for many records at once, given as an Arrow array."""
        import pyarrow as pa

        return records, pa.nulls(len(records))
