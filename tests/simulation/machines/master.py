"""The master's machine: a master core in a process, and what its shell does."""

from __future__ import annotations

from typing import Any

from zmr import messages as m
from zmr.core.actions import (
    Append,
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
from zmr.core.journal import Record
from zmr.core.master import Master
from zmr.errors import JournalError
from zmr.net.event_log import EventLog
from zmr.net.snapshot_requests import SnapshotRequests
from zmr.wire import codec
from zmr.wire.parts import FramesToMaster

from .invariants import validate
from .network import MASTER
from .process import Process, frames_of
from .site import KeyRoles, NoKeys, Site
from .trace import shown

# So many tasks and workers are looked at in every step; of more, in every second, third, ... one.
_LOOKED_AT = 40

# Until subscribers are connected to a master that was started again.
_RECONNECT_S = 0.02


class MasterDied(Exception):
    """Between two instructions of a turn."""


class MasterMachine(Process):
    """A master of the site. `epoch`, if given, is that of its first start."""

    def __init__(self, site: Site, epoch: int = 1) -> None:
        super().__init__(site, MASTER)
        self.quit: Quit | None = None
        self.epoch = epoch - 1
        self._decided: list[tuple[Any, list[MasterAction]]] = []  # in this turn: event, actions
        self._outbox: dict[bytes, list[m.Message]] = {}
        self._requests = SnapshotRequests()
        self._dies_after: int | None = None  # so many instructions
        self._since_validated = 0
        self.roles: KeyRoles = NoKeys()

    def start(self) -> None:
        """Begin a new process, on the journal if there is one."""
        self._started()
        self.quit = None
        self.epoch += 1
        self.core = Master(self.epoch, self.site.settings)
        self._frames = FramesToMaster()
        self.events = EventLog(self.site.kept_events, self.site.events_at_once)
        self._turns_events: list[m.Published] = []  # published in this turn
        self._broadcasts_from = self.site.clock.now + _RECONNECT_S
        self.say(f"starts, epoch {self.epoch}")
        journal = self.site.journal
        if journal is not None:
            journal.reopen()
            records = journal.read()
            actions = self.core.restore(records, self.now)
            if records:
                self.site.master_restarted(self.core)
            for job_id in self.core.cluster.ended:  # perhaps just before the end of the last start
                self.site.clean(job_id)
            self._decided.append((None, actions))
            self.post_given(self.site.given)

    def post_given(self, submits: list[m.Submit]) -> None:
        """The jobs of its own command line. There is always a first turn."""
        self.inbox.extend(JobGiven(submit) for submit in submits)
        self._turn()

    def die_after(self, instructions: int) -> None:
        """As kill -9 does, when it has done so many things."""
        self._dies_after = instructions

    def calm(self) -> None:
        """Nothing happens to it any more."""
        self._dies_after = None
        self.resume()

    def crash(self) -> None:
        """As kill -9 does: what is sent is under way, the rest is gone."""
        self.say("killed")
        self.is_up = self.is_stopped = False
        lost = [action for _, actions in self._decided for action in actions]
        self.inbox.clear()
        self._decided.clear()
        self._outbox.clear()
        self._requests.clear()
        self._dies_after = None
        self.site.master_is_down(lost)

    def interrupt(self) -> None:
        """A signal that asks it to end."""
        self.say("gets a signal")
        self.post(StopRequested("SIGINT", 130))

    def receive(self, process: str, data: bytes) -> None:
        """A frame has arrived from this peer."""
        self.post((process.encode(), data))

    # --- its shell ---

    def _next_deadline(self) -> float | None:
        return self.core.next_deadline()

    def _take_turn(self) -> None:
        try:
            self._decide()
            self._commit()
            self._flush()
        except MasterDied:
            self.crash()
            return
        except JournalError:
            self.say("ends: it can't write the journal")
            self.crash()
            return
        if self.quit is not None:
            self.is_up = False
            self.site.master_is_down(())

    def _instruction(self) -> None:
        """Something is about to be done. It may not come to that."""
        if self._dies_after is not None:
            self._dies_after -= 1
            if self._dies_after < 0:
                raise MasterDied

    def _decide(self) -> None:
        while self.inbox:
            event: Any = self.inbox.popleft()
            if isinstance(event, tuple):
                peer, data = event
                try:
                    role = self.roles.role_of(name_of(peer))
                    frame = self._frames.take(peer, role, [data])
                except codec.BadFrame as error:
                    self.roles.check_refused(name_of(peer), str(error))
                    self._bad_frame(peer, error)
                    continue
                if frame is None:
                    continue  # a part
                self.roles.check(name_of(peer), frame)
                event = FrameReceived(peer, frame)
                self.site.trace.frame(
                    self.site.clock.now, MASTER, f"hears {name_of(peer)}:", event.frame
                )
            self._instruction()
            self._decided.append((event, self.core.handle(event, self.now)))
            self._validate()
        while self._is_due():
            self._decided.append((None, self.core.tick(self.now)))
            self._validate()

    def _bad_frame(self, peer: bytes, error: codec.BadFrame) -> None:
        """As the shell does: one answer is enough, and of a loss there is none."""
        self.say(f"hears of {name_of(peer)} a bad frame: {error}")
        if isinstance(error, codec.MissingParts):
            return
        answers = self._outbox.setdefault(peer, [])
        if not answers or not isinstance(answers[-1], m.Refused):
            answers.append(m.Refused(str(error)))

    def _validate(self) -> None:
        core = self.core
        size = len(core.cluster.workers.workers)
        size += sum(len(job.maps) + len(job.reduces) for job in core.cluster.active.values())
        self._since_validated += 1
        if self._since_validated * _LOOKED_AT >= size:
            self._since_validated = 0
            validate(core)

    def _commit(self) -> None:
        """Write ahead: what the turn decided is in the journal before it has an effect."""
        self._instruction()
        records: list[Record] = []
        for _, actions in self._decided:
            for action in actions:
                if isinstance(action, Append):
                    assert action is actions[0], "something comes before its record"
                    records += action.records
        if records:
            assert self.site.journal is not None, "records without a journal"
            self.site.journal.write(tuple(records))
            self.site.recorded(records)

    def _flush(self) -> None:
        """Have the effects of what this turn decided, then send."""
        decided = self._decided
        for event, actions in decided:
            self.site.master_did(event, actions)
        if self.site.dies_after_writing():
            raise MasterDied
        self._decided = []
        for _, actions in decided:
            for action in actions:
                if not isinstance(action, Send | Publish | Log):
                    self._instruction()
                self._act(action)
        outbox, self._outbox = self._outbox, {}
        for peer, messages in outbox.items():
            self._tell([peer], messages)
        while (
            self._requests
        ):  # those beyond the first few are answered in turns that follow at once
            self._tell_how_things_stand()
        self._broadcast()

    def _tell_how_things_stand(self) -> None:
        jobs, workers = self.core.rows()
        self.site.master_shows(jobs, workers)
        for peers, events in self._requests.take(self.events):
            self._tell(peers, [m.Snapshot(self.events.seq, "", jobs, workers, events)])

    def _tell(self, peers: list[bytes], messages: list[m.Message]) -> None:
        for data in frames_of(self.core.epoch, messages):
            for peer in peers:
                self._instruction()
                self._send(peer, data)
        if self.site.trace.is_on:
            frame = m.Frame(self.core.epoch, tuple(messages))
            for peer in peers:
                self.site.trace.frame(self.site.clock.now, MASTER, f"tells {name_of(peer)}:", frame)

    def _broadcast(self) -> None:
        """To all subscribers what this turn has published, as a PUB socket does: or not."""
        events, self._turns_events = self._turns_events, []
        site = self.site
        if not events or not site.subscribers or site.clock.now < self._broadcasts_from:
            return
        data = codec.join_events(self.epoch, map(codec.encode_event, events))
        assert codec.decode_events(data) == (self.epoch, tuple(events)), "other events are sent"
        for name, deliver in site.subscribers.items():
            self._instruction()
            fate = site.network.send(MASTER, name, deliver, data)
            if fate:
                self.say(f"  ... the events for {name} are {fate}")

    def _act(self, action: MasterAction) -> None:
        match action:
            case Send(peer, message):
                self._outbox.setdefault(peer, []).append(message)
            case Publish(event):
                published = self.events.append(event, self.site.clock.now)
                if self.site.subscribers:
                    self._turns_events.append(published)
                if self.site.trace.is_on:
                    self.site.trace.say(self.site.clock.now, MASTER, f"publishes {shown(event)}")
            case Log(_, text):
                self.say(text)
            case SendSnapshot(peer, after_seq):
                self._requests.add(peer, after_seq)
            case CompleteOutput(outcome):
                takes_s, error = self.site.manifest(outcome)
                completed = OutputCompleted(outcome.spec.job_id, error)
                self.site.clock.later(takes_s, self._completed, self._starts, completed)
            case JobEnded(outcome):
                self.site.job_ended(outcome)
            case Quit():
                assert self.quit is None
                self.quit = action
                self.say(f"ends: {action.reason}")

    def _completed(self, start: int, completed: OutputCompleted) -> None:
        if start == self._starts:
            self.post(completed)

    def _send(self, peer: bytes, data: bytes) -> None:
        process = name_of(peer)
        receiver = process.split(".")[0]
        machine = self.site.receivers.get(receiver)
        if machine is None:
            self.say(f"  ... what follows is for nothing that is there: {process}")
            return
        fate = self.site.network.send(
            MASTER, receiver, lambda data: machine.receive(process, data), data
        )
        if fate:
            self.say(f"  ... what follows, to {process}, is {fate}")


def name_of(peer: bytes) -> str:
    """The name of a peer, whatever it is."""
    return peer.decode(errors="replace")
