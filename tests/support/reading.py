"""What an input format makes of a file, in one piece or cut anywhere, as records or as batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from zmr import InputFormat
from zmr.messages import Split

# Lines of all lengths, all line ends, NUL, marks, cut-off and impossible UTF-8.
_PARTS = [
    b"a", b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf",
    "ü".encode(), "語".encode(), b"\xff", b"\xe8",
]  # fmt: skip
TEXT_BYTES = st.lists(st.sampled_from(_PARTS)).map(b"".join)


class Read(NamedTuple):
    """Records, counters, and the bytes that they were read from."""

    records: list[Any]
    counters: dict[str, int]
    size_bytes: int


def read(input_format: InputFormat, *splits: Split) -> Read:
    counters: Counter[str] = Counter()

    def count(name: str, n: int) -> None:
        counters[name] += n

    chunks = [chunk for split in splits for chunk in input_format.read(split, count)]
    return Read([r for some, _ in chunks for r in some], dict(counters), sum(n for _, n in chunks))


def read_batches(input_format: InputFormat, *splits: Split) -> Read:
    """Do the same by way of Arrow, and return the batches as the Python values in them."""
    counters: Counter[str] = Counter()

    def count(name: str, n: int) -> None:
        counters[name] += n

    batches = [batch for split in splits for batch in input_format.read_batches(split, count)]
    for batch, _ in batches:
        batch.validate(full=True)
    records = [record for batch, _ in batches for record in batch.to_pylist()]
    return Read(records, dict(counters), sum(n for _, n in batches))


def write_input(path: Path, text: str | bytes) -> Split:
    """Make a file of the text, and return the split that is all of it."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Split(str(path))


def cut(path: Path, at: Iterable[int]) -> list[Split]:
    """Return the splits of a file that is cut at some of these places, those that it has."""
    size = path.stat().st_size
    edges = sorted({0, size, *(place for place in at if place < size)})
    return [Split(str(path), a, b - a) for a, b in pairwise(edges)] or [Split(str(path))]


def in_pieces(input_format: InputFormat, size_bytes: int) -> InputFormat:
    """Return the format, which from now on reads this little at a time."""
    input_format.chunk_bytes = input_format.batch_bytes = size_bytes
    return input_format
