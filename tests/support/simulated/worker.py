"""A worker of a simulated cluster: a worker core, its slots, its disk, and its process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from simulation.invariants import validate_worker

from support.simulated.slot import SimulatedSlot
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
from zmr.core.worker import WorkerCore, WorkerSettings
from zmr.messages import SlotEnded, SlotSaid
from zmr.wire import codec

if TYPE_CHECKING:
    from support.simulated.cluster import Cluster

CHECK_S = 0.01  # to look at map outputs
KILL_S = 0.01  # between the order to kill a slot and its end


class SimulatedWorker:
    def __init__(self, cluster: Cluster, name: str, slots: int, death_timeout_s: float) -> None:
        self.cluster = cluster
        self.name = name
        self.peer = name.encode()
        self.disk: dict[str, list[str]] = {}  # map outputs: what each partition holds
        self.slots: dict[int, SimulatedSlot] = {}
        self.quit: Quit | None = None
        self.is_up = True
        self.is_stopped = False
        self._missed: list[WorkerInput] = []  # what came while it was stopped
        self.core = WorkerCore(
            WorkerSettings(
                name, name, 1, slots, f"/{name}", "master", death_timeout_s=death_timeout_s
            ),
            cluster.now,
        )

    # --- what a test does to it ---

    def crash(self) -> None:
        """End its process and all slots, without a word; its files are gone."""
        self.is_up = False
        for slot in self.slots.values():
            slot.is_dead = True
        self.disk.clear()

    def stop(self) -> None:
        """As SIGSTOP does: the process stands still, its slots go on."""
        self.is_stopped = True

    def resume(self) -> None:
        """As SIGCONT does: everything that it missed comes at once."""
        self.is_stopped = False
        missed, self._missed = self._missed, []
        for event in missed:
            self.tell(event)

    def interrupt(self) -> None:
        """Send it a signal."""
        self.tell(StopRequested("SIGINT", 130))

    # --- its shell ---

    def next_deadline(self) -> float | None:
        return self.core.next_deadline() if self.is_up and not self.is_stopped else None

    def tick_if_due(self) -> None:
        deadline, now = self.next_deadline(), self.cluster.now
        if deadline is not None and deadline <= now:
            self._perform(self.core.tick(now))
            after = self.next_deadline()
            assert after is None or after > now, "the tick does not clear its deadline"

    def deliver_later(self, frame: m.Frame) -> None:
        for delay_s in self.cluster.network.delays_s(self.peer, False, frame):
            self.cluster.later(delay_s, partial(self._deliver, codec.encode(frame)))

    def _deliver(self, data: bytes) -> None:
        self.tell(FrameReceived(b"", codec.decode(data)))

    def tell(self, event: WorkerInput) -> None:
        if self.is_stopped:
            self._missed.append(event)
        elif self.is_up:
            self._perform(self.core.handle(event, self.cluster.now))

    def slot_said(self, number: int, message: m.FromSlot) -> None:
        # What a slot says crosses a wire, too.
        (decoded,) = codec.decode(codec.encode(m.Frame(0, (message,)))).messages
        self.tell(SlotSaid(number, (cast(m.FromSlot, decoded),)))

    def slot_ended(
        self, number: int, status: int | None, signal: int | None, record: int = -1
    ) -> None:
        del self.slots[number]
        self.tell(SlotEnded(number, status, signal, 50_000_000, over_memory=False, record=record))

    def _perform(self, actions: list[WorkerAction]) -> None:
        validate_worker(self.core)
        messages: list[m.Message] = []
        for action in actions:
            if isinstance(action, SendMaster):
                messages.append(action.message)
            else:
                self._act(action)
        if messages:
            self.cluster.to_master(self.peer, m.Frame(self.core.epoch, tuple(messages)))
        if self.quit is not None:
            self.crash()

    def _act(self, action: WorkerAction) -> None:
        match action:
            case StartSlot(number, job):
                assert number not in self.slots
                self.slots[number] = SimulatedSlot(self.cluster, self, number, job)
            case SendSlot(number, message):
                self.slots[number].receive(message)
            case KillSlot(number):
                self.slots[number].die(None, 9, after_s=KILL_S)
            case DiscardFiles(paths):
                for path in paths:
                    self.disk.pop(path, None)
            case DiscardJob(job_id):
                assert all(slot.job.spec.job_id != job_id for slot in self.slots.values())
                self.disk = {p: o for p, o in self.disk.items() if f"/{job_id}/" not in p}
            case CheckFiles(job_id, files):
                whole = tuple(attempt for attempt, path in files if path in self.disk)
                damaged = tuple(attempt for attempt, path in files if path not in self.disk)
                answer = FilesChecked(job_id, whole, damaged)
                self.cluster.later(CHECK_S, partial(self.tell, answer))
            case Log(_, text):
                self.cluster.note(self.name, text)
            case Quit():
                assert self.quit is None
                self.quit = action
