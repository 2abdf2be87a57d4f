"""The slot processes of one agent.

The pool starts slots, exchanges messages with them and kills them, through a fork server that it
starts and, should it ever die, starts again. It lives in the agent's reactor, and only `close` ever
waits.

Promises: what a slot has sent is delivered in order, and all of it before its `SlotEnded`; every
slot started gets exactly one `SlotEnded`, unless the pool is closed first; when the pool is closed,
or its process dies in whatever way, no slot process stays behind.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

from zmr.errors import ZmrError
from zmr.messages import FromSlot, SlotEnded, SlotSaid, StartJob, ToSlot
from zmr.slots.channel import Channel, Watcher
from zmr.slots.launch import Attached, ForkServerHandle, launch
from zmr.slots.packets import Op, Packet, pack, unpack
from zmr.slots.prints import PrintReader

_MAX_FAILED_LAUNCHES = 3


class SlotStartError(ZmrError):
    """Slot processes can't be started on this machine."""


class _SlotHandle:
    """A slot process, from the request to start it until its end has been delivered."""

    __slots__ = ("channel", "killed", "pid", "prints")

    def __init__(self, channel: Channel, prints: PrintReader) -> None:
        self.channel = channel
        self.prints = prints
        self.pid: int | None = None  # not started yet
        self.killed = False


class SlotPool:
    """Up to `n_slots` slot processes, numbered from 0.

    `on_event` is called from the reactor, and may call the pool. A slot whose own memory grows
    beyond `memory_bytes` is killed (0: no limit). A fork server that has been launched already can
    be handed over; otherwise one is launched now, so that it is ready when the first slot starts.
    """

    def __init__(
        self,
        n_slots: int,
        reactor: Watcher,
        on_event: Callable[[SlotSaid | SlotEnded], None],
        memory_bytes: int = 0,
        server: ForkServerHandle | None = None,
    ) -> None:
        self._n_slots = n_slots
        self._reactor = reactor
        self._on_event = on_event
        self._memory_bytes = memory_bytes
        self._slots: dict[int, _SlotHandle] = {}
        self._failed_launches = 0  # in a row
        self._hint = ""  # why the last fork server failed, if it sent that
        self._server: ForkServerHandle | None = None
        self._adopt(server or _launched())

    def start(self, slot: int, job: StartJob) -> None:
        """Start a process for `slot`, which must have none. It can be sent tasks at once.

        Raises SlotStartError when fork servers keep dying before they can start anything.
        """
        if not 0 <= slot < self._n_slots or slot in self._slots:
            raise ValueError(f"slot {slot} of {self._n_slots} can't be started now")
        if self._server is None:
            self._launch_again()
        prints = None
        try:
            prints = PrintReader(self._reactor)
            channel = Channel(
                self._reactor, lambda messages: self._said(slot, messages), lambda: self.kill(slot)
            )
        except OSError as error:
            if prints is not None:
                prints.close()
            raise SlotStartError(
                f"slot {slot} can't start: {error.strerror} (have fewer --slots)"
            ) from error
        self._slots[slot] = _SlotHandle(channel, prints)
        self._control(
            Packet(Op.START, slot, self._memory_bytes), (channel.slot_end, prints.slot_end)
        )
        channel.send([job])

    def send(self, slot: int, messages: Sequence[ToSlot]) -> None:
        """Send `messages` in one go. Those to a slot that has ended are lost."""
        record = self._slots.get(slot)
        if record is not None:
            record.channel.send(messages)

    def kill(self, slot: int) -> None:
        """Kill the slot's process, and all of its process group. Its `SlotEnded` follows."""
        record = self._slots.get(slot)
        if record is not None and not record.killed:
            record.killed = True
            self._control(Packet(Op.KILL, slot))

    def close(self, timeout_s: float = 3.0) -> None:
        """Kill all slots and wait until they and the fork server are reaped, at most so long."""
        server, self._server = self._server, None
        slots, self._slots = self._slots, {}
        for record in slots.values():
            record.channel.close()
        if server is not None:
            self._reactor.unwatch(server.fileno())
            self._reactor.unwatch_writable(server.fileno())
            server.stop(timeout_s)
        for record in slots.values():
            record.prints.close()

    # --- the fork server ---

    def _adopt(self, server: ForkServerHandle) -> None:
        self._server = server
        self._reactor.watch(server.fileno(), self._on_control)

    def _launch_again(self) -> None:
        if self._failed_launches >= _MAX_FAILED_LAUNCHES:
            raise SlotStartError(f"the slot processes can't start: {self._hint}")
        self._adopt(_launched())

    def _control(self, packet: Packet, attached: Sequence[Attached] = ()) -> None:
        if self._server is not None and not self._server.send(pack(packet), attached):
            self._reactor.watch_writable(self._server.fileno(), self._on_control_writable)

    def _on_control_writable(self) -> None:
        if self._server is not None and self._server.flush():
            self._reactor.unwatch_writable(self._server.fileno())

    def _on_control(self) -> None:
        server = self._server
        if server is None:
            return
        for data in server.receive():
            self._handle_packet(unpack(data))
        if server.gone and server is self._server:
            self._server_died(server)

    def _handle_packet(self, packet: Packet) -> None:
        if packet.op is Op.FAILED:
            self._hint = packet.text
        elif packet.slot not in self._slots:
            pass  # the handler of an earlier packet closed the pool
        elif packet.op is Op.STARTED:
            self._failed_launches, self._hint = 0, ""
            self._slots[packet.slot].pid = packet.value
        elif packet.op is Op.ENDED:
            self._ended(packet)

    def _server_died(self, server: ForkServerHandle) -> None:
        """The kernel kills the slots of a dead fork server. Their children fall to us."""
        self._server = None
        self._reactor.unwatch(server.fileno())
        self._reactor.unwatch_writable(server.fileno())
        exit_code = server.reap()
        self._failed_launches += 1
        self._hint = self._hint or f"the process they are forked from {_ending(exit_code)}"
        orphaned = dict(self._slots)
        for record in orphaned.values():
            if record.pid is not None:
                _kill_group(record.pid)
        for slot, record in orphaned.items():
            if self._slots.get(slot) is record:
                self._ended(Packet(Op.ENDED, slot, -signal.SIGKILL))

    # --- slots ---

    def _said(self, slot: int, messages: tuple[FromSlot, ...]) -> None:
        if slot in self._slots:
            self._slots[slot].prints.drain()  # what it printed before it said this
        self._on_event(SlotSaid(slot, messages))

    def _ended(self, packet: Packet) -> None:
        slot, exit_code = packet.slot, packet.value
        record = self._slots[slot]
        record.killed = True
        record.channel.drain()
        if self._slots.get(slot) is not record:  # closed by the handler of its last messages
            return
        del self._slots[slot]
        record.channel.close()
        record.prints.close()
        exit_status = exit_code if exit_code >= 0 else None
        number = -exit_code if exit_code < 0 else None
        self._on_event(SlotEnded(slot, exit_status, number, packet.peak_bytes, packet.over_memory))


def _launched() -> ForkServerHandle:
    try:
        return launch()
    except OSError as error:
        raise SlotStartError(f"the slot processes can't start: {error.strerror}") from error


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _ending(exit_code: int) -> str:
    return f"ended with status {exit_code}" if exit_code >= 0 else f"died of signal {-exit_code}"
