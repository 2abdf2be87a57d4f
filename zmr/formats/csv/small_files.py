"""Many small files with one header: read together, as one block, and taken apart again.

To open a file in all its forms and to begin Arrow's parser takes longer than to parse a hundred
rows. So files that follow each other, and begin with the same header byte for byte, are parsed as
one text. Whatever is unusual about one of them has all of them read one by one, by the code that
knows what to say about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from zmr.formats.arrow_text import valid_utf8
from zmr.formats.base import BadRecord, Piece
from zmr.formats.compression import is_compressed
from zmr.formats.csv.parser import CsvParser
from zmr.formats.line_blocks import Place
from zmr.formats.text_input import BYTE_ORDER_MARK, UTF8, has_text_head, is_plain_text
from zmr.messages import Split

_SMALL_FILE_BYTES = 1 << 16
_GROUP_BYTES = 1 << 20
_GROUP_FILES = 1000

Make = Callable[[CsvParser, Place, memoryview], Any]  # a list of records, or a record batch


class _Group(NamedTuple):
    """Splits that are whole files, and what stands in these after the header."""

    splits: Sequence[Split]
    parser: CsvParser
    texts: Sequence[bytes]


def read_together(
    splits: Sequence[Split],
    parser_of: Callable[[str], CsvParser | None],
    make: Make,
    alone: Callable[[Split], Iterator[Piece]],
) -> Iterator[tuple[Split, Iterator[Piece]]]:
    """Each split, in turn, with its pieces: what `alone` gives, the smaller files sooner."""
    at = 0
    while at < len(splits):
        group = _group_from(splits, at, parser_of)
        pieces = _pieces(group, make) if group is not None else None
        if group is None or pieces is None:
            n = len(group.splits) if group is not None else 1
            for split in splits[at : at + n]:
                yield split, alone(split)
        else:
            n = len(group.splits)
            yield from zip(group.splits, pieces, strict=True)
        at += n


def _group_from(
    splits: Sequence[Split], at: int, parser_of: Callable[[str], CsvParser | None]
) -> _Group | None:
    """The longest group that begins here; None if there are no two files for one."""
    if at + 1 >= len(splits) or not (_is_small(splits[at]) and _is_small(splits[at + 1])):
        return None
    first = splits[at].path
    try:
        parser = parser_of(first) if is_plain_text(first, UTF8) else None
    except (OSError, BadRecord):
        return None
    data = _content(splits[at])
    if parser is None or data is None or not parser.rows.is_plain:
        return None
    header = data[: parser.begin]
    if header not in (b"", BYTE_ORDER_MARK) and not header.endswith(b"\n"):
        return None
    texts: list[bytes] = []
    size_bytes = 0
    for split in splits[at : at + _GROUP_FILES]:
        more = _content(split) if _is_small(split) else None
        if more is None or not more.startswith(header):
            break
        if not header and (more.startswith(BYTE_ORDER_MARK) or not has_text_head(more)):
            break  # with a header in common, another file is text if the first one is
        size_bytes += len(more)
        if size_bytes > _GROUP_BYTES:
            break
        texts.append(more[len(header) :])
    return _Group(splits[at : at + len(texts)], parser, texts) if len(texts) > 1 else None


def _pieces(group: _Group, make: Make) -> list[Iterator[Any]] | None:
    """The pieces of each file; None if they have to be read one by one."""
    whole = [text if text.endswith(b"\n") else text + b"\n" for text in group.texts]
    block = memoryview(b"".join(whole))
    ends = np.array(list(accumulate(map(len, whole))), np.int64)
    invalid: list[str] = []
    valid_utf8(block, lambda name, n: invalid.append(name))
    if invalid or len(group.parser.rows.quoted(block).outside(ends)) < len(ends):
        return None
    rows = [0, *np.searchsorted(group.parser.rows.starts(block), ends).tolist()]
    try:
        made = make(group.parser, Place(group.splits[0].path, group.parser.begin), block)
    except BadRecord:
        return None
    if len(made) != rows[-1]:
        return None
    pieces = []
    for text, start, end in zip(group.texts, rows, rows[1:], strict=False):
        piece = made[start:end] if isinstance(made, list) else made.slice(start, end - start)
        pieces.append(iter([(piece, len(text))] if end > start else []))
    return pieces


def _is_small(split: Split) -> bool:
    """Whether the split is a small file, all of it."""
    is_whole = split.offset == 0 and split.length in (-1, split.file_bytes)
    is_small = is_whole and 0 < split.file_bytes <= _SMALL_FILE_BYTES
    return is_small and not is_compressed(split.path)


def _content(split: Split) -> bytes | None:
    """What stands in the file; None if that can't be read, or is not what was planned."""
    try:
        with open(split.path, "rb", buffering=0) as file:
            data = file.read(split.file_bytes + 1)
    except (OSError, ValueError):
        return None
    return data if len(data) == split.file_bytes else None
