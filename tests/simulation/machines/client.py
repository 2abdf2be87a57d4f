"""Clients on the network: they ask, and repeat themselves until they are answered; some follow.

They do what `zmr.net.client` does, on a simulated network: each question has a connection of its
own, so that no late answer to an earlier one is taken for its answer. A subscription outlasts a
lost connection and the end of a master, as a SUB socket's does; what is published meanwhile is
lost. What is seen and missed is `zmr.net.follower`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable

from zmr import messages as m
from zmr.net.follower import Follower
from zmr.wire import codec
from zmr.wire.parts import encode_to_master

from .network import MASTER
from .process import frames_of
from .site import Site

_REPEATS_AFTER_S = 1.0

# As in `zmr.net.client`: without events for so long a follower asks; a job is looked at so often.
_QUIET_S = 2.0
_LOOKS_AFTER_S = 1.0

ENDED = ("done", "failed", "cancelled")

Question = m.Submit | m.CancelJob | m.GetSnapshot
Then = Callable[[int, m.Message], None]  # gets the master's epoch and its answer


def nothing(_epoch: int, _answer: m.Message) -> None:
    """What a client does with an answer that needs no more."""


class Client:
    """Asks one question after another; each until there is an answer."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.name = name
        self.refused: list[str] = []
        self.question: Question | None = None  # the one that is not answered
        self._then: Then = nothing
        self._connections = 0

    def ask(self, question: Question, then: Then = nothing) -> None:
        """Ask on a new connection, until there is an answer."""
        self._connections += 1
        self.question, self._then = question, then
        self._repeat(self._process)

    @property
    def _process(self) -> str:
        return f"{self.name}.{self._connections}"

    def _repeat(self, process: str) -> None:
        site = self.site
        if self.question is None or process != self._process:
            return
        if not site.has_ended:
            frame = m.Frame(0, (self.question,))
            site.trace.frame(site.clock.now, self.name, "says", frame)
            master = site.receivers[MASTER]
            parts = frames_of(0, frame.messages, encode_to_master)
            site.network.send(self.name, MASTER, lambda data: master.receive(process, data), *parts)
        site.clock.later(_REPEATS_AFTER_S, self._repeat, process)

    def receive(self, process: str, data: bytes) -> None:
        """An answer, if it is not to an earlier question."""
        question = self.question
        if question is None or process != self._process:
            return
        frame = codec.decode_only([data])
        answer = frame.messages[0]
        self.site.answered(question, frame.epoch, answer)
        self.question = None
        if isinstance(answer, m.Refused):
            self.refused.append(answer.reason)
        self._then(frame.epoch, answer)

    @property
    def pending(self) -> str:
        """What it still waits for, if anything."""
        return f"{self.name} has no answer to {self.question}" if self.question else ""


class Subscriber(Client):
    """Follows the events: a snapshot, then what is broadcast, and again when something is missing.

    Subclasses say what they make of it.
    """

    def __init__(self, site: Site, name: str) -> None:
        super().__init__(site, name)
        self.is_done = False
        self.follower: Follower | None = None
        self._heard_at = 0.0

    def follow(self) -> None:
        """Begin."""
        self.ask(m.GetSnapshot(), self._subscribe)

    def _subscribe(self, epoch: int, answer: m.Message) -> None:
        assert isinstance(answer, m.Snapshot)
        self.follower = self._begin(epoch, answer)
        self.site.subscribers[self.name] = self._hear
        self.site.clock.later(_QUIET_S, self._watch)
        self.look()

    def look(self) -> None:
        """Ask how things stand."""
        assert self.follower is not None
        self.ask(m.GetSnapshot(self._after()), self._see)

    def _see(self, epoch: int, answer: m.Message) -> None:
        assert isinstance(answer, m.Snapshot)
        self._heard_at = self.site.clock.now
        self._stands(epoch, answer)
        self._go_on()

    def _hear(self, data: bytes) -> None:
        if self.is_done:
            return
        epoch, events = codec.decode_events(data)
        self.site.heard(epoch, events)
        self._heard_at = self.site.clock.now
        self._happened(epoch, events)
        self._go_on()

    def _go_on(self) -> None:
        is_behind = self.follower is not None and self.follower.is_behind
        if is_behind and not self.is_done and self.question is None:
            self.look()

    def _watch(self) -> None:
        """Nothing is published, or nothing arrives."""
        if self.is_done or self.site.has_ended:
            return
        if self.question is None and self.site.clock.now - self._heard_at >= _QUIET_S:
            self.look()
        self.site.clock.later(_QUIET_S, self._watch)

    def _end(self) -> None:
        self.is_done, self.question = True, None
        self.site.subscribers.pop(self.name, None)

    def _begin(self, epoch: int, snapshot: m.Snapshot) -> Follower:
        return Follower(epoch, snapshot.seq)

    def _after(self) -> int:
        """Which events it asks for."""
        return -1

    def _stands(self, epoch: int, snapshot: m.Snapshot) -> None:
        raise NotImplementedError

    def _happened(self, epoch: int, events: tuple[m.Published, ...]) -> None:
        raise NotImplementedError


class Tail(Subscriber):
    """Follows everything, as `Client.follow` of `zmr.net.client`; from the first event, or not."""

    def __init__(self, site: Site, name: str, from_start: bool) -> None:
        super().__init__(site, name)
        self.states: dict[str, str] = {}  # of jobs, as it knows them
        self._seen = 0, 0  # the epoch and number of the last event that it can know of
        self._from_start = from_start
        self._unread: list[tuple[int, tuple[m.Published, ...]]] = []

    def _begin(self, epoch: int, snapshot: m.Snapshot) -> Follower:
        self._seen = epoch, 0 if self._from_start else snapshot.seq
        return Follower(*self._seen)

    def _after(self) -> int:
        assert self.follower is not None
        return self.follower.seq

    def _stands(self, epoch: int, snapshot: m.Snapshot) -> None:
        follower = self.follower
        assert follower is not None
        events = follower.answered(epoch, snapshot)
        if epoch != self._seen[0]:
            assert not events, f"{self.name} takes events that it has not asked for"
            self._seen = epoch, 0
        elif events:
            self._seen = epoch, events[-1].seq
        assert (follower.epoch, follower.seq) == self._seen, f"{self.name} missed an event"
        self._take(events)
        if not follower.is_behind:
            self.states = {job.job_id: job.state for job in snapshot.jobs}
        unread, self._unread = self._unread, []
        for epoch_of_it, events in unread:
            if not follower.is_behind:
                self._broadcast(epoch_of_it, events)

    def _happened(self, epoch: int, events: tuple[m.Published, ...]) -> None:
        if self.question is not None:
            self._unread.append((epoch, events))
        else:
            self._broadcast(epoch, events)

    def _broadcast(self, epoch: int, events: tuple[m.Published, ...]) -> None:
        assert self.follower is not None
        new = self.follower.heard(epoch, events)
        seqs = [published.seq for published in new]
        epoch_seen, seq = self._seen
        assert not new or epoch == epoch_seen, f"{self.name} takes events of another start"
        expected = list(range(seq + 1, seq + 1 + len(new)))
        assert seqs == expected, f"{self.name} takes {seqs}, not {expected}"
        self._seen = epoch_seen, seq + len(new)
        self._take(new)

    def _take(self, events: tuple[m.Published, ...]) -> None:
        for published in events:
            if isinstance(published.event, m.JobEvent):
                self.states[published.event.job_id] = published.event.state
            elif isinstance(published.event, m.MasterEvent):
                self._end()


class Watcher(Subscriber):
    """Follows one job to its end, as `Client.watch_job` of `zmr.net.client`."""

    def __init__(self, site: Site, name: str, job_id: str) -> None:
        super().__init__(site, name)
        self.job_id = job_id
        self.last_state = ""  # of the job; empty as long as nothing is known of it
        self.on_end: Callable[[], None] = lambda: None
        self._looks_at = 0.0

    def _stands(self, epoch: int, snapshot: m.Snapshot) -> None:
        self.follower = Follower(epoch, snapshot.seq)
        self.follower.answered(epoch, snapshot)
        self._looks_at = self.site.clock.now + _LOOKS_AFTER_S
        for job in snapshot.jobs:
            if job.job_id == self.job_id:
                self._is(job.state)

    def _happened(self, epoch: int, events: tuple[m.Published, ...]) -> None:
        assert self.follower is not None
        # While it waits for an answer, as `zmr.net.client` does, it reads whatever is there.
        new = self.follower.heard(epoch, events) if self.question is None else events
        for published in new:
            event = published.event
            if isinstance(event, m.MasterEvent):
                self._end()
            elif isinstance(event, m.JobEvent) and event.job_id == self.job_id:
                self._is(event.state)
                self._looks_at = 0.0
        if self.site.clock.now >= self._looks_at and not self.is_done and self.question is None:
            self.look()

    def _is(self, state: str) -> None:
        self.last_state = state
        if state in ENDED and not self.is_done:
            self._end()
            self.on_end()
