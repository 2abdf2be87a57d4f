"""The shuffle's two messages, to bytes and back: a request for a piece, and its answer."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import DecodeError

from zmr.wire import records as r
from zmr.wire import zmr_pb2 as pb
from zmr.wire.codec import VERSION
from zmr.wire.records import BadFrame

__all__ = [
    "MAX_PIECE_BYTES",
    "MAX_UNDER_WAY",
    "BadFrame",
    "FetchReply",
    "FetchRequest",
    "decode_reply",
    "decode_request",
    "encode_reply",
    "encode_request",
]

# What one request may ask for.
MAX_PIECE_BYTES = 1024 * 1024

# How many requests one connection may have without an answer.
MAX_UNDER_WAY = 32


class FetchRequest(NamedTuple):
    id: int
    job_id: str
    map_index: int
    attempt: int
    offset: int
    size_bytes: int
    from_end: bool = False


class FetchReply(NamedTuple):
    id: int
    file_bytes: int
    error: str = ""


def encode_request(request: FetchRequest) -> bytes:
    """The bytes of a request."""
    encoded: bytes = pb.Fetch(
        version=VERSION,
        id=request.id,
        job_id=request.job_id,
        index=request.map_index,
        attempt=request.attempt,
        offset=request.offset,
        size_bytes=request.size_bytes,
        from_end=request.from_end,
    ).SerializeToString()
    return encoded


def decode_request(data: bytes) -> FetchRequest:
    """The request that the bytes hold. Raises `BadFrame`."""
    try:
        fetch = pb.Fetch.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadFrame("not a request for a piece of a map output") from error
    _require_version(fetch.version)
    return FetchRequest(
        fetch.id,
        r.name(fetch.job_id, "job id"),
        fetch.index,
        fetch.attempt,
        fetch.offset,
        r.bounded(fetch.size_bytes, MAX_PIECE_BYTES, "bytes in a piece"),
        fetch.from_end,
    )


def encode_reply(reply: FetchReply) -> bytes:
    """The bytes of the first part of an answer."""
    encoded: bytes = pb.Fetched(
        version=VERSION, id=reply.id, file_bytes=reply.file_bytes, error=r.text(reply.error)
    ).SerializeToString()
    return encoded


def decode_reply(data: bytes) -> FetchReply:
    """The answer that the bytes, its first part, hold. Raises `BadFrame`."""
    try:
        fetched = pb.Fetched.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadFrame("not an answer with a piece of a map output") from error
    _require_version(fetched.version)
    return FetchReply(fetched.id, fetched.file_bytes, fetched.error)


def _require_version(version: int) -> None:
    if version != VERSION:
        raise BadFrame(f"protocol version {version}, but this side speaks version {VERSION}")
