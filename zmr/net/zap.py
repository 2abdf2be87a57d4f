"""Who may connect: the answers to libzmq's question about each new peer of a master.

ZAP (http://rfc.zeromq.org/spec:27): libzmq asks a REP socket of the same context, which has to be
there before the servers are bound. Here it is one more socket of the reactor, without a thread. The
role of a key comes back with every message of its peer, as the message's user id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress

import zmq

from zmr.display import is_power_of_ten, printable
from zmr.net.monitor import Monitor
from zmr.net.reactor import Reactor
from zmr.wire.roles import Role

log = logging.getLogger("zmr.master")

_ENDPOINT = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_REQUESTS_A_TURN = 100

# A peer without a key, or with that of another master, fails before anybody is asked about it.
_FAILED_EARLY = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


class Authenticator:
    """Lets in who holds one of the keys `allowed`: their public halves, and the role of each."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], reactor: Reactor) -> None:
        self.allowed: Mapping[bytes, Role] = {}
        self.refused = 0
        self._reactor = reactor
        self._monitors: list[Monitor] = []
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        reactor.watch(self._socket, self._on_request)

    def watch(self, server: zmq.Socket[bytes]) -> None:
        """Count the peers of this socket that failed before they could be asked about, too."""
        monitor = Monitor(server, _FAILED_EARLY)
        self._monitors.append(monitor)
        self._reactor.watch(monitor.socket, lambda: self._on_failures(monitor))

    def close(self) -> None:
        """Let nobody in any more."""
        self._reactor.unwatch(self._socket)
        self._socket.close(linger=0)
        for monitor in self._monitors:
            self._reactor.unwatch(monitor.socket)
            monitor.close()

    def _on_request(self) -> None:
        with suppress(zmq.Again):
            for _ in range(_REQUESTS_A_TURN):
                request = self._socket.recv_multipart(zmq.NOBLOCK)
                role, answer = answer_of(request, self.allowed)
                self._socket.send_multipart(answer)
                if role is None:
                    address = request[3].decode(errors="replace") if len(request) > 3 else "?"
                    self._warn(f"{printable(address)}: its key is none of this master's")

    def _on_failures(self, monitor: Monitor) -> None:
        # One without a key may end the handshake itself, before this side sees what is wrong.
        for _ in monitor.told(_REQUESTS_A_TURN):
            self._warn("it has no key, or that of another master")

    def _warn(self, why: str) -> None:
        self.refused += 1
        if is_power_of_ten(self.refused):
            log.warning("peer refused, number %d: %s", self.refused, why)


def answer_of(
    request: list[bytes], allowed: Mapping[bytes, Role]
) -> tuple[Role | None, list[bytes]]:
    """The role of the peer that is asked about, None: it is refused; and the parts of the answer.

    The parts of the request: version, request id, domain, address, identity, mechanism, and with
    CURVE the public half of the peer's key.
    """
    role = None
    if len(request) == 7 and request[0] == _VERSION and request[5] == b"CURVE":
        role = allowed.get(request[6])
    request_id = request[1] if len(request) > 1 else b""
    if role is None:
        return None, [_VERSION, request_id, b"400", b"no key of this master", b"", b""]
    return role, [_VERSION, request_id, b"200", b"", role.value.encode(), b""]
