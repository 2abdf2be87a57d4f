"""The process that broadcasts a master's events, as the master has it.

libzmq keeps a node for each byte of each subscription, as long as that lasts, and has no limit for
their number: who has a key, if only that of watch, could fill the memory of the process that has
the PUB. So that is one of its own (`zmr.net.broadcast`), with little memory. If it ends for want of
that, another one takes its place. Nothing is lost: PUB is a hint, and who misses an event asks.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

from zmr.errors import AddressError
from zmr.net.packets import Kind, Packets, packed
from zmr.net.reactor import Reactor
from zmr.sockets.curve import KeyPair
from zmr.wire.address import Address
from zmr.wire.roles import Role

log = logging.getLogger("zmr.master")

_AGAIN_AFTER_S = 1.0
_MOST_UNSENT_BYTES = 8 << 20  # beyond that, events are dropped: it does not keep up
_BIND_TIMEOUT_S = 30.0
_LINGER_S = 1.0
_FD = 3

# As for a fork server (`zmr.slots.launch`): not the modules of the current folder.
_PROGRAM = """\
import sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
from zmr.net.broadcast import main
main()
"""


class Broadcaster:
    """Broadcasts at `address` to peers with one of the keys `allowed`; `pair` None: to anybody.

    A `Timed` of the reactor. The process is started, and ready after `wait`. Raises OSError if it
    can't be started.
    """

    def __init__(
        self,
        reactor: Reactor,
        address: Address,
        pair: KeyPair | None = None,
        allowed: Mapping[bytes, Role] | None = None,
    ) -> None:
        self.address = address
        self._reactor = reactor
        self._pair, self._allowed = pair, dict(allowed or {})
        self._welcome = b""
        self._pid = 0
        self._unsent = bytearray()
        self._start_at: float | None = None
        self._start()

    def wait(self) -> None:
        """Until it listens; then `address` has its port. Raises `AddressError` if it can't."""
        self.address = Address(self.address.host, self._answer())
        self._socket.setblocking(False)
        self._watch()
        self._reactor.add(self)

    def welcome(self, data: bytes) -> None:
        """Send this to each new subscriber."""
        self._welcome = data
        self._send(Kind.WELCOME, data)

    def send(self, data: bytes) -> None:
        """Broadcast it; if the process does not keep up, it is dropped."""
        if len(self._unsent) < _MOST_UNSENT_BYTES:
            self._send(Kind.EVENTS, data)

    def allow(self, allowed: Mapping[bytes, Role]) -> None:
        """Take these keys and no others: those who have them come back."""
        self._allowed = dict(allowed)
        self._send(Kind.KEYS, json.dumps(_by_key(self._allowed)).encode())

    def close(self) -> None:
        """End the process, when it has sent what it has been given, or after a while."""
        self._start_at = None
        if self._pid:
            self._socket.settimeout(_LINGER_S)
            with suppress(OSError):  # it has ended, or does not keep up
                self._socket.sendall(self._unsent)
                self._socket.shutdown(socket.SHUT_WR)
                while self._socket.recv(1 << 16):
                    pass
        self._end()

    # --- the process ---

    def next_deadline(self) -> float | None:
        """When another process is to be started."""
        return self._start_at

    def tick(self, now: float) -> None:
        """Start it."""
        self._start_at = None
        try:
            self._start()
        except OSError as error:
            log.warning("can't broadcast events: %s", error.strerror)
            self._start_at = now + _AGAIN_AFTER_S
            return
        self._socket.setblocking(False)
        self._watch()
        if self._welcome:
            self._send(Kind.WELCOME, self._welcome)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        with theirs:
            try:
                self._pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-P", "-c", _PROGRAM, root],
                    os.environ,
                    file_actions=[
                        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                        (os.POSIX_SPAWN_DUP2, 2, 1),
                        (os.POSIX_SPAWN_DUP2, theirs.fileno(), _FD),
                    ],
                    setsid=True,
                )
            except BaseException:
                ours.close()
                raise
        self._socket = ours
        self._packets = Packets()
        self._unsent.clear()
        pair = self._pair
        config = {
            "host": self.address.host,
            "port": self.address.port,
            "pair": None if pair is None else [pair.public.decode(), pair.secret.decode()],
            "allowed": _by_key(self._allowed),
        }
        self._socket.sendall(packed(Kind.BEGIN, json.dumps(config).encode()))

    def _answer(self) -> int:
        """The port that the first process has bound. Raises `AddressError`."""
        self._socket.settimeout(_BIND_TIMEOUT_S)
        try:
            while data := self._socket.recv(1 << 16):
                for kind, content in self._packets.feed(data):
                    if kind is Kind.BOUND:
                        return int(content)
                    if kind is Kind.FAILED:
                        self._end()
                        raise AddressError(content.decode())
                    self._told(kind, content)
        except TimeoutError:
            pass
        self._end()
        raise AddressError(f"no process broadcasts events at {self.address}: it has ended")

    def _watch(self) -> None:
        self._reactor.watch(self._socket.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        for kind, content in self._packets.feed(data):
            self._told(kind, content)
        if not data:
            log.warning(
                "the process that broadcasts events has ended (%s); another one takes its place. "
                "If that goes on, somebody with a key of this master subscribes without end",
                self._end(),
            )
            self._start_at = self._reactor.clock() + _AGAIN_AFTER_S

    def _told(self, kind: Kind, content: bytes) -> None:
        if kind is Kind.LOG:
            log.warning("events: %s", content.decode(errors="replace"))
        elif kind is Kind.FAILED:
            log.warning("can't broadcast events: %s", content.decode(errors="replace"))

    def _end(self) -> str:
        """End it, if it has not ended. Returns how it did."""
        if not self._pid:
            return ""
        for stop in (self._reactor.unwatch, self._reactor.unwatch_writable):
            stop(self._socket.fileno())
        self._socket.close()
        self._unsent.clear()
        pid, self._pid = self._pid, 0
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it has nothing to clean up, and is not reaped yet
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    # --- what it is told ---

    def _send(self, kind: Kind, content: bytes) -> None:
        if self._pid:
            was_empty = not self._unsent
            self._unsent += packed(kind, content)
            if was_empty:
                self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            self._reactor.watch_writable(self._socket.fileno(), self._flush)
            return
        except OSError:  # it has ended, which the next read shows
            self._unsent.clear()
        self._reactor.unwatch_writable(self._socket.fileno())


def _by_key(allowed: Mapping[bytes, Role]) -> dict[str, str]:
    return {key.hex(): role.value for key, role in allowed.items()}
