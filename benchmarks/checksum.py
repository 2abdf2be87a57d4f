"""Whether a result is the right one: checksums that don't depend on order, and the order itself.

The checksum of lines or records is the sum of a 64-bit hash of each, so that every engine may
write them in any order, to as many files as it likes. A line that is missing, doubled or changed
changes the sum, except with a chance of about one in 2 ** 64: hashes are mixed before they are
added, so that errors don't cancel.

A result is a folder. Its files are read in the order of their names, numbers in them counting as
numbers, without those whose names begin with `_` or `.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import KEY_BYTES, RECORD_BYTES

CHUNK_BYTES = 1 << 18  # what the arrays made of it fit into the processor's cache
_MASK = (1 << 64) - 1
_LF = 10
_TEXT_BYTES = RECORD_BYTES - 2  # a record without its CR LF
_PERIOD = 4096  # positions in a line have this many weights

_random = np.random.PCG64(20_000).random_raw
_OF_BYTE = _random(256) | np.uint64(1)
_OF_POSITION = _random(_PERIOD) | np.uint64(1)

Words = NDArray[np.uint64]


class WrongResult(Exception):
    """A result that is not the expected one; the text says how."""


@dataclass(frozen=True, slots=True)
class Digest:
    """How many lines or records there are, and the sum of their hashes."""

    count: int
    sum: int

    def require(self, expected: Digest, noun: str) -> None:
        """Raise `WrongResult` unless this is the digest that is expected."""
        if self.count != expected.count:
            raise WrongResult(f"{self.count:,} {noun}, not {expected.count:,}")
        if self.sum != expected.sum:
            raise WrongResult(f"the right number of {noun}, but not the right ones")


def result_files(folder: Path) -> list[Path]:
    """The files of a result, in their order. Raises `WrongResult` if there is no such folder."""
    if not folder.is_dir():
        raise WrongResult("no output")
    files = [path for path in folder.iterdir() if path.is_file() and path.name[0] not in "_."]
    return sorted(files, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _PARTS(path.name)]


_PARTS = re.compile(r"\d+|\D+").findall


def digest_of_lines(chunks: Iterable[bytes]) -> Digest:
    """The digest of the lines, given in chunks of whole lines that end with LF."""
    count = total = 0
    for chunk in chunks:
        data = np.frombuffer(chunk, np.uint8)
        ends = np.flatnonzero(data == _LF)
        starts = np.concatenate(([0], ends[:-1] + 1))
        position = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
        value = _OF_BYTE[data] * _OF_POSITION[position % _PERIOD]
        count += len(ends)
        total += _sum_of(np.add.reduceat(value, starts))
    return Digest(count, total & _MASK)


def lines_of(files: Iterable[Path]) -> Iterator[bytes]:
    """The lines of the files, in chunks of whole ones. A file's last LF may lack."""
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                chunk += file.readline()
                yield chunk if chunk[-1] == _LF else chunk + b"\n"


def digest_of_records(files: Iterable[Path], *, in_order: bool) -> Digest:
    """The digest of the records of 100 bytes, over all files.

    A record may have lost its CR, which engines that read text take for a part of the line's end.
    With `in_order`, raises `WrongResult` if a key is smaller than the one before it.
    """
    count = total = 0
    before: Words | None = None
    for rows in _record_rows(files):
        count += len(rows)
        total += _sum_of(_hashes(rows))
        if in_order:
            keys = _keys(rows) if before is None else np.vstack((before, _keys(rows)))
            _require_order(keys, count - len(rows))
            before = keys[-1:]
    return Digest(count, total & _MASK)


def _record_rows(files: Iterable[Path]) -> Iterator[NDArray[np.uint8]]:
    for path in files:
        with path.open("rb") as file:
            stride = _stride(path, file.read(RECORD_BYTES))
            file.seek(0)
            while chunk := file.read(stride * 40_000):
                if len(chunk) % stride:
                    raise WrongResult(f"{path.name} ends in the middle of a record")
                rows = np.frombuffer(chunk, np.uint8).reshape(-1, stride)
                if (rows[:, -1] != _LF).any():
                    raise WrongResult(f"{path.name} holds what is no record")
                yield rows[:, :_TEXT_BYTES]


def _stride(path: Path, first: bytes) -> int:
    for stride in (RECORD_BYTES, RECORD_BYTES - 1):
        if len(first) >= stride and first[stride - 1] == _LF:
            return stride
    if not first:
        return RECORD_BYTES
    raise WrongResult(f"{path.name} holds what is no record")


def _hashes(rows: NDArray[np.uint8]) -> Words:
    padded = np.zeros((len(rows), 104), np.uint8)
    padded[:, :_TEXT_BYTES] = rows
    words = padded.view("<u8")
    hashes = np.zeros(len(rows), np.uint64)
    for column in range(words.shape[1]):
        # Mixed in between: the last digits of a record's number sit in the high bytes of a word.
        hashes = _mix(hashes + words[:, column] * _OF_POSITION[column])
    return hashes


def _keys(rows: NDArray[np.uint8]) -> Words:
    """Two columns whose order is that of the keys."""
    padded = np.zeros((len(rows), 16), np.uint8)
    padded[:, :KEY_BYTES] = rows[:, :KEY_BYTES]
    return padded.view(">u8").astype(np.uint64)


def _require_order(keys: Words, first: int) -> None:
    high, low = keys[:, 0], keys[:, 1]
    smaller = (high[1:] < high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] < low[:-1]))
    if smaller.any():
        where = first + int(np.flatnonzero(smaller)[0])
        raise WrongResult(f"out of order at about record {where:,}")


def _sum_of(hashes: Words) -> int:
    return int(np.add.reduce(_mix(hashes), dtype=np.uint64))


def _mix(words: Words) -> Words:
    """The finaliser of SplitMix64."""
    words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)
