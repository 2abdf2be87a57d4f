"""Damaged files, through all readers: read alike in every way, or refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zmr import (
    BadRecord,
    Csv,
    FixedRecords,
    InputFormat,
    JsonLines,
    Lines,
    Parquet,
    TextBlocks,
    Warc,
    WholeFiles,
)
from zmr.messages import Split

_WORDS = ["a", "b", "word", "é", "語", '"quoted, one"', "", "12", "-3.5", "null", "{", "\\"]


def _text(rng: Random) -> bytes:
    lines = (" ".join(rng.choices(_WORDS, k=rng.randint(0, 8))) for _ in range(rng.randint(1, 40)))
    return rng.choice(["\n", "\r\n"]).join(lines).encode()


def _csv(rng: Random) -> bytes:
    rows = [f"{n},{rng.choice(_WORDS[:8])},{rng.random():.3f}" for n in range(rng.randint(0, 40))]
    return "\n".join(["a,b,c", *rows, ""]).encode()


def _json(rng: Random) -> bytes:
    rows = [f'{{"a": {n}, "b": "x{n}", "c": [{rng.random():.3f}]}}' for n in range(20)]
    return "\n".join(rows).encode()


def _parquet(rng: Random) -> bytes:
    n = rng.randint(1, 200)
    table = pa.table({"a": list(range(n)), "b": [f"x{i % 7}" for i in range(n)]})
    target = BytesIO()
    pq.write_table(table, target, compression=rng.choice(["none", "snappy", "zstd"]))
    return target.getvalue()


def _warc(rng: Random) -> bytes:
    body = _text(rng)
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return (head + body + b"\r\n\r\n") * rng.randint(1, 4)


def _zipped(data: bytes) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", data)
    return target.getvalue()


_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": _zipped,
    ".zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    ".lz4": lambda data: pa.Codec("lz4").compress(data, asbytes=True),
}
_KINDS: dict[str, tuple[Callable[[Random], bytes], list[InputFormat]]] = {
    "txt": (_text, [Lines(), Lines(text=False), TextBlocks(), WholeFiles(), FixedRecords(7)]),
    "csv": (_csv, [Csv(), Csv(types={"a": int, "c": float}), Csv(columns=["b"]), Csv(escape="\\")]),
    "jsonl": (_json, [JsonLines(), JsonLines(types={"a": int}, columns=["a"])]),
    "parquet": (_parquet, [Parquet(), Parquet(columns=["b"])]),
    "warc": (_warc, [Warc()]),
}


def fuzz_files(seed: int, n: int, folder: Path) -> str:
    """Read so many. Raises AssertionError if one is neither read alike nor refused."""
    rng = Random(f"files {seed}")
    outcomes: Counter[str] = Counter()
    for number in range(n):
        kind = rng.choice(list(_KINDS))
        make, formats = _KINDS[kind]
        suffix = rng.choice(list(_PACKED)) if kind != "parquet" else ""
        data = _PACKED[suffix](make(rng))
        path = folder / f"file.{kind}{suffix}"
        path.write_bytes(_damaged(rng, data) if rng.random() < 0.9 else data)
        for input_format in formats:
            outcomes[_read(input_format, path, number)] += 1
    path.unlink(missing_ok=True)
    return f"{n:,} files: " + ", ".join(f"{what} {times:,}" for what, times in outcomes.items())


def _read(input_format: InputFormat, path: Path, number: int) -> str:
    size_bytes = path.stat().st_size
    whole = Split(str(path), file_bytes=size_bytes)
    splits = [whole]
    try:
        if input_format.can_split(str(path)) and size_bytes > 1:
            middle = size_bytes // 2
            splits = [
                Split(str(path), 0, middle, size_bytes),
                Split(str(path), middle, size_bytes - middle, size_bytes),
            ]
    except (BadRecord, OSError):
        splits = [whole]
    ways = [
        _outcome(lambda: _records(input_format, [whole])),
        _outcome(lambda: _records(input_format, splits)),
        _outcome(lambda: _rows(input_format, [whole])),
    ]
    what = f"file {number}, {path}, by {input_format}"
    if "it can't be told" in ways[1]:  # where records begin; with what helps, so it is no answer
        ways[1] = ways[0]
    is_read = [isinstance(way, list) for way in ways]
    assert is_read[0] == is_read[1], f"{what}: in pieces {ways[1]!r:.500}, whole {ways[0]!r:.500}"
    if all(is_read) and isinstance(input_format, (Lines, Csv, FixedRecords)):
        assert ways[0] == ways[1], f"{what}: in pieces {ways[1]!r:.500}, whole {ways[0]!r:.500}"
        assert ways[0] == ways[2], f"{what}: in batches {ways[2]!r:.500}, not {ways[0]!r:.500}"
    return "read" if is_read[0] else "refused"


def _outcome(read: Callable[[], list[Any]]) -> list[Any] | str:
    """The records, or what is said of them; any other error is a mistake of zmr's."""
    try:
        return read()
    except (BadRecord, OSError) as error:
        return str(error)


def _uncounted(name: str, n: int) -> None:
    pass


def _records(input_format: InputFormat, splits: list[Split]) -> list[Any]:
    return [
        record
        for split in splits
        for chunk, _ in input_format.read(split, _uncounted)
        for record in chunk
    ]


def _rows(input_format: InputFormat, splits: list[Split]) -> list[Any]:
    return [
        row
        for split in splits
        for batch, _ in input_format.read_batches(split, _uncounted)
        for row in batch.to_pylist()
    ]


def _damaged(rng: Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(damaged) + 1)
        match rng.randint(0, 4):
            case 0 if damaged:
                damaged[at % len(damaged)] ^= 1 << rng.randrange(8)
            case 1 if rng.random() < 0.3:
                del damaged[at:]
            case 2:
                damaged[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                damaged[at:at] = damaged[at : at + rng.randint(0, 100)]
            case 4:
                del damaged[at : at + rng.randint(1, 10)]
    return bytes(damaged)
