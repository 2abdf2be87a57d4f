"""The worker end of the connection to the master; `zmr.net.router` is the master end."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import zmq

from zmr import messages as m
from zmr.display import is_power_of_ten
from zmr.errors import MasterLost, ZmrError
from zmr.net.connection import Connection
from zmr.net.reactor import Reactor
from zmr.net.trace import described
from zmr.wire import codec
from zmr.wire.parts import encode_to_master

log = logging.getLogger("zmr.worker")

# A connection on which nothing has arrived for so long is replaced. Few ever need that, but libzmq
# abandons a connection for good on which its own protocol was broken, or a message was too long.
_RECONNECT_AFTER_S = 3.0

_FRAMES_A_TURN = 500
LINGER_MS = 1000


class Uplink(Protocol):
    """The worker end: frames to and from the master."""

    def watch(self, reactor: Reactor, on_frame: Callable[[m.Frame], None]) -> None:
        """Call `on_frame` with each frame that arrives."""

    def send(self, epoch: int, messages: Sequence[m.Message]) -> None:
        """Never waits, and drops what can't be sent: what must not be lost is repeated."""

    def drop_unsent(self) -> None:
        """Closing the connection does not wait until all is sent."""


def master_socket(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """The DEALER, to be connected by `Connection`."""
    socket = context.socket(zmq.DEALER)
    # The master knows this process by these bytes, over reconnections. Those that begin with a
    # zero are libzmq's own.
    socket.setsockopt(zmq.ROUTING_ID, b"w" + secrets.token_bytes(15))
    socket.setsockopt(zmq.MAXMSGSIZE, codec.FRAME_LIMIT_BYTES)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    return socket


class SocketUplink:
    """An `Uplink` on a DEALER and its connection, which belong to the caller.

    `on_refused` is called with the reason if the master will never take this worker.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        connection: Connection,
        reactor: Reactor,
        on_refused: Callable[[ZmrError], None],
    ) -> None:
        self.bad_frames = 0
        # Called with what is sent when there is a connection, and when there is one.
        self.refresh: Callable[[m.Message], m.Message] = lambda message: message
        self.on_connected: Callable[[], None] = lambda: None
        self._n_handshakes = 0
        self._connection = connection
        self._on_refused = on_refused
        self._is_tracing = log.isEnabledFor(logging.DEBUG)
        self._socket = socket
        self._clock = reactor.clock
        self._silent_since = reactor.clock()  # or connected since
        self._is_waiting = False  # for a key
        self._has_heard = False  # a frame that could be read
        # What was sent last, as long as nothing came after it: on another connection it is lost.
        self._last: tuple[int, Sequence[m.Message]] = (0, ())
        self._try(lambda: connection.connect(reactor.clock()))
        reactor.watch(connection.monitor, self._on_monitor)
        reactor.add(self)

    def watch(self, reactor: Reactor, on_frame: Callable[[m.Frame], None]) -> None:
        """Call `on_frame` with each frame that arrives."""

        def on_readable() -> None:
            for _ in range(_FRAMES_A_TURN):
                try:
                    parts = self._socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    return
                self._silent_since = self._clock()
                self._last = (0, ())
                try:
                    frame = codec.decode_only(parts)
                except codec.BadFrame as error:
                    if isinstance(error, codec.OtherVersion) and not self._has_heard:
                        self._on_refused(
                            MasterLost(f"the master at {self._connection.address}: {error}")
                        )
                    self._bad_frame(error)
                else:
                    self._has_heard = True
                    if self._is_tracing:
                        log.debug("from the master: %s", described(frame.messages))
                    on_frame(frame)

        reactor.watch(self._socket, on_readable)

    def send(self, epoch: int, messages: Sequence[m.Message]) -> None:
        """Never waits, and drops what can't be sent.

        Before there is a connection, the latest is kept for it.
        """
        self._reconnect_if_silent(self._clock())
        self._last = epoch, messages
        if self._connection.is_up:
            self._send_last()

    def _send_last(self) -> None:
        epoch, messages = self._last
        messages = [self.refresh(message) for message in messages]
        if self._is_tracing and messages:
            log.debug("to the master: %s", described(messages))
        with suppress(zmq.Again):  # the master is far behind
            for frame in _frames_of(epoch, messages):
                self._socket.send(frame, zmq.NOBLOCK)

    def drop_unsent(self) -> None:
        """Closing the socket does not wait until all is sent."""
        self._socket.setsockopt(zmq.LINGER, 0)

    def _bad_frame(self, error: codec.BadFrame) -> None:
        self.bad_frames += 1
        if is_power_of_ten(self.bad_frames):
            log.warning("bad frame from the master, number %d: %s", self.bad_frames, error)

    def _reconnect_if_silent(self, now: float) -> None:
        if now - self._silent_since > _RECONNECT_AFTER_S:
            self._silent_since = now
            log.debug("nothing from the master for %g s: connecting again", _RECONNECT_AFTER_S)
            self._try(lambda: self._connection.connect(now))

    def next_deadline(self) -> float | None:
        """The connection's."""
        return self._connection.next_deadline()

    def tick(self, now: float) -> None:
        """Let the connection handle its deadline."""
        self._try(lambda: self._connection.tick(now))

    def _on_monitor(self) -> None:
        self._try(lambda: self._connection.on_monitor(self._clock()))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ZmrError as error:
            self._on_refused(error)
            return
        if self._connection.n_handshakes != self._n_handshakes:
            self._n_handshakes = self._connection.n_handshakes
            self._send_last()
            self.on_connected()
        if not self._connection.has_key and not self._is_waiting:
            log.info("waiting for the master: %s", self._connection.why_waiting())
        self._is_waiting = not self._connection.has_key


def _frames_of(epoch: int, messages: Sequence[m.Message]) -> list[bytes]:
    """What a master takes of them: a registration without map outputs, rather than none."""
    try:
        return list(encode_to_master(epoch, messages))
    except ValueError as error:
        log.error("%s: what can't be said is left out", error)
        left = [replace(x, held=()) if isinstance(x, m.Register) else x for x in messages]
        frames: list[bytes] = []
        for message in left:
            with suppress(ValueError):
                frames += encode_to_master(epoch, [message])
        return frames
