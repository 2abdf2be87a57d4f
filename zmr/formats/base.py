"""What an input format is. `zmr.formats` says what it promises."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from errno import ESTALE
from typing import TYPE_CHECKING, Any, TypeVar

from zmr.errors import ZmrError
from zmr.formats.compression import is_compressed
from zmr.messages import Split

if TYPE_CHECKING:
    from zmr.columns.arrays import Index

CountUp = Callable[[str, int], None]  # counter's name, by how much
Chunk = tuple[list[Any], int]  # records, and the size in bytes of what they were read from
Batch = tuple[Any, int]  # the same as Arrow data: an Array or a RecordBatch
Piece = TypeVar("Piece", Chunk, Batch)


class BadRecord(ZmrError):
    """A record that can't be read: in the file `path`, at `place` ("line 17"), for this `reason`.

    `text` is the record as it stands in the file, if that is known.
    """

    def __init__(self, path: str, place: str, reason: str) -> None:
        super().__init__(f"{path}, {place}: {reason}" if place else f"{path}: {reason}")
        self.path = path
        self.place = place
        self.reason = reason
        self.text = ""


def unchanged(split: Split, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """What is read of the split. Raises OSError if the file's size is not what it was when planned.

    A file that has grown or shrunk would give records that no single state of it had.
    """
    _check_size(split)
    yield from pieces
    _check_size(split)


def _check_size(split: Split) -> None:
    if split.file_bytes < 0:
        return
    try:
        size_bytes = os.stat(split.path).st_size
    except (OSError, ValueError):  # the format's own error says more, if this is one
        return
    if size_bytes != split.file_bytes:
        change = "grown" if size_bytes > split.file_bytes else "shrunk"
        sizes = f"from {split.file_bytes:,} to {size_bytes:,} bytes"
        raise OSError(ESTALE, f"the file has {change} since the job began, {sizes}", split.path)


def unique_names(names: Iterable[str]) -> list[str]:
    """The names of columns; one that was there before gets a number: id, id_2."""
    found: dict[str, None] = {}
    last: dict[str, int] = {}
    for name in names:
        unique, number = name, last.get(name, 1)
        while unique in found:
            number += 1
            unique = f"{name}_{number}"
        last[name] = number
        found[unique] = None
    return list(found)


class InputFormat(ABC):
    r"""What a record of an input file is, and how records are read. Subclasses define `read`.

    One instance reads many splits, so it keeps nothing open between them.

    Example:
        class Paragraphs(zmr.InputFormat):
            splittable = False

            def read(self, split, count):
                with open(split.path) as file:
                    text = file.read()
                yield text.split("\n\n"), len(text)
    """

    splittable: bool  # whether a file may be read in several pieces, if it isn't compressed
    ignored_names: frozenset[str] = frozenset()  # files in folders that hold no records
    needs_lines_before = False  # splits are to say how many lines come before them in the file
    keeps_bad = False  # yield a `BadRecord` in place of a bad record, where that is possible
    chunk_bytes = 1 << 20  # about how much of a file is read for a list of records ...
    batch_bytes = 8 << 20  # ... and for a batch
    batch_share = 32  # a batch has at most this part of a task's memory: map_batch needs the rest

    def fit(self, memory_bytes: int) -> None:
        """Limit the size of batches for a task with this much memory."""
        self.batch_bytes = min(self.batch_bytes, max(1 << 20, memory_bytes // self.batch_share))

    def only(self, names: Collection[str]) -> InputFormat:
        """A format whose records may have these columns alone, as nobody looks at the others."""
        return self

    def can_split(self, path: str) -> bool:
        """Whether this file may be read in several pieces. Raises OSError and `BadRecord`."""
        return self.splittable and not is_compressed(path)

    @abstractmethod
    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        """The records of the split, in lists; with each, how many bytes of the file it took.

        `count(name, n)` adds to a counter of the job. Raises OSError if the file can't be read to
        its end, and `BadRecord`.
        """

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        """The records of the split as Arrow data, for `map_batch`, and how many bytes each took.

        Unless a format defines it, a batch is an Arrow array of the records. Raises what `read`
        does.
        """
        import pyarrow as pa

        for records, size_bytes in self.read(split, count):
            yield pa.array(records), size_bytes

    def read_all(
        self, splits: Sequence[Split], count: CountUp
    ) -> Iterator[tuple[Split, Iterator[Chunk]]]:
        """Each split in turn, with what `read` gives of it. Small files may be read together."""
        for split in splits:
            yield split, self.read(split, count)

    def read_all_batches(
        self, splits: Sequence[Split], count: CountUp
    ) -> Iterator[tuple[Split, Iterator[Batch]]]:
        """Each split in turn, with what `read_batches` gives of it."""
        for split in splits:
            yield split, self.read_batches(split, count)

    def offsets(self, split: Split) -> Iterator[Index | range]:
        """Where in the file each record of the split begins, in lists that are not empty.

        In bytes, of a compressed file as decompressed. Nothing if that can't be said. Raises what
        `read` does, of what keeps it from reading on.
        """
        return iter(())

    def locate(self, split: Split, index: int) -> str:
        """Where in the file the record number `index` (from 0) of the split is: "line 17".

        "" if that can't be said.
        """
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
