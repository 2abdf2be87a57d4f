"""What an input format is. `zmr.formats` says what it promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from zmr.errors import ZmrError
from zmr.formats.compression import is_compressed
from zmr.messages import Split

CountUp = Callable[[str, int], None]  # counter's name, by how much
Chunk = tuple[list[Any], int]  # records, and the size in bytes of what they were read from
Batch = tuple[Any, int]  # the same as Arrow data: an Array or a RecordBatch


class BadRecord(ZmrError):
    """A record that can't be read. `place` is where it is in the file: "line 17"."""

    def __init__(self, path: str, place: str, reason: str) -> None:
        super().__init__(f"{path}, {place}: {reason}" if place else f"{path}: {reason}")
        self.path = path
        self.place = place
        self.reason = reason
        self.text = ""  # of the record, if that is known


class InputFormat(ABC):
    """What a record is, and how to read them."""

    splittable: bool  # whether a file may be read in several pieces, if it isn't compressed
    ignored_names: frozenset[str] = frozenset()  # files in folders that hold no records
    keeps_bad = False  # give a `BadRecord` in place of one that can't be read, if that is possible
    chunk_bytes = 1 << 20  # about how much of a file is read for a list of records ...
    batch_bytes = 8 << 20  # ... and for a batch
    batch_share = 32  # of a task's memory it takes at most this part: map_batch makes more of it

    def fit(self, memory_bytes: int) -> None:
        """Make batches of a size that suits a task with so much memory."""
        self.batch_bytes = min(self.batch_bytes, max(1 << 20, memory_bytes // self.batch_share))

    def can_split(self, path: str) -> bool:
        """Whether this file may be read in several pieces."""
        return self.splittable and not is_compressed(path)

    @abstractmethod
    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        """The records of the split, in lists.

        Raises OSError if the file can't be read to its end, and `BadRecord`.
        """

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        """The records of the split as Arrow data, for `map_batch`. Raises what `read` does."""
        import pyarrow as pa

        for records, size_bytes in self.read(split, count):
            yield pa.array(records), size_bytes

    def locate(self, split: Split, index: int) -> str:
        """Where in the file the record is that came as number `index` (from 0) of the split."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
