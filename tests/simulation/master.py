"""The master's machine: a master core in a process, and what its shell does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zmr.core import messages as m
from zmr.core.actions import (
    CompleteOutput,
    JobEnded,
    Log,
    MasterAction,
    Publish,
    Quit,
    Send,
    SendSnapshot,
)
from zmr.core.events import FrameReceived, JobGiven, OutputCompleted, StopRequested
from zmr.core.master import Master
from zmr.wire import codec

from .invariants import validate
from .machine import Machine
from .network import MASTER

if TYPE_CHECKING:
    from .world import World

# So many tasks and workers are looked at in every step; of more, in every second, third, ... one.
_LOOKED_AT = 40


class MasterMachine(Machine):
    def __init__(self, world: World) -> None:
        super().__init__(world, MASTER)
        self.quit: Quit | None = None
        self.epoch = 0
        self._outbox: dict[bytes, list[m.Message]] = {}
        self._since_validated = 0
        self.start()

    def start(self) -> None:
        """Begin a new process."""
        self._started()
        self.epoch += 1
        self.core = Master(self.epoch, self.world.scenario.settings)
        self.say(f"starts, epoch {self.epoch}")

    def interrupt(self) -> None:
        """A signal that asks it to end."""
        self.say("gets a signal")
        self.post(StopRequested("SIGTERM", 143))

    def give(self, submit: m.Submit) -> None:
        """A job from its own process."""
        self.post(JobGiven(submit))

    def receive(self, peer: bytes, data: bytes) -> None:
        """A frame has arrived."""
        self.post((peer, data))

    # --- its shell ---

    def _next_deadline(self) -> float | None:
        return self.core.next_deadline()

    def _take_turn(self) -> None:
        while self.inbox and self.quit is None:
            event: Any = self.inbox.popleft()
            if isinstance(event, tuple):
                peer, data = event
                event = FrameReceived(peer, codec.decode(data))
                self.world.trace.frame(
                    self.world.clock.now, MASTER, f"hears {peer.decode()}:", event.frame
                )
            self._handled(event, self.core.handle(event, self.now))
        while self.quit is None and self._is_due():
            self._handled(None, self.core.tick(self.now))
        self._flush()
        if self.quit is not None:
            self.is_up = False

    def _handled(self, event: Any, actions: list[MasterAction]) -> None:
        self.world.ledger.master_did(event, actions)
        for action in actions:
            self._act(action)
        self._validate()

    def _validate(self) -> None:
        core = self.core
        size = len(core.workers.workers)
        size += sum(len(job.maps) + len(job.reduces) for job in core.active.values())
        self._since_validated += 1
        if self._since_validated * _LOOKED_AT >= size:
            self._since_validated = 0
            validate(core)

    def _act(self, action: MasterAction) -> None:
        world = self.world
        match action:
            case Send(peer, message):
                self._outbox.setdefault(peer, []).append(message)
            case Publish(event):
                world.trace.say(world.clock.now, MASTER, f"publishes {event}")
            case Log(_, text):
                self.say(text)
            case SendSnapshot(peer, _, jobs, workers):
                self._outbox.setdefault(peer, []).append(m.Snapshot(0, "", jobs, workers))
            case CompleteOutput(outcome):
                world.complete_output(outcome)
                self.inbox.append(OutputCompleted(outcome.spec.job_id))
            case JobEnded(outcome):
                world.job_ended(outcome)
            case Quit():
                assert self.quit is None
                self.quit = action
                self.say(f"ends: {action.reason}")

    def _flush(self) -> None:
        """Send what this turn decided."""
        outbox, self._outbox = self._outbox, {}
        for peer, messages in outbox.items():
            for data in codec.encode_all(self.core.epoch, messages):
                self._send(peer, data)
            if self.world.trace.is_on:
                frame = m.Frame(self.core.epoch, tuple(messages))
                self.world.trace.frame(
                    self.world.clock.now, MASTER, f"tells {peer.decode()}:", frame
                )

    def _send(self, peer: bytes, data: bytes) -> None:
        world, process = self.world, peer.decode()
        receiver = process.split(".")[0]
        machine = world.receivers[receiver]
        fate = world.network.send(
            MASTER, receiver, lambda data: machine.receive(process, data), data
        )
        if fate:
            self.say(f"  ... what follows, to {process}, is {fate}")
