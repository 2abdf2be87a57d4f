"""Where a worker serves its map outputs, as one text: a ZeroMQ endpoint, and the server's key.

    tcp://10.0.0.5:40123#KEY     KEY: the public half, 32 bytes in base64url
    ipc:///tmp/.../shuffle       a socket in a folder that other users can't enter

Only the master and its workers get to know the key, which is new with each worker: so to know it is
the right to read its map outputs. Texts for people leave it out.
"""

from __future__ import annotations

import os

import zmq
from zmq.utils import z85

from zmr.errors import AddressError
from zmr.sockets.curve import from_text, new_pair, present, to_text

_NAME = ".shuffle"

# The longest path of a Unix socket, by the system's `sockaddr_un`; macOS has four less.
_LONGEST_PATH_BYTES = 103


def with_key(endpoint: str, public: bytes) -> str:
    """The text for an endpoint whose server has this key, in Z85."""
    return f"{endpoint}#{to_text(z85.decode(public))}"


def without_key(text: str) -> str:
    """The endpoint alone."""
    return text.partition("#")[0]


def connect(socket: zmq.Socket[bytes], text: str) -> None:
    """Connect the socket to the server. Raises `AddressError` if that makes no sense."""
    endpoint, _, key = text.partition("#")
    try:
        if key:
            present(socket, z85.encode(from_text(key)), new_pair())
        if "[" in endpoint:
            socket.setsockopt(zmq.IPV6, 1)
        socket.connect(endpoint)
    except (ValueError, zmq.ZMQError) as error:
        raise AddressError(f"{endpoint} is no address of a worker: {error}") from None


def ipc_in(folder: str) -> str | None:
    """An endpoint of this machine in a folder that other users can't enter; None: its path is too
    long for one.
    """
    path = os.path.join(folder, _NAME)
    return f"ipc://{path}" if len(os.fsencode(path)) <= _LONGEST_PATH_BYTES else None
