"""How a client asks and follows, with a master that the test plays itself, answer by answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest
import zmq
from support import terminate

from zmr import messages as m
from zmr.errors import MasterLost, ZmrError
from zmr.net.client import Client
from zmr.net.keyring import Keyring
from zmr.wire import codec
from zmr.wire.address import parse
from zmr.wire.roles import Role

EPOCH = 7
WAIT_S = 10.0


def published(*seqs: int, last: bool = False) -> tuple[m.Published, ...]:
    """Return events of these numbers; the last one may be the master's own last one."""
    events = [m.Published(seq, 1.0, m.JobEvent("job", "map")) for seq in seqs]
    if last:
        events[-1] = m.Published(seqs[-1], 1.0, m.MasterEvent("ended"))
    return tuple(events)


class Master:
    """The sockets of a master, to be used by hand."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.control = context.socket(zmq.ROUTER)
        port = self.control.bind_to_random_port("tcp://127.0.0.1")
        self.address = f"tcp://127.0.0.1:{port}"
        self.events, self.events_address = self._publisher(context)
        self._context = context

    def _publisher(self, context: zmq.Context[zmq.Socket[bytes]]) -> tuple[zmq.Socket[bytes], str]:
        socket = context.socket(zmq.XPUB)
        socket.setsockopt(zmq.XPUB_WELCOME_MSG, codec.join_events(EPOCH, ()))
        return socket, f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"

    def question(self) -> tuple[bytes, m.Message]:
        """Wait for a question, and welcome subscribers meanwhile; return who asks what."""
        while not self.control.poll(0):
            ready = zmq.select([self.control, self.events], [], [], WAIT_S)[0]
            assert ready, "nobody asks"
            if self.events in ready:
                self.events.recv()
        peer, data = self.control.recv_multipart()
        [question] = codec.decode(data).messages
        return peer, question

    def asked_after(self) -> tuple[bytes, int]:
        """Wait for a question; return who asks for the events after which number."""
        peer, question = self.question()
        assert isinstance(question, m.GetSnapshot)
        return peer, question.after_seq

    def answer(
        self, peer: bytes, seq: int, events: tuple[m.Published, ...] = (), epoch: int = EPOCH
    ) -> None:
        snapshot = m.Snapshot(seq, self.events_address, events=events)
        self.control.send_multipart([peer, codec.encode(m.Frame(epoch, (snapshot,)))])

    def publish(self, *events: m.Published, epoch: int = EPOCH) -> None:
        self.events.send(codec.join_events(epoch, map(codec.encode_event, events)))

    def start_again(self) -> None:
        """Publish at another port from here on."""
        self.events.close(linger=0)
        self.events, self.events_address = self._publisher(self._context)

    def close(self) -> None:
        self.control.close(linger=0)
        self.events.close(linger=0)


Use = Callable[[Client], Iterator[object]]


class Asker:
    """A client in a thread of its own; what it gets can be waited for."""

    def __init__(self, address: str, use: Use, timeout_s: float = 40.0) -> None:
        self._got: SimpleQueue[object] = SimpleQueue()
        self._thread = threading.Thread(
            target=self._run, args=(address, use, timeout_s), daemon=True
        )
        self._thread.start()

    def _run(self, address: str, use: Use, timeout_s: float) -> None:
        try:
            with Client(Keyring(parse(address), is_insecure=True), Role.WATCH, timeout_s) as client:
                for each in use(client):
                    self._got.put(each)
            self._got.put("the end")
        except Exception as error:
            self._got.put(error)

    @property
    def is_busy(self) -> bool:
        return self._thread.is_alive()

    def next(self) -> object:
        return self._got.get(timeout=WAIT_S)

    def seqs(self, n: int) -> list[int]:
        """Return the numbers of the next `n` events."""
        events = [self.next() for _ in range(n)]
        return [event.seq for event in events if isinstance(event, m.Published)]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be asked only because time goes by, but where a test wants that."""
    monkeypatch.setattr("zmr.net.client._REPEAT_S", 30.0)
    monkeypatch.setattr("zmr.net.client._QUIET_S", 30.0)


@pytest.fixture
def master() -> Iterator[Master]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    master = Master(context)
    yield master
    master.close()
    terminate(context)


def follower(master: Master, *, from_start: bool) -> Asker:
    return Asker(master.address, lambda client: client.follow(from_start))


def test_answers_to_questions_repeated_are_not_taken_for_answers_to_the_next(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a follower whose first question is answered late, when it has asked a second time
    monkeypatch.setattr("zmr.net.client._REPEAT_S", 0.1)
    asker = follower(master, from_start=True)
    peer, _ = master.asked_after()
    assert master.asked_after() == (peer, -1)
    master.answer(peer, seq=2)
    master.answer(peer, seq=2)
    # Then the second answer, which has no events, does not stand for all there was
    other = peer
    while other == peer:  # a third time, perhaps
        other, after = master.asked_after()
    assert after == 0
    master.answer(other, seq=2, events=published(1, 2))
    assert asker.seqs(2) == [1, 2]
    master.publish(*published(3, last=True))
    assert asker.seqs(1) == [3]
    assert asker.next() == "the end"


def test_more_events_than_go_into_one_answer_are_asked_for(master: Master) -> None:
    asker = follower(master, from_start=True)
    master.answer(master.asked_after()[0], seq=5)
    for after, seqs in ((0, (1, 2)), (2, (3, 4)), (4, (5,))):
        peer, asked = master.asked_after()
        assert asked == after
        master.answer(peer, seq=5, events=published(*seqs))
    assert asker.seqs(5) == [1, 2, 3, 4, 5]
    master.publish(*published(6, last=True))
    assert asker.seqs(1) == [6]


def test_what_is_missing_is_asked_for_and_what_comes_twice_dropped(master: Master) -> None:
    asker = follower(master, from_start=False)
    master.answer(master.asked_after()[0], seq=4)
    master.answer(master.asked_after()[0], seq=4)
    master.publish(*published(3, 4, 5))
    master.publish(*published(5, 6))
    assert asker.seqs(2) == [5, 6]
    master.publish(*published(8))
    peer, after = master.asked_after()
    assert after == 6
    master.answer(peer, seq=8, events=published(7, 8))
    assert asker.seqs(2) == [7, 8]
    master.publish(*published(9, last=True))
    assert asker.seqs(1) == [9]
    assert asker.next() == "the end"


def test_the_last_words_are_told_although_nobody_answers_any_more(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zmr.net.client._REPEAT_S", 0.1)
    asker = follower(master, from_start=False)
    master.answer(master.asked_after()[0], seq=1)
    assert master.asked_after()[1] == 1
    master.publish(*published(2, 3, last=True))
    assert asker.seqs(2) == [2, 3]
    assert asker.next() == "the end"


def test_a_master_that_starts_again_is_followed_from_its_start(
    master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zmr.net.client._QUIET_S", 0.1)
    asker = follower(master, from_start=False)
    master.answer(master.asked_after()[0], seq=4)
    master.answer(master.asked_after()[0], seq=4)
    master.start_again()
    master.answer(master.asked_after()[0], seq=1, epoch=EPOCH + 1)
    peer, after = master.asked_after()
    assert after == 0
    master.answer(peer, seq=1, events=published(1), epoch=EPOCH + 1)
    assert asker.seqs(1) == [1]
    # And what is still under way from before is none of it
    master.publish(*published(2), epoch=EPOCH)
    master.publish(*published(2, last=True), epoch=EPOCH + 1)
    while asker.is_busy:
        if master.control.poll(10):
            peer, after = master.asked_after()
            assert after == 1
            master.answer(peer, seq=1, epoch=EPOCH + 1)
    assert asker.next() == m.Published(2, 1.0, m.MasterEvent("ended"))
    assert asker.next() == "the end"


def test_a_master_that_never_answers_is_lost(master: Master) -> None:
    lost = Asker(master.address, lambda client: iter([client.snapshot()]), timeout_s=0.2).next()
    assert isinstance(lost, MasterLost)
    assert str(lost) == f"no master answers at {master.address} (waited 0.2 s)"


def test_the_port_of_events_is_no_master(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zmr.net.client._REPEAT_S", 0.1)
    address = master.events_address
    lost = Asker(address, lambda client: iter([client.snapshot()]), timeout_s=2.0).next()
    assert isinstance(lost, MasterLost)
    assert str(lost) == f"no master answers at {address} (waited 2 s)"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\xff" * 9, "does not answer as a master does: not a zmr frame (9 bytes)"),
        (b"\x08\x02", "does not answer as a master does: protocol version 2"),
        (codec.encode(m.Frame(1, (m.Refused("full"),))), "refused: full"),
    ],
)
def test_a_refusal_and_a_wrong_answer_are_told(master: Master, answer: bytes, reason: str) -> None:
    asker = Asker(master.address, lambda client: iter([client.snapshot()]))
    peer, _ = master.question()
    master.control.send_multipart([peer, answer])
    error = asker.next()
    assert isinstance(error, ZmrError)
    assert reason in str(error)
