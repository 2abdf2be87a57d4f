"""The worker agent's shell: an uplink, slot processes and a folder around `zmr.core.worker`.

User code never runs in this process.
"""

from __future__ import annotations

import logging
import os
import socket as std_socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from zmr import messages as m
from zmr.core.actions import (
    CheckFiles,
    DiscardFiles,
    DiscardJob,
    KillSlot,
    Log,
    Quit,
    SendMaster,
    SendSlot,
    StartSlot,
    WorkerAction,
)
from zmr.core.events import FilesChecked, FrameReceived, StopRequested, WorkerInput
from zmr.core.settings import WorkerSettings
from zmr.core.worker import WorkerCore
from zmr.errors import MasterLost
from zmr.messages import SlotEnded, SlotSaid
from zmr.net.reactor import Reactor
from zmr.net.trace import described
from zmr.net.uplink import Uplink
from zmr.output.local_dir import LocalDir
from zmr.shuffle.verifier import OutputVerifier
from zmr.slots.current_record import take_current_record

if TYPE_CHECKING:
    from zmr.shuffle.server import ShuffleServer

log = logging.getLogger("zmr.worker")


class Pool(Protocol):
    """The processes that run tasks, as `zmr.slots.pool` has them: by the numbers of their slots.

    What they send comes as `SlotSaid`, and the end of each as `SlotEnded`.
    """

    def start(self, slot: int, job: m.StartJob) -> None:
        """Begin to serve the job in this slot, which is empty. It can be sent tasks at once."""

    def send(self, slot: int, messages: Sequence[m.ToSlot]) -> None:
        """Send these. Those to a slot that has ended are lost."""

    def kill(self, slot: int) -> None:
        """Stop what runs in the slot. Its `SlotEnded` follows, not within this call."""

    def close(self) -> None:
        """Stop all of them."""


class Timeouts(NamedTuple):
    """After how long a worker ends, in seconds."""

    death_s: float  # the master is silent
    drain_s: float = 20.0  # it is told to stop, has no task, and others may read its map outputs


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How one worker works."""

    master_name: str
    slots: int
    memory_bytes: int
    timeouts: Timeouts
    no_direct_read: bool = False
    syncs_late: bool = False
    shuffle_host: Callable[[], str] | None = None  # by which others reach it; None: as it listens


class Agent:
    """One worker, until its core says to quit.

    `on_quit` is called then, once, with the reason and the exit status. The uplink belongs to the
    caller; the slots, the folder and its server are the agent's.
    """

    def __init__(
        self,
        reactor: Reactor,
        uplink: Uplink,
        settings: AgentSettings,
        pool: Callable[[SlotEvents], Pool],
        folder: LocalDir,
        shuffle: ShuffleServer | None,
        on_quit: Callable[[str, int], None],
    ) -> None:
        host = std_socket.gethostname()
        worker = WorkerSettings(
            name=f"{host}:{os.getpid()}",
            host=host,
            pid=os.getpid(),
            slots=settings.slots,
            folder=folder.path,
            master=settings.master_name,
            memory_bytes=settings.memory_bytes,
            death_timeout_s=settings.timeouts.death_s,
            drain_timeout_s=settings.timeouts.drain_s,
            no_direct_read=settings.no_direct_read,
            syncs_late=settings.syncs_late,
        )
        self.core = WorkerCore(worker, reactor.clock())
        self._reactor = reactor
        self._uplink = uplink
        self._folder = folder
        self._shuffle = shuffle
        self._shuffle_host = settings.shuffle_host
        self._registered_at = ""  # the endpoint
        self._on_quit = on_quit
        self._is_tracing = log.isEnabledFor(logging.DEBUG)
        self._outbox: list[m.Message] = []
        self._to_slots: dict[int, list[m.ToSlot]] = {}
        self._pool = pool(self.handle)
        self._verifier = OutputVerifier(reactor, self._on_verified)
        uplink.watch(reactor, lambda frame: self.handle(FrameReceived(b"", frame)))
        reactor.add(self)
        reactor.after_turn(self.flush)

    def handle(self, event: WorkerInput) -> None:
        """Feed the core an event and do what it decides."""
        if isinstance(event, SlotEnded):
            event = self._with_record(event)
            log.debug("slot %d has ended: %s", event.slot, _exit_text(event))
        elif self._is_tracing and isinstance(event, SlotSaid):
            log.debug("from slot %d: %s", event.slot, described(event.messages))
        self._perform(self.core.handle(event, self._reactor.clock()))

    def _with_record(self, ended: SlotEnded) -> SlotEnded:
        """With the number of the record that the slot was at, if it left that."""
        task = self.core.slots[ended.slot].running
        if task is None or not self.core.jobs[task.job_id].skip_bad_records:
            return ended
        folder = os.path.join(self._folder.path, task.job_id)
        return replace(ended, record=take_current_record(folder, task.attempt))

    def with_endpoint(self, message: m.Message) -> m.Message:
        """A registration with where others fetch map outputs from this worker, as it is now."""
        if not isinstance(message, m.Register):
            return message
        self._registered_at = self._endpoint()
        return replace(message, shuffle_address=self._registered_at)

    def _endpoint(self) -> str:
        """Where others fetch map outputs from this worker; empty: nowhere."""
        if self._shuffle is None:
            return ""
        host = self._shuffle_host() if self._shuffle_host is not None else None
        # Where the name of the master does not resolve for a moment, it is what it was.
        return self._shuffle.endpoint(host) if host != "" else self._registered_at

    def on_connected(self) -> None:
        """There is a new connection with the master: perhaps as this machine's address has changed.
        Then the others have to know where this worker is now.
        """
        if self.core.is_registered and self._endpoint() != self._registered_at:
            log.info("other workers reach this one at another address now: registering again")
            again = m.Frame(self.core.epoch, (m.RegisterAgain(),))
            self.handle(FrameReceived(b"", again))

    def next_deadline(self) -> float | None:
        """The core's."""
        return self.core.next_deadline()

    def tick(self, now: float) -> None:
        """Let the core handle its deadlines."""
        self._perform(self.core.tick(now))

    def stop(self, signal_name: str, exit_status: int) -> None:
        """A signal arrived: end when running tasks have, or at the second one at once."""
        self.handle(StopRequested(signal_name, exit_status))

    def close(self) -> None:
        """Kill the slots, end the server and remove the folder."""
        with ExitStack() as stack:  # one after the other, whatever goes wrong with one
            stack.callback(self._folder.close)
            if self._shuffle is not None:
                stack.callback(self._shuffle.close)
            stack.callback(self._verifier.close)
            stack.callback(self._pool.close)
            self._folder.discard_all()  # while the slots end

    def _perform(self, actions: list[WorkerAction]) -> None:
        for action in actions:
            match action:
                case SendMaster(message):
                    self._outbox.append(message)
                case SendSlot(slot, to_slot):
                    self._to_slots.setdefault(slot, []).append(to_slot)
                case StartSlot(slot, job):
                    log.debug("slot %d starts, for job %s", slot, job.spec.job_id)
                    with suppress(OSError):  # the map that can't write there says so
                        os.makedirs(job.folder, exist_ok=True)
                    self._pool.start(slot, job)
                case KillSlot(slot):
                    log.debug("slot %d is killed", slot)
                    self._to_slots.pop(slot, None)
                    self._pool.kill(slot)
                case DiscardFiles() | DiscardJob() | CheckFiles():
                    self._see_to_files(action)
                case Log(level, text):
                    log.log(level, "%s", text)
                case Quit(reason, exit_status):
                    if exit_status == MasterLost.exit_status or not self._outbox:
                        # The master is gone, or has nothing to learn from what is queued.
                        self._uplink.drop_unsent()
                    self._on_quit(reason, exit_status)

    def _see_to_files(self, action: DiscardFiles | DiscardJob | CheckFiles) -> None:
        match action:
            case DiscardFiles(paths):
                log.debug("discarding %s", paths)
                for path in paths:
                    self._folder.discard(path)
            case DiscardJob(job_id):
                log.debug("discarding the map outputs of job %s", job_id)
                self._folder.discard_job(job_id)
            case CheckFiles(job_id, files):
                self._verifier.verify(job_id, files)

    def _on_verified(self, job_id: str, attempt: int, is_whole: bool) -> None:
        whole, damaged = ((attempt,), ()) if is_whole else ((), (attempt,))
        self.handle(FilesChecked(job_id, whole, damaged))

    def flush(self) -> None:
        """Send what this turn decided."""
        for slot, to_slot in self._to_slots.items():
            if self._is_tracing:
                log.debug("to slot %d: %s", slot, described(to_slot))
            self._pool.send(slot, to_slot)
        self._to_slots.clear()
        if self._outbox:
            self._uplink.send(self.core.epoch, tuple(self._outbox))
            self._outbox.clear()


SlotEvents = Callable[[WorkerInput], None]


def _exit_text(ended: SlotEnded) -> str:
    """How a slot process ended, in the log."""
    if ended.signal is not None:
        how = f"signal {ended.signal}"
    else:
        how = f"exit status {ended.exit_status}"
    return f"{how}, at most {ended.peak_bytes / 1e6:.0f} MB"
