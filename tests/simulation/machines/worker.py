"""A worker's machine: a worker core and its slots in a process that can die, and a disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from zmr.core.events import FilesChecked, FrameReceived, StopRequested
from zmr.core.settings import WorkerSettings
from zmr.core.worker import WorkerCore
from zmr.messages import SlotEnded
from zmr.wire import codec
from zmr.wire.parts import encode_to_master

from .disk import Disk
from .invariants import validate_heard, validate_worker
from .network import MASTER
from .process import Process, frames_of
from .site import Site
from .slot import SimulatedSlot

# To look at one map output.
CHECK_S = 0.01


class WorkerMachine(Process):
    def __init__(self, site: Site, name: str, slots: int, disk_records: int = 1_000_000) -> None:
        super().__init__(site, name)
        self.n_slots = slots
        self.disk = Disk(disk_records)  # so much fits
        self.slow_factor = 1.0
        self.is_bad = False  # no slot of it lives to the end of a task
        self.process = ""  # the name of the running process, or of the last one
        self.slots: dict[int, SimulatedSlot] = {}
        self.quit: Quit | None = None
        self.shuffle_address = ""  # where it serves its map outputs; empty: nowhere
        self.is_frozen = False  # stopped with its slots
        self.when_thawed: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    # --- its process ---

    def start(self, keep_disk: bool) -> None:
        """Begin a new process; `keep_disk`: nobody cleans up after the last one."""
        if not keep_disk:
            self.disk.remove_folder(self.folder)
        self._started()
        self.process = self.site.process_name(self.name, self._starts)
        self.slots = {}
        self.quit = None
        self.core = WorkerCore(
            WorkerSettings(
                self.process,
                self.name,
                self._starts,
                self.n_slots,
                self.folder,
                MASTER,
                death_timeout_s=self.site.death_timeout_s,
                drain_timeout_s=self.site.drain_timeout_s,
                shuffle_address=self.shuffle_address,
            ),
            self.now,
        )
        self.say(f"starts as {self.process} with {self.n_slots} slots")
        self._turn()

    @property
    def folder(self) -> str:
        return f"/{self.process}"

    @property
    def peer(self) -> bytes:
        return self.process.encode()

    @property
    def serves(self) -> bool:
        """Whether others get map outputs from it."""
        return self.is_up and not self.is_stopped

    def crash(self) -> None:
        """As kill -9 does. The slots notice, but may do a little more until then."""
        if self.is_up:
            self.say("killed")
            self._end()

    def freeze(self) -> None:
        """The machine stands still, slots and all."""
        self.stop()
        self.is_frozen = self.is_stopped

    def resume(self) -> None:
        thawed, self.when_thawed = self.when_thawed, []
        self.is_frozen = False
        super().resume()
        for action, arguments in thawed:
            action(*arguments)

    def interrupt(self) -> None:
        """A signal that asks it to end."""
        self.say("gets a signal")
        self.post(StopRequested("SIGINT", 130))

    def _end(self) -> None:
        self.is_up = self.is_stopped = False
        for slot in list(self.slots.values()):
            slot.kill()

    # --- its shell ---

    def _next_deadline(self) -> float | None:
        return self.core.next_deadline()

    def _take_turn(self) -> None:
        outbox: list[m.Message] = []
        while self.inbox and self.quit is None:
            event = self.inbox.popleft()
            if isinstance(event, bytes):
                frame = codec.decode_only([event])
                self.site.trace.frame(self.site.clock.now, self.name, "gets", frame)
                event = FrameReceived(b"", frame)
            epoch, is_registered = self.core.epoch, self.core.is_registered
            actions = self.core.handle(event, self.now)
            self.site.worker_did(self, event, actions, epoch, is_registered)
            self._perform(actions, outbox)
            if isinstance(event, FrameReceived):
                validate_heard(self.core, event.frame, epoch)
        while self.quit is None and self._is_due():
            actions = self.core.tick(self.now)
            self.site.worker_did(self, None, actions, self.core.epoch, self.core.is_registered)
            self._perform(actions, outbox)
        if outbox:
            self._send(outbox)
        if self.quit is not None:
            self.disk.remove_folder(self.folder)
            self._end()

    def _send(self, outbox: list[m.Message]) -> None:
        site, frame = self.site, m.Frame(self.core.epoch, tuple(outbox))
        site.trace.frame(site.clock.now, self.name, "says", frame)
        peer, master = self.process, site.receivers[MASTER]
        parts = frames_of(self.core.epoch, outbox, encode_to_master)
        fate = site.network.send(self.name, MASTER, lambda data: master.receive(peer, data), *parts)
        if fate:
            self.say(f"  ... which is {fate}")

    def receive(self, process: str, data: bytes) -> None:
        """A frame for one of its processes."""
        if process == self.process:
            self.post(data)

    def slot_gone(self, slot: SimulatedSlot, ended: SlotEnded) -> None:
        if self.slots.get(slot.number) is slot:
            del self.slots[slot.number]
            self.post(ended)

    def _perform(self, actions: list[WorkerAction], outbox: list[m.Message]) -> None:
        validate_worker(self.core)
        for action in actions:
            match action:
                case SendMaster(message):
                    outbox.append(message)
                case StartSlot() | SendSlot() | KillSlot():
                    self._act_on_slot(action)
                case DiscardFiles(paths):
                    for path in paths:
                        self.disk.remove(path)
                case DiscardJob(job_id):
                    used = {slot.start.spec.job_id for slot in self.slots.values()}
                    assert job_id not in used, "a slot still writes to the job's folder"
                    self.disk.remove_folder(f"{self.folder}/{job_id}")
                case CheckFiles():
                    self.site.clock.later(CHECK_S, self._check, action, self.process)
                case Log(_, text):
                    self.say(text)
                case Quit():
                    assert self.quit is None
                    self.quit = action

    def _check(self, check: CheckFiles, process: str) -> None:
        """One file after the other, unless the process has died meanwhile."""
        if self.is_up and self.process == process and check.files:
            (attempt, path), *rest = check.files
            is_whole = self.disk.read(path) is not None
            told = ((attempt,), ()) if is_whole else ((), (attempt,))
            self.post(FilesChecked(check.job_id, *told))
            left = CheckFiles(check.job_id, tuple(rest))
            self.site.clock.later(CHECK_S, self._check, left, process)

    def _act_on_slot(self, action: StartSlot | SendSlot | KillSlot) -> None:
        slot = self.slots.get(action.slot)
        if isinstance(action, StartSlot):
            assert slot is None, "two processes in one slot"
            assert action.slot < self.n_slots, "more processes than slots"
            self.slots[action.slot] = SimulatedSlot(self, action.slot, action.job)
        elif slot is None:
            pass  # its end is on the way
        elif isinstance(action, SendSlot):
            slot.receive(action.message)
        else:
            slot.kill()
