"""The master end of the connections: frames from many peers, and to each of them.

`zmr.net.uplink` is the worker end, `zmr.net.client` that of commands.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import zmq

from zmr import messages as m
from zmr.net.reactor import Reactor
from zmr.net.trace import described
from zmr.wire import codec
from zmr.wire.parts import FramesToMaster
from zmr.wire.roles import Role

log = logging.getLogger("zmr.master")

# Frames taken in one go, and for how long, so that timers get their turn in between and answers do
# not wait for other peers' large frames.
_FRAMES_A_TURN = 500
_LONGEST_TURN_S = 0.1

# libzmq drops the connection of a peer that sends more than this, and keeps no more of one that has
# not shown a key yet; less can be answered and counted.
_LARGEST_MESSAGE_BYTES = 2 * codec.TO_MASTER_LIMIT_BYTES

# Frames of a peer that wait for the master; the others wait in the network, and with the peer.
_MOST_UNREAD = 100

# Frames that wait for a peer that does not read; more are dropped, and asked for again. One may be
# of megabytes: how all jobs stand, by names and reasons that others have made up.
_MOST_WAITING = 24

LINGER_MS = 1000

OnFrame = Callable[[bytes, m.Frame], None]
OnBadFrame = Callable[[bytes, codec.BadFrame], None]


class Peers(Protocol):
    """The master end: frames to and from workers and clients."""

    def watch(self, reactor: Reactor, on_frame: OnFrame, on_bad_frame: OnBadFrame) -> None:
        """Call `on_frame` with each frame that arrives, and the routing id of its sender."""

    def send(self, peers: Sequence[bytes], epoch: int, messages: Sequence[m.Message]) -> None:
        """The same to each of the peers.

        Never waits, and drops what can't be sent: what must not be lost is repeated.
        """


def control_socket(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """The ROUTER, to be bound by the caller."""
    socket = context.socket(zmq.ROUTER)
    # A message to a peer that is gone raises, rather than vanishing; a peer that reconnects under
    # its routing id takes over from its dead connection.
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
    socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_MESSAGE_BYTES)
    socket.setsockopt(zmq.RCVHWM, _MOST_UNREAD)
    socket.setsockopt(zmq.SNDHWM, _MOST_WAITING)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    return socket


class Router:
    """`Peers` on a bound ROUTER, which belongs to the caller.

    `with_roles`: each peer has a key, and may send what its role allows.
    """

    def __init__(self, socket: zmq.Socket[bytes], with_roles: bool = False) -> None:
        self._socket = socket
        self._with_roles = with_roles
        self._frames = FramesToMaster()
        self._is_tracing = log.isEnabledFor(logging.DEBUG)

    def watch(self, reactor: Reactor, on_frame: OnFrame, on_bad_frame: OnBadFrame) -> None:
        """Call `on_frame` with each frame that arrives, and the routing id of its sender."""

        def on_readable() -> None:
            until = time.monotonic() + _LONGEST_TURN_S
            for _ in range(_FRAMES_A_TURN):
                if time.monotonic() > until:
                    return
                try:
                    routing_id, *parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                except zmq.Again:
                    return
                peer = routing_id.bytes
                try:
                    role = _role_of(parts[-1]) if self._with_roles and parts else None
                    frame = self._frames.take(peer, role, [part.buffer for part in parts])
                except codec.BadFrame as error:
                    on_bad_frame(peer, error)
                    continue
                if frame is not None:
                    if self._is_tracing:
                        log.debug("from %s: %s", _short_id(peer), described(frame.messages))
                    on_frame(peer, frame)

        reactor.watch(self._socket, on_readable)

    def send(self, peers: Sequence[bytes], epoch: int, messages: Sequence[m.Message]) -> None:
        """Never waits, and drops what can't be sent. It is encoded once for all peers."""
        frames = tuple(codec.encode_all(epoch, messages))
        for peer in peers:
            if self._is_tracing:
                log.debug("to %s: %s", _short_id(peer), described(messages))
            for frame in frames:
                try:
                    self._socket.send_multipart([peer, frame], zmq.NOBLOCK)
                except zmq.ZMQError as error:  # gone, or too far behind
                    log.debug("not sent to %s: %s", _short_id(peer), error)
                    break


def _role_of(part: zmq.Frame) -> Role:
    """That of the sender, as `zmr.net.zap` gave it to the connection. Raises `BadFrame`."""
    try:
        return Role(part.get("User-Id"))
    except (zmq.ZMQError, ValueError):
        raise codec.BadFrame("a peer without a role") from None


def _short_id(peer: bytes) -> str:
    """A routing id in the log: enough of it to distinguish peers."""
    return f"peer {peer[1:5].hex()}"
