"""The shuffle's two messages, to bytes and back."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import DecodeError

from zmr.wire import zmr_pb2 as pb
from zmr.wire.codec import VERSION
from zmr.wire.records import BadFrame

__all__ = ["MAX_PIECE_BYTES", "BadFrame", "FetchReply", "FetchRequest"]

# What one request may ask for.
MAX_PIECE_BYTES = 1024 * 1024


class FetchRequest(NamedTuple):
    id: int
    path: str
    offset: int
    size_bytes: int


class FetchReply(NamedTuple):
    id: int
    file_bytes: int
    error: str


def encode_request(request: FetchRequest) -> bytes:
    """The bytes of a request."""
    path = request.path.encode("utf-8", "surrogateescape")
    encoded: bytes = pb.Fetch(
        version=VERSION,
        id=request.id,
        path=path,
        offset=request.offset,
        size_bytes=request.size_bytes,
    ).SerializeToString()
    return encoded


def decode_request(data: bytes) -> FetchRequest:
    """The request that the bytes hold. Raises `BadFrame`."""
    try:
        fetch = pb.Fetch.FromString(data)
        path = fetch.path.decode("utf-8", "surrogateescape")
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadFrame("not a request for a piece of a file") from error
    if fetch.version != VERSION or fetch.size_bytes > MAX_PIECE_BYTES or "\0" in path:
        raise BadFrame("a request of another version, or for too much")
    return FetchRequest(fetch.id, path, fetch.offset, fetch.size_bytes)


def encode_reply(id: int, file_bytes: int, error: str = "") -> bytes:
    """The first part of a reply."""
    error = error.encode("utf-8", "backslashreplace").decode()
    encoded: bytes = pb.Fetched(
        version=VERSION, id=id, file_bytes=file_bytes, error=error
    ).SerializeToString()
    return encoded


def decode_reply(data: bytes) -> FetchReply:
    """The reply that the bytes hold. Raises `BadFrame`."""
    try:
        fetched = pb.Fetched.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadFrame("not a reply with a piece of a file") from error
    if fetched.version != VERSION:
        raise BadFrame("a reply of another version")
    return FetchReply(fetched.id, fetched.file_bytes, fetched.error)
