"""The process that broadcasts a master's events: an XPUB, and who may subscribe.

It has no more memory than it needs, so that subscriptions cost the machine no more than that
(`zmr.net.broadcaster` says why). It ends with its master.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import socket
import traceback
from contextlib import suppress
from typing import Any

import zmq

from zmr.errors import AddressError
from zmr.net.packets import Kind, Packets, packed
from zmr.net.reactor import Reactor
from zmr.net.router import LINGER_MS
from zmr.net.zap import Authenticator
from zmr.slots.linux import data_bytes, set_process_name
from zmr.sockets.addresses import bind, rebind
from zmr.sockets.curve import KeyPair, serve
from zmr.wire.address import Address
from zmr.wire.roles import Role

_FD = 3
_MEMORY_BYTES = 224 << 20  # beside what it begins with, of which there are some 30 MB
_SUBSCRIPTIONS_A_TURN = 500
_LONGEST_SUBSCRIPTION_BYTES = 1024
_MOST_UNREAD = 100_000  # events that wait for a subscriber


class Broadcast:
    """Broadcasts what comes from the master, until that ends."""

    def __init__(self, master: socket.socket) -> None:
        self._master = master
        self._packets = Packets()
        self._reactor = Reactor()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._events = self._context.socket(zmq.XPUB)
        self._events.setsockopt(zmq.MAXMSGSIZE, _LONGEST_SUBSCRIPTION_BYTES)
        self._events.setsockopt(zmq.SNDHWM, _MOST_UNREAD)
        self._authenticator: Authenticator | None = None

    def run(self) -> None:
        """Until the master ends."""
        self._reactor.watch(self._master.fileno(), self._on_master)
        self._reactor.run()
        self._context.destroy(LINGER_MS)

    def _on_master(self) -> None:
        data = self._master.recv(1 << 18)
        for kind, content in self._packets.feed(data):
            match kind:
                case Kind.BEGIN:
                    self._begin(json.loads(content))
                case Kind.WELCOME:
                    self._events.setsockopt(zmq.XPUB_WELCOME_MSG, content)
                case Kind.EVENTS:
                    self._events.send(content)
                case Kind.KEYS if self._authenticator is not None:
                    self._authenticator.allowed = _roles(json.loads(content))
                    rebind(self._events)
        if not data:
            self._reactor.stop()

    def _begin(self, config: dict[str, Any]) -> None:
        if config["pair"] is not None:
            public, secret = config["pair"]
            self._authenticator = Authenticator(self._context, self._reactor)
            self._authenticator.allowed = _roles(config["allowed"])
            serve(self._events, KeyPair(public.encode(), secret.encode()), with_roles=True)
            self._authenticator.watch(self._events)
        try:
            bound = bind(self._events, Address(config["host"], config["port"]), "--events-port")
        except AddressError as error:
            self.tell(Kind.FAILED, str(error))
            return
        self._reactor.watch(self._events, self._on_subscriptions)
        self.tell(Kind.BOUND, str(bound.port))
        # What the C library says when the memory is full is for nobody; errors of ours are told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    def _on_subscriptions(self) -> None:
        """Subscriptions changed: the socket has handled that itself, and reports it here."""
        with suppress(zmq.Again):
            for _ in range(_SUBSCRIPTIONS_A_TURN):
                self._events.recv(zmq.NOBLOCK)

    def tell(self, kind: Kind, text: str) -> None:
        """Tell the master."""
        with suppress(OSError):  # it ends, and so does this
            self._master.sendall(packed(kind, text.encode()))


class _ToMaster(logging.Handler):
    """The log is the master's."""

    def __init__(self, broadcast: Broadcast) -> None:
        super().__init__(logging.WARNING)
        self._broadcast = broadcast

    def emit(self, record: logging.LogRecord) -> None:
        self._broadcast.tell(Kind.LOG, record.getMessage())


def _roles(keys: dict[str, str]) -> dict[bytes, Role]:
    return {bytes.fromhex(key): Role(role) for key, role in keys.items()}


def main() -> None:
    """Be that process, for the master at the other end of file descriptor 3."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with its master
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most_bytes = data_bytes() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    set_process_name("zmr-events")
    broadcast = Broadcast(socket.socket(fileno=_FD))
    logging.getLogger("zmr").addHandler(_ToMaster(broadcast))
    try:
        broadcast.run()
    except Exception:
        broadcast.tell(Kind.LOG, traceback.format_exc())
        raise
