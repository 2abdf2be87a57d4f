"""The master's shell, with a core that makes a mistake."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Sequence

import pytest

from zmr import messages as m
from zmr.core.events import FrameReceived, MasterInput
from zmr.core.master import Rows
from zmr.core.settings import MasterSettings
from zmr.net.inproc import Inproc
from zmr.net.master_server import MasterServer
from zmr.net.reactor import Reactor
from zmr.net.router import OnBadFrame, OnFrame


class Listeners:
    """Peers whose frames a test makes up; what they are sent is kept."""

    def __init__(self) -> None:
        self.sent: list[tuple[Sequence[bytes], Sequence[m.Message]]] = []
        self.on_frame: OnFrame = lambda peer, frame: None

    def watch(self, reactor: Reactor, on_frame: OnFrame, on_bad_frame: OnBadFrame) -> None:
        self.on_frame = on_frame

    def send(self, peers: Sequence[bytes], epoch: int, messages: Sequence[m.Message]) -> None:
        self.sent.append((peers, messages))


class Unheard:
    """A broadcast without subscribers."""

    def welcome(self, data: bytes) -> None: ...
    def send(self, data: bytes) -> None: ...


class Pair:
    """A master, and the one peer that it has, in one process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reactor = Reactor()
        inproc = Inproc(self.reactor)
        self.server = MasterServer(
            self.reactor, inproc.peers, None, "", MasterSettings(), lambda outcome: None
        )
        self.answers: list[m.Message] = []
        inproc.uplink.watch(self.reactor, lambda frame: self.answers.extend(frame.messages))
        self.uplink = inproc.uplink
        right = self.server.core.handle

        def handle(event: MasterInput, now: float) -> list[object]:
            actions: list[object] = list(right(event, now))
            if isinstance(event, FrameReceived) and m.GetSnapshot(13) in event.frame.messages:
                self.spoil()
                raise self.error
            return actions

        self.error: Exception = ValueError("a mistake")
        self.spoil: Callable[[], object] = lambda: None
        monkeypatch.setattr(self.server.core, "handle", handle)

    def say(self, *messages: m.Message) -> list[m.Message]:
        """Send a frame; return all that is answered."""
        self.answers.clear()
        self.uplink.send(0, messages)
        for _ in range(4):
            self.reactor.turn(0.0)
        return self.answers


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Pair:
    return Pair(monkeypatch)


def test_a_mistake_costs_the_frame_that_meets_it(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "zmr.master"):
        for _ in range(12):
            assert pair.say(m.GetSnapshot(13)) == [m.Refused("an error of this master's own")]
    [registered] = pair.say(m.Register("worker", "host", 1, 1))
    assert isinstance(registered, m.Registered)
    assert pair.server.failed_frames == {"ValueError": 12}
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"frame that could not be handled, number {n}" for n in (1, 10)]
    assert "a mistake" in caplog.text


def test_tables_that_do_not_fit_together_end_the_master(pair: Pair) -> None:
    pair.say(m.Register("worker", "host", 1, 1))

    def spoil() -> None:
        worker = pair.server.core.cluster.workers.get(b"inproc")
        assert worker is not None
        worker.knows_of.add("no job")

    pair.spoil = spoil
    with pytest.raises(AssertionError, match="knows of a job that has ended"):
        pair.say(m.GetSnapshot(13))


def test_what_must_hold_ends_the_master_where_it_does_not(pair: Pair) -> None:
    pair.error = AssertionError("it does not hold")
    with pytest.raises(AssertionError, match="it does not hold"):
        pair.say(m.GetSnapshot(13))


def test_a_snapshot_is_made_once_a_turn_for_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    reactor, peers = Reactor(), Listeners()
    server = MasterServer(reactor, peers, None, "", MasterSettings(), lambda outcome: None)
    made = 0
    right = server.core.rows

    def rows() -> Rows:
        nonlocal made
        made += 1
        return right()

    monkeypatch.setattr(server.core, "rows", rows)
    asked = [f"peer {number}".encode() for number in range(100)]
    for peer in asked:
        for _ in range(5):
            peers.on_frame(peer, m.Frame(0, (m.GetSnapshot(-1), m.GetSnapshot(7))))
    reactor.turn(0.0)

    [(told, [snapshot])] = peers.sent
    assert told == asked
    assert isinstance(snapshot, m.Snapshot)
    assert made == 1
    reactor.turn(0.0)
    assert len(peers.sent) == 1


def test_snapshots_beyond_the_first_few_are_sent_in_turns_that_follow_at_once() -> None:
    reactor, peers = Reactor(), Listeners()
    server = MasterServer(reactor, peers, Unheard(), "", MasterSettings(), lambda outcome: None)
    for number in range(20):
        register = m.Register(str(number), "host", 1, 1)
        peers.on_frame(b"worker " + str(number).encode(), m.Frame(0, (register,)))
    reactor.turn(0.0)
    peers.sent.clear()
    for number in range(20):
        peers.on_frame(str(number).encode(), m.Frame(0, (m.GetSnapshot(number),)))
    reactor.turn(0.0)
    turns = 1
    while server.next_deadline() == -math.inf:
        reactor.turn(60.0)  # which it does not wait for
        turns += 1

    told = [peer for group, _ in peers.sent for peer in group]
    assert told == [str(number).encode() for number in range(20)]
    assert 3 <= turns < 10


def test_a_mistake_in_a_snapshot_costs_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    reactor, peers = Reactor(), Listeners()
    server = MasterServer(reactor, peers, Unheard(), "", MasterSettings(), lambda outcome: None)
    right = server.publisher.log.after

    def after(seq: int) -> tuple[m.Published, ...]:
        if seq == 13:
            raise ValueError("a mistake")
        return right(seq)

    monkeypatch.setattr(server.publisher.log, "after", after)
    for peer in (b"a", b"b"):
        peers.on_frame(peer, m.Frame(0, (m.GetSnapshot(13),)))
    reactor.turn(0.0)

    [(told, [answer])] = peers.sent
    assert (told, answer) == ([b"a", b"b"], m.Refused("an error of this master's own"))
    assert server.failed_frames == {"ValueError": 1}
    peers.on_frame(b"c", m.Frame(0, (m.GetSnapshot(),)))
    reactor.turn(0.0)
    assert peers.sent[-1][0] == [b"c"]
    assert isinstance(peers.sent[-1][1][0], m.Snapshot)


@pytest.mark.parametrize(
    ("host", "endpoint", "is_warned"),
    [
        ("elsewhere", "tcp://127.0.0.1:40123#" + "A" * 43, True),
        ("elsewhere", "tcp://10.0.0.7:40123", False),
        ("elsewhere", "", False),
        (socket.gethostname(), "tcp://127.0.0.1:40123", False),
    ],
)
def test_map_outputs_that_others_can_not_fetch_are_said_at_once(
    pair: Pair, caplog: pytest.LogCaptureFixture, host: str, endpoint: str, is_warned: bool
) -> None:
    with caplog.at_level(logging.WARNING, "zmr.master"):
        pair.say(m.Register("worker", host, 1, 1, shuffle_address=endpoint))
    assert ("where no other machine reaches them" in caplog.text) == is_warned
    assert "AAAA" not in caplog.text
