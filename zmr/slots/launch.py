"""The agent's side of a fork server: start one, talk to it, end it.

`launch` is cheap and imports little, so that a command can call it before anything else: the fork
server then does its imports while the command does its own.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Protocol

from zmr.slots.packets import CONTROL_FD, PACKET_BYTES

# Run by `python -c`, in isolation from the current folder, whose `random.py` is none of ours; the
# one argument is where this very zmr is, which may be a checkout that isn't installed.
_PROGRAM = """\
import sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
from zmr.slots.forkserver import main
main()
"""


_early: ForkServerHandle | None = None


def launch_early() -> None:
    """Start the fork server that the first `launch` will return, before anything else is loaded."""
    global _early
    _early = launch()


def discard_early() -> None:
    """End the early fork server if no `launch` has taken it."""
    global _early
    if _early is not None:
        _early.stop(timeout_s=0.0)
        _early = None


def launch() -> ForkServerHandle:
    """Start a fork server. Raises OSError, always on macOS, which has no `SOCK_SEQPACKET`.

    It runs in a session of its own: a Ctrl-C is the agent's to handle.
    """
    global _early
    if _early is not None:
        server, _early = _early, None
        return server
    keep_standard_streams_open()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with theirs, ExitStack() as undo:
        undo.callback(ours.close)
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-c", _PROGRAM, root],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, 2, 1),  # what user code prints is no output of the command
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), CONTROL_FD),
            ],
            setsid=True,
        )
        undo.pop_all()
    return ForkServerHandle(pid, ours)


def keep_standard_streams_open() -> None:
    """Have /dev/null where the program was started with a standard stream closed (`2>&-`).

    Else the next files to be opened, such as our sockets, would take their numbers; and a fork
    server that is handed both ends of its connection never sees the other side leave.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


class Attached(Protocol):
    """What is open, and is handed over with a packet."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


class ForkServerHandle:
    """A fork server process, as its agent sees it, and the connection with it."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.used = False  # it has been sent something, so it may have children
        self.gone = False  # its end of the connection is closed, and all that it sent is read
        self._connection = connection
        self._connection.setblocking(False)
        self._outbox: deque[tuple[bytes, Sequence[Attached]]] = deque()

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, packet: bytes, attached: Sequence[Attached] = ()) -> bool:
        """Send a packet, or keep it for `flush`; `attached` is closed when it has been handed over.

        Returns whether all is sent.
        """
        self.used = True
        self._outbox.append((packet, attached))
        return self.flush()

    def flush(self) -> bool:
        while self._outbox:
            packet, attached = self._outbox[0]
            try:
                socket.send_fds(self._connection, [packet], [it.fileno() for it in attached])
            except BlockingIOError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                pass  # it is dead: `receive` will find out
            self._outbox.popleft()
            for it in attached:
                it.close()
        return True

    def receive(self) -> list[bytes]:
        """All packets that are there. Sets `gone` when there will never be more."""
        packets = []
        while not self.gone:
            try:
                packet = self._connection.recv(PACKET_BYTES)
            except BlockingIOError:
                break
            except ConnectionResetError:
                continue  # it left without reading all; what it sent is still to come
            if packet:
                packets.append(packet)
            self.gone = not packet
        return packets

    def stop(self, timeout_s: float) -> None:
        """End it with all its slots, and wait until they are reaped, at most so long."""
        if self.used and not self.gone:
            self._connection.shutdown(socket.SHUT_WR)
            self._wait_until_gone(timeout_s)
        self.reap()

    def reap(self) -> int:
        """Its exit code (minus the signal). It must be gone, or is killed now."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # no effect on one that has exited: not reaped yet
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:  # a program that ignores SIGCHLD has the kernel reap
            status = 0
        self._connection.close()
        for _, attached in self._outbox:
            for it in attached:
                it.close()
        self._outbox.clear()
        return os.waitstatus_to_exitcode(status)

    def _wait_until_gone(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        while not self.gone and (left_s := deadline - time.monotonic()) > 0:
            poll.poll(left_s * 1000)
            self.receive()
