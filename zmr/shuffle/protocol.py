"""The shuffle's two messages, to bytes and back: a request for a piece, and its answer."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from zmr.fields import MAX_PIECE_BYTES
from zmr.shuffle import converters
from zmr.shuffle.messages import FetchReply, FetchRequest
from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import BadFrame
from zmr.wire.codec import VERSION

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

# How many requests one connection may have without an answer.
MAX_UNDER_WAY = 32


def encode_request(request: FetchRequest) -> bytes:
    """The bytes of a request."""
    fetch = pb.FetchRequest(version=VERSION)
    converters.write_fetch_request(fetch, request)
    encoded: bytes = fetch.SerializeToString()
    return encoded


def decode_request(data: bytes) -> FetchRequest:
    """The request that the bytes hold. Raises `BadFrame`."""
    try:
        fetch = pb.FetchRequest.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadFrame("not a request for a piece of a map output") from error
    _require_version(fetch.version)
    return converters.read_fetch_request(fetch)


def encode_reply(reply: FetchReply) -> bytes:
    """The bytes of the first part of an answer."""
    fetched = pb.FetchReply(version=VERSION)
    converters.write_fetch_reply(fetched, reply)
    encoded: bytes = fetched.SerializeToString()
    return encoded


def decode_reply(data: bytes) -> FetchReply:
    """The answer that the bytes, its first part, hold. Raises `BadFrame`."""
    try:
        fetched = pb.FetchReply.FromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise BadFrame("not an answer with a piece of a map output") from error
    _require_version(fetched.version)
    return converters.read_fetch_reply(fetched)


def _require_version(version: int) -> None:
    if version != VERSION:
        raise BadFrame(f"protocol version {version}, but this side speaks version {VERSION}")
