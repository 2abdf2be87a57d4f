"""The shuffle's messages to protobuf and back.

Made from proto/zmr.proto and zmr/shuffle/messages.py by `tox -e proto -- --write`. Do not edit.

A function `write_...` fills a message of protobuf (`p`) from a value (`v`); `read_...` makes the
value, or raises `BadFrame` for one that breaks a check.
"""

from __future__ import annotations

from typing import Any

from zmr.shuffle import messages as s
from zmr.wire import checks as c


def write_fetch_request(p: Any, v: s.FetchRequest) -> None:
    p.id = v.id
    p.job_id = c.text(v.job_id)
    p.map_index = v.map_index
    p.attempt = v.attempt
    p.offset = v.offset
    p.size_bytes = v.size_bytes
    if v.from_end:
        p.from_end = v.from_end


def read_fetch_request(p: Any) -> s.FetchRequest:
    return s.FetchRequest(
        p.id,
        c.name(p.job_id, "job id"),
        p.map_index,
        p.attempt,
        p.offset,
        c.at_most(p.size_bytes, 1048576, "bytes in a piece"),
        p.from_end,
    )


def write_fetch_reply(p: Any, v: s.FetchReply) -> None:
    p.id = v.id
    p.file_bytes = v.file_bytes
    if v.error:
        p.error = c.text(v.error)


def read_fetch_reply(p: Any) -> s.FetchReply:
    return s.FetchReply(p.id, p.file_bytes, p.error)
