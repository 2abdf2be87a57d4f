"""The loop: waits for sockets, timers and signals, and calls the callbacks registered for them.

This is the only place in zmr that waits, and, with the shells that it calls, the only one that
reads the clock. It knows nothing of masters, workers or messages. One thread runs it.

A callback runs to its end before the next one starts, so nothing that the reactor calls needs a
lock. An exception in a callback ends the loop: a bug must not be survived half-way.
"""

from __future__ import annotations

import math
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import zmq

# Longer waits are cut into pieces of this; it only bounds the argument of poll().
_LONGEST_WAIT_S = 3600.0

# A loop that is later than this was paused: stopped by a signal, swapped out, busy elsewhere.
_LATE_S = 0.25


class Timed(Protocol):
    """An object with deadlines."""

    def next_deadline(self) -> float | None:
        """When `tick` is due, on the reactor's clock; None: not before something else happens."""

    def tick(self, now: float) -> None:
        """A deadline may have passed."""


class Reactor:
    """The loop, and its clock. `monotonic` is a clock in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._read_at = self._now = monotonic()
        self._poller = zmq.Poller()
        self._readers: dict[int | zmq.Socket[bytes], Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self._timed: list[Timed] = []
        self._after_turn: list[Callable[[], None]] = []
        self._running = False
        self._signals: _Signals | None = None

    def clock(self) -> float:
        """When this turn began: seconds that count only while the loop was there to listen.

        A loop that was itself paused must not count that time as its peers' silence. After a pause,
        what has arrived meanwhile is handled before any deadline passes that lay within it.
        """
        return self._now

    # --- what to wait for ---

    def watch(self, source: int | zmq.Socket[bytes], on_readable: Callable[[], None]) -> None:
        """Call `on_readable` whenever the file descriptor or ZeroMQ socket has input."""
        self._readers[source] = on_readable
        self._register(source)

    def unwatch(self, source: int | zmq.Socket[bytes]) -> None:
        self._readers.pop(source, None)
        self._register(source)

    def watch_writable(self, fd: int, on_writable: Callable[[], None]) -> None:
        """Call `on_writable` whenever the file descriptor takes output."""
        self._writers[fd] = on_writable
        self._register(fd)

    def unwatch_writable(self, fd: int) -> None:
        self._writers.pop(fd, None)
        self._register(fd)

    def add(self, timed: Timed) -> None:
        """Call `timed.tick` when its deadlines pass."""
        self._timed.append(timed)

    def after_turn(self, callback: Callable[[], None]) -> None:
        """Call `callback` at the end of every turn, when all that was ready has been handled."""
        self._after_turn.append(callback)

    def on_signals(self, numbers: Iterable[int], callback: Callable[[int], None]) -> None:
        """Call `callback(number)` from the loop, never in the middle of other code."""
        self._signals = _Signals(numbers, callback)
        self.watch(self._signals.fileno(), self._signals.deliver)

    # --- the loop ---

    def run(self) -> None:
        """Loop until `stop`."""
        self._running = True
        while self._running:
            self.turn(_LONGEST_WAIT_S)

    def stop(self) -> None:
        self._running = False

    def turn(self, longest_wait_s: float) -> None:
        """Wait for something to happen, at most so long, and handle all of it."""
        for source, mask in self._poll(self._wait_ms(longest_wait_s)):
            # An earlier callback of this turn may have unwatched a later one's source.
            if mask & zmq.POLLOUT and (writer := self._writers.get(source)):
                writer()
            if mask & ~zmq.POLLOUT and (reader := self._readers.get(source)):
                reader()
        for timed in self._timed:
            deadline = timed.next_deadline()
            if deadline is not None and deadline <= self._now:
                timed.tick(self._now)
        for callback in self._after_turn:
            callback()
        self._advance(0.0)

    def close(self) -> None:
        """Restore the signal handlers. Sockets are closed by their owners."""
        if self._signals is not None:
            self.unwatch(self._signals.fileno())
            self._signals.close()
            self._signals = None

    def _poll(self, wait_ms: int) -> list[tuple[Any, int]]:
        ready = self._poller.poll(wait_ms)
        self._advance(wait_ms / 1000)
        return ready

    def _advance(self, expected_s: float) -> None:
        """Let the clock go on, by little more than expected."""
        read_at = self._monotonic()
        self._now += min(read_at - self._read_at, expected_s + _LATE_S)
        self._read_at = read_at

    def _wait_ms(self, longest_wait_s: float) -> int:
        deadlines = [d for timed in self._timed if (d := timed.next_deadline()) is not None]
        if not deadlines:
            return math.ceil(longest_wait_s * 1000)
        wait_s = min(max(min(deadlines) - self._now, 0.0), longest_wait_s)
        return math.ceil(wait_s * 1000)

    def _register(self, source: int | zmq.Socket[bytes]) -> None:
        mask = zmq.POLLIN if source in self._readers else 0
        if isinstance(source, int) and source in self._writers:
            mask |= zmq.POLLOUT
        if mask:
            self._poller.register(source, mask)
        elif source in self._poller:
            self._poller.unregister(source)


class _Signals:
    """Turns signals into readable bytes, so that the loop wakes up and handles them in its turn."""

    def __init__(self, numbers: Iterable[int], callback: Callable[[int], None]) -> None:
        self._callback = callback
        self._numbers = frozenset(numbers)
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        # Python-level handlers must exist for the wake-up bytes to be written; they do nothing.
        self._previous = {n: signal.signal(n, lambda *_: None) for n in self._numbers}
        self._previous_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def deliver(self) -> None:
        try:
            received = self._reader.recv(4096)
        except BlockingIOError:
            return
        for number in received:
            if number in self._numbers:
                self._callback(number)

    def close(self) -> None:
        signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()
