"""The pairs that an earlier step of a pipeline has put out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from zmr.display import shown
from zmr.formats.base import BadRecord, Batch, Chunk, CountUp, InputFormat
from zmr.messages import Split

if TYPE_CHECKING:
    import pyarrow as pa


class Pairs(InputFormat):
    """A record is a (key, value) pair, as it was put out.

    For `map_batch`, a batch has the columns "key", or for tuples "key.0", "key.1", ..., and
    "value".
    """

    splittable = True

    def can_split(self, path: str) -> bool:
        return True

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        from zmr.formats.pairs import pairs_of, read_blocks

        for batch, size_bytes in read_blocks(split.path, split.offset, split.length):
            try:
                pairs = pairs_of(batch)
            except Exception as error:  # of the unpickling of the job's own classes
                reason = f"a pair can't be made again: {type(error).__name__}: {error}"
                raise BadRecord(split.path, "", reason) from error
            yield pairs, size_bytes

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        from zmr.formats.pairs import read_blocks

        for batch, size_bytes in read_blocks(split.path, split.offset, split.length):
            refuse_pickled(batch, split.path)
            yield batch, size_bytes

    def locate(self, split: Split, index: int) -> str:
        """Which pair it is, and its key: the file is gone before anybody can look."""
        pairs = (pair for chunk, _ in self.read(split, lambda name, n: None) for pair in chunk)
        pair = next(islice(pairs, index, None), None)
        since = f" from byte {split.offset} on" if split.offset else ""
        return f"pair {index + 1}{since}" + (f", key {shown(pair[0])}" if pair is not None else "")


def refuse_pickled(batch: pa.RecordBatch, path: str = "") -> None:
    """Raise `BadRecord` if map_batch would get pickles."""
    from zmr.formats.pairs import pickled_columns

    names = pickled_columns(batch)
    if names:
        raise BadRecord(
            path,
            "",
            f"the column {names[0]!r} holds what is no Arrow data, or of several types: "
            "map_batch can't get it; write map",
        )
