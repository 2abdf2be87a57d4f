"""A client of a master: asks, waits for the answer, asks again; and follows the events.

Following is the Clone pattern of the ZeroMQ guide: subscribe, take a snapshot with the events up to
now, then apply what the subscription brings; whenever a number is missing, ask for the events after
the last one seen. So a late, slow or interrupted subscriber loses nothing that the
master still keeps.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import zmq

from zmr.core import messages as m
from zmr.errors import MasterLost, ZmrError
from zmr.net import address as addresses
from zmr.net.address import Address
from zmr.wire import codec

# A question without an answer is repeated after this.
_REPEAT_S = 1.0

# With nothing published for so long, a follower asks whether the master is still there.
_QUIET_S = 2.0


class Client:
    """Talks to the master at `address`. A context manager, which closes the sockets."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.ROUTING_ID, b"c" + secrets.token_bytes(15))
        self._socket.setsockopt(zmq.LINGER, 0)
        addresses.connect(self._socket, address)
        self._events: zmq.Socket[bytes] | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        if self._events is not None:
            self._events.close(linger=0)
        self._socket.close()
        self._context.term()

    def ask(
        self, question: m.Message, on_wait: Callable[[], None] = lambda: None
    ) -> tuple[int, m.Message]:
        """The master's epoch and answer. Asks again while there is none, calling `on_wait`.

        Raises `MasterLost` after the timeout, `ZmrError` if the master refuses.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            self._socket.send(codec.encode(m.Frame(0, (question,))))
            repeat_at = min(time.monotonic() + _REPEAT_S, deadline)
            while self._socket.poll(max(0, int((repeat_at - time.monotonic()) * 1000) + 1)):
                frame = codec.decode(self._socket.recv())
                for answer in frame.messages:
                    if isinstance(answer, m.Refused):
                        raise ZmrError(f"the master at {self._address} refused: {answer.reason}")
                    if isinstance(answer, m.Snapshot | m.Submitted):
                        return frame.epoch, answer
            if time.monotonic() >= deadline:
                raise MasterLost(
                    f"no master answers at {self._address} (waited {self._timeout_s:g} s)"
                )
            on_wait()

    def snapshot(
        self, after_seq: int = -1, on_wait: Callable[[], None] = lambda: None
    ) -> tuple[int, m.Snapshot]:
        """The master's epoch, and how things stand; with the events after `after_seq`, -1: none."""
        epoch, answer = self.ask(m.GetSnapshot(after_seq), on_wait)
        assert isinstance(answer, m.Snapshot)
        return epoch, answer

    def follow(
        self, from_start: bool, on_wait: Callable[[], None] = lambda: None
    ) -> Iterator[m.Published]:
        """All events from now on, or from the first that is kept, each once and in order.

        Ends with the master's own last event. Raises `MasterLost` when the master does not answer
        any more; if it was started again, its events follow from its start.
        """
        epoch, snapshot = self.snapshot(on_wait=on_wait)
        seq = 0 if from_start else snapshot.seq
        events = self._subscribe(snapshot.events_address)
        while True:
            told_epoch, snapshot = self.snapshot(seq, on_wait)
            if told_epoch != epoch:
                epoch, seq = told_epoch, 0
                continue
            for published in snapshot.events:
                yield published
                if isinstance(published.event, m.MasterEvent):
                    return
            seq = snapshot.seq
            for published in self._while_gapless(events, epoch, seq):
                yield published
                seq = published.seq
                if isinstance(published.event, m.MasterEvent):
                    return

    def _while_gapless(
        self, events: zmq.Socket[bytes], epoch: int, seq: int
    ) -> Iterator[m.Published]:
        """What the subscription brings, until something is missing or nothing comes for a while."""
        while events.poll(int(_QUIET_S * 1000)):
            told_epoch, published = codec.decode_events(events.recv())
            if told_epoch != epoch:
                return
            for event in published:
                if event.seq > seq + 1:
                    return
                if event.seq == seq + 1:
                    seq += 1
                    yield event

    def _subscribe(self, events_address: str) -> zmq.Socket[bytes]:
        """Subscribe, and wait until the master has heard of it."""
        port = int(events_address.rpartition(":")[2])
        self._events = self._context.socket(zmq.SUB)
        self._events.setsockopt(zmq.SUBSCRIBE, b"")
        self._events.setsockopt(zmq.RCVHWM, 100_000)
        # The master's own idea of its host may be a wildcard; ours has proved right.
        addresses.connect(self._events, Address(self._address.host, port))
        if not self._events.poll(int(self._timeout_s * 1000)):
            raise MasterLost(f"no events from the master at {self._address}, port {port}")
        return self._events
