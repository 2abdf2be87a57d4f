"""CURVE on ZeroMQ sockets: everything that passes is encrypted, and both ends prove who they are.

A server has a key pair whose public half the peers know beforehand; each peer has one of its own
(http://rfc.zeromq.org/spec:26). Keys are in Z85 here, 40 bytes, as libzmq takes them.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

import zmq
from zmq.utils import z85

from zmr.errors import KeyFileError

KEY_BYTES = 32

# libzmq asks its own user (ZAP, `zmr.net.zap`) about each peer of a socket with this domain; where
# nobody answers, nobody gets in.
_ZAP_DOMAIN = b"zmr"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both halves, in Z85."""

    public: bytes
    secret: bytes = field(repr=False)


def to_text(data: bytes) -> str:
    """The bytes of keys in base64url, without padding: Z85 has characters that shells change."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """What `to_text` was given. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_pair() -> KeyPair:
    """A pair that nobody has had before. Raises `KeyFileError` where ZeroMQ has no CURVE."""
    require_curve()
    return KeyPair(*zmq.curve_keypair())


def pair_of(secret: bytes) -> KeyPair:
    """The pair whose secret half are these 32 bytes: any will do. Raises `KeyFileError`."""
    require_curve()
    encoded = z85.encode(secret)
    return KeyPair(zmq.curve_public(encoded), encoded)


def require_curve() -> None:
    """Raise `KeyFileError` if this ZeroMQ has been built without encryption."""
    if not zmq.has("curve"):
        raise KeyFileError(
            f"ZeroMQ {zmq.zmq_version()} of this Python has no CURVE encryption: install pyzmq "
            "as a wheel, or give --insecure where nobody else can reach the ports"
        )


def serve(socket: zmq.Socket[bytes], pair: KeyPair, with_roles: bool) -> None:
    """Have the socket, before it is bound, take peers that know the pair's public half.

    `with_roles`: and only those whose own key the context's ZAP handler accepts.
    """
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)
    if with_roles:
        socket.setsockopt(zmq.ZAP_DOMAIN, _ZAP_DOMAIN)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)


def present(socket: zmq.Socket[bytes], server: bytes, own: KeyPair) -> None:
    """Have the socket's next connections be with the holder of `server`'s secret half alone."""
    socket.setsockopt(zmq.CURVE_SERVERKEY, server)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret)
