"""What a slot and the shuffle server of another worker send each other, as plain values.

As in `zmr.messages`: these are the messages of `proto/zmr.proto`, field by field, and
`tox -e proto -- --write` makes the code between the two (`zmr/shuffle/converters.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from zmr import fields as f


class FetchRequest(NamedTuple):
    """Asks for a piece of a map output."""

    id: int  # the sender's own number for the piece
    job_id: f.JobId
    map_index: int
    attempt: int
    offset: int
    size_bytes: f.PieceSize
    from_end: bool = False  # the last `size_bytes` of the file, or all if it has fewer


class FetchReply(NamedTuple):
    """The answer; the bytes of the piece come beside it."""

    id: int
    file_bytes: int  # the size of the whole file
    error: str = ""  # not empty: there are no bytes, and why
