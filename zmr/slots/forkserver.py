"""The fork server: the process that slots are forked from, in a millisecond or two each.

It imports once what every slot needs, stays single-threaded, never runs user code, and owns the
slot processes: it starts, watches, kills and reaps them, as one slot pool asks.

It promises that nothing outlives a slot: what a slot's tasks have started, and what that has
started in turn, ends with it, be it in a session of its own. Nor does anything outlive the fork
server: when its pool is gone, it kills all slots; when it is killed itself, the kernel does.
A slot is killed only while it is not reaped yet, so no signal ever hits a process that merely has
the same pid.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from zmr.slots import linux
from zmr.slots.cpu import import_numpy
from zmr.slots.launch import keep_standard_streams_open
from zmr.slots.packets import CONTROL_FD, PACKET_BYTES, Op, Packet, pack, unpack

_MEMORY_CHECK_INTERVAL_S = 0.1

# Slots are as many as the cores: threads of the libraries within each would only get in the way.
# Arrow's allocators must not start a thread either, for this process forks.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

Serve = Callable[[socket.socket], None]

_SLOT = "zmr-slot-"  # the name of a slot's process, before its number
_OWNER = "_ZMR_SLOT_PID"  # of what a slot starts, in its environment


class _Process:
    """A slot process that is not reaped yet."""

    __slots__ = ("base_bytes", "limit_bytes", "over_memory", "pid", "slot")

    def __init__(self, slot: int, pid: int, limit_bytes: int) -> None:
        self.slot = slot
        self.pid = pid
        self.limit_bytes = limit_bytes
        self.base_bytes = linux.own_memory_bytes(pid) if limit_bytes else 0
        self.over_memory = False

    def outgrew_its_memory(self) -> bool:
        if not self.limit_bytes or self.over_memory:
            return False
        return linux.own_memory_bytes(self.pid) > self.base_bytes + self.limit_bytes

    def kill(self) -> None:
        # By group for the processes that it started; by pid too, as it may not lead a group yet.
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)


def _leave_to_the_agent() -> None:
    """Have SIGTERM and SIGINT change nothing in this process, a slot.

    Who stops a service, or a job of a cluster's, sends them to all of its processes. The agent then
    lets the running tasks end; it stops a slot by SIGKILL. They are handled, and not ignored:
    programs that the slot starts get them as usual, and so do processes that it forks.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    os.register_at_fork(after_in_child=_as_usual)


def _as_usual() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


class ForkServer:
    """Starts, watches, kills and reaps slots. Each of them runs `serve` on its own socket."""

    def __init__(self, connection: socket.socket, serve: Serve) -> None:
        self._connection = connection
        self._serve = serve
        self._pid = os.getpid()
        self._processes: dict[int, _Process] = {}  # by pid
        self._by_slot: dict[int, _Process] = {}
        # The handler does nothing; that there is one makes the signal wake up the loop.
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until the pool is gone; then end every process."""
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(self._wake_reader, select.POLLIN)
        with suppress(BrokenPipeError, ConnectionResetError):
            while self._turn(poll):
                pass
        self._end_all()

    def _turn(self, poll: select.poll) -> bool:
        limited = any(process.limit_bytes for process in self._processes.values())
        ready = dict(poll.poll(_MEMORY_CHECK_INTERVAL_S * 1000 if limited else None))
        if self._wake_reader.fileno() in ready:
            self._wake_reader.recv(4096)
            self._reap()
        if self._connection.fileno() in ready and not self._handle_packet():
            return False
        if limited:
            self._check_memory()
        return True

    # --- what the pool wants ---

    def _handle_packet(self) -> bool:
        """Handle one packet. False: the pool is gone."""
        data, fds, _, _ = socket.recv_fds(
            self._connection, PACKET_BYTES, 2, socket.MSG_CMSG_CLOEXEC
        )
        if not data:
            return False
        packet = unpack(data)
        if packet.op is Op.START:
            self._start(packet.slot, packet.value, fds)
        elif process := self._by_slot.get(packet.slot):
            process.kill()
        return True

    def _start(self, slot: int, limit_bytes: int, fds: list[int]) -> None:
        try:
            pid = os.fork() if len(fds) == 2 else -1
        except OSError as error:
            print(f"zmr: can't start a slot process: {error.strerror}", file=sys.stderr)
            pid = -1
        if pid == 0:
            self._become_slot(slot, socket.socket(fileno=fds[0]), fds[1])
        for fd in fds:
            os.close(fd)
        if pid == -1:  # no process, or (without both fds) no room for them
            self._send(Packet(Op.ENDED, slot, os.EX_OSERR))
            return
        process = _Process(slot, pid, limit_bytes)
        self._processes[pid] = self._by_slot[slot] = process
        self._send(Packet(Op.STARTED, slot, pid))

    def _become_slot(self, slot: int, connection: socket.socket, prints: int) -> NoReturn:
        status = 1
        try:
            for fd in (1, 2):
                os.dup2(prints, fd)
            os.close(prints)
            os.setsid()
            linux.die_with_parent()
            if os.getppid() != self._pid:  # it was faster
                os._exit(status)
            linux.set_process_name(f"{_SLOT}{slot}")
            os.environ[_OWNER] = str(os.getpid())
            linux.volunteer_for_the_oom_killer()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _leave_to_the_agent()
            for inherited in (self._connection, self._wake_reader, self._wake_writer):
                inherited.close()
            self._serve(connection)
            status = 0
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            os._exit(status)

    # --- what the slots do ---

    def _reap(self) -> None:
        while (pid := linux.ended_child()) is not None:
            process = self._processes.pop(pid, None)
            if process is None:  # a process that a slot left behind
                os.waitpid(pid, 0)
                self._kill_strays()
                continue
            process.kill()  # its group: the pid is ours until it is waited for
            _, status, usage = os.wait4(pid, 0)
            del self._by_slot[process.slot]
            exit_code = os.waitstatus_to_exitcode(status)
            over_memory = process.over_memory and exit_code == -signal.SIGKILL
            peak_bytes = usage.ru_maxrss * 1024
            self._send(Packet(Op.ENDED, process.slot, exit_code, peak_bytes, over_memory))
            self._kill_strays()

    def _kill_strays(self) -> None:
        """Kill what slots that are gone have left. Its own children come here when it ends."""
        for pid in linux.children():
            if pid not in self._processes and not self._is_of_living_slot(pid):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _is_of_living_slot(self, pid: int) -> bool:
        """Whether it is what a program left that a slot has started, which itself goes on.

        A program has the slot's pid in its environment; a process that was only forked, its name.
        """
        owner, name = linux.environment_of(pid).get(_OWNER), linux.name_of(pid)
        if owner is not None:
            return any(str(process.pid) == owner for process in self._processes.values())
        return any(name == f"{_SLOT}{slot}" for slot in self._by_slot)

    def _check_memory(self) -> None:
        for process in self._processes.values():
            if process.outgrew_its_memory():
                process.over_memory = True
                process.kill()

    def _end_all(self) -> None:
        for process in self._processes.values():
            process.kill()
        for pid in self._processes:
            os.waitpid(pid, 0)
        while linux.has_children():  # in groups of their own
            for pid in linux.children():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _send(self, packet: Packet) -> None:
        self._connection.send(pack(packet))


def _load() -> Serve:
    """Import what slots need, before any is forked."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import_numpy()
    from zmr.slots.slot import serve

    return serve


def main() -> NoReturn:
    """Be a fork server, for the pool at the other end of `CONTROL_FD`."""
    keep_standard_streams_open()  # slots have theirs in the places of ours
    gc.disable()  # imports only make things that stay
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = socket.socket(fileno=CONTROL_FD)
    connection.set_inheritable(False)
    try:
        serve = _load()
    except Exception as error:
        connection.send(pack(Packet(Op.FAILED, text=f"{type(error).__name__}: {error}")))
        raise
    linux.set_process_name("zmr-forkserver")
    linux.adopt_orphans()
    sys.argv = ["zmr"]
    gc.freeze()
    ForkServer(connection, serve).run()
    os._exit(0)  # nothing is left to be torn down
