"""Whoever speaks with a master or a worker without being what it should be: bare sockets."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import zmq

from support.process import WAIT_S
from zmr import messages as m
from zmr.net.keyring import Keyring
from zmr.sockets.curve import present
from zmr.wire import codec
from zmr.wire.address import parse
from zmr.wire.roles import Role

Socket = zmq.Socket[bytes]


class Peer:
    """A connection with the master at `address`, on which anything at all can be sent.

    It has the key for this role, as any process of the same user; None: it has none.
    """

    def __init__(
        self, context: zmq.Context[Socket], address: str, role: Role | None = Role.WORKER
    ) -> None:
        self.socket = context.socket(zmq.DEALER)
        if role is not None:
            key = Keyring(parse(address)).find(role)
            assert key is not None, f"no key for {address}"
            present(self.socket, key.master, key.pair)
        self.socket.connect(address)
        self.epoch = 0

    def send(self, *parts: bytes) -> None:
        """Send the parts as one ZeroMQ message."""
        self.socket.send_multipart(parts)

    def say(self, *messages: m.Message) -> None:
        """Send the messages as one good frame, in the epoch that the peer last heard of."""
        self.send(codec.encode(m.Frame(self.epoch, messages)))

    def answer(self) -> Sequence[m.Message]:
        """Wait for the next frame; return what it says."""
        assert self.socket.poll(int(WAIT_S * 1000)), f"no answer within {WAIT_S} s"
        frame = codec.decode(self.socket.recv())
        self.epoch = frame.epoch
        return frame.messages

    def snapshot(self) -> m.Snapshot:
        """Ask for a snapshot; return it, and pass over all that is answered before."""
        self.say(m.GetSnapshot())
        while True:
            for answer in self.answer():
                if isinstance(answer, m.Snapshot):
                    return answer

    def register(self, slots: int = 1) -> Sequence[m.Message]:
        """Become a worker, who never asks for work; return the answer."""
        self.say(m.Register("impostor", "nowhere", 1, slots))
        return self.answer()


class FakeMaster:
    """Listens as a master does, and knows one worker: the one that spoke last."""

    def __init__(self, context: zmq.Context[Socket]) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self.socket.bind("tcp://127.0.0.1:*")
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.worker = b""

    def heard(self, *kinds: type[m.Message]) -> m.Message:
        """Wait for a message of one of these kinds; return it."""
        while True:
            assert self.socket.poll(int(WAIT_S * 1000)), f"none of {kinds} within {WAIT_S} s"
            self.worker, data = self.socket.recv_multipart()
            for message in codec.decode(data).messages:
                if isinstance(message, kinds):
                    return message

    def send(self, *parts: bytes) -> None:
        """Send the parts to the worker as one ZeroMQ message."""
        self.socket.send_multipart([self.worker, *parts])

    def say(self, *messages: m.Message, epoch: int) -> None:
        self.send(codec.encode(m.Frame(epoch, messages)))


@contextmanager
def peer_of(
    context: zmq.Context[Socket], address: str, role: Role | None = Role.WORKER
) -> Iterator[Peer]:
    """Give a peer of the master at `address`."""
    peer = Peer(context, address, role)
    try:
        yield peer
    finally:
        peer.socket.close(linger=0)


def zmtp_greeting(socket_type: str) -> bytes:
    """What a ZeroMQ socket of this type says first, on a bare TCP connection (ZMTP 3.0)."""
    signature, version = b"\xff" + bytes(8) + b"\x7f", b"\x03\x00"
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(socket_type))
    ready += socket_type.encode()
    greeting = signature + version + b"NULL".ljust(20, b"\0") + bytes(32)
    return greeting + b"\x04" + bytes([len(ready)]) + ready


def zmtp_message(body: bytes) -> bytes:
    """A message of one part, as it follows then."""
    return b"\x02" + struct.pack(">Q", len(body)) + body
