"""A client of a master: asks, waits for the answer, asks again; and follows the events.

Following is the Clone pattern of the ZeroMQ guide (`zmr.net.follower`): a late, slow or interrupted
subscriber loses nothing that the master still keeps.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import zmq

from zmr import messages as m
from zmr.core.states import JobState
from zmr.errors import InputError, MasterLost, ZmrError
from zmr.net.connection import Connection
from zmr.net.follower import Follower
from zmr.net.keyring import Keyring
from zmr.net.keys import Key
from zmr.sockets import addresses
from zmr.sockets.curve import present
from zmr.wire import codec
from zmr.wire.address import Address, parse
from zmr.wire.parts import encode_to_master
from zmr.wire.roles import Role

# A question without an answer is repeated after this.
_REPEAT_S = 1.0

# A small job takes less than the tenth of a second after which libzmq tries again: a tail that was
# there before its master would be too late.
_RECONNECT_MS = 20

# A job that is watched is looked at so often, while its tasks go on.
_LOOK_EVERY_S = 1.0

# With nothing published for so long, a follower asks whether the master is still there; where it
# can't hear what is published, it asks for that.
_QUIET_S = 2.0
_ASK_EVERY_S = 0.25

# A subscription that is not in force by then has a port that can't be reached.
_IN_FORCE_S = 1.0

# An event that was asked for is on its way, too, to a subscription that works.
_LATE_S = 0.5

# A connection without an answer for so long is replaced.
_RECONNECT_AFTER_S = 3.0

_ENDED = {state.value for state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)}


def has_ended(job: m.JobStatus) -> bool:
    """Whether the job will not change any more."""
    return job.state in _ENDED


class _MasterEndedError(Exception):
    """The master will answer no more: it has said that it ends."""


class _EndedError(Exception):
    """The job that is watched has ended, and this is the last that there is to know of it."""

    def __init__(self, status: m.JobStatus) -> None:
        super().__init__(status)
        self.status = status


class Client:
    """Talks to a master, as `role`, with the key of `keyring`. A context manager.

    With `is_patient`, the master need not take the key at once. Raises `KeyFileError` if the key
    that was given is no key for that.
    """

    def __init__(
        self, keyring: Keyring, role: Role, timeout_s: float, is_patient: bool = False
    ) -> None:
        keyring.require(role)
        self._is_patient = is_patient
        self._keyring = keyring
        self._role = role
        self._address = keyring.address
        self._timeout_s = timeout_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._connection: Connection | None = None
        self._unanswered = 0  # questions on that socket
        self._events: Subscription | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        # All sockets, also one that a signal has kept from becoming an attribute.
        self._context.destroy(linger=0)

    def ask(
        self, question: m.Message, on_wait: Callable[[], None] = lambda: None
    ) -> tuple[int, m.Message]:
        """The master's epoch and answer. Asks again while there is none, calling `on_wait`.

        Raises `MasterLost` after the timeout, `KeyRefused`, and `ZmrError` if the master refuses.
        """
        frames = _frames_of(question)
        socket, connection = self._connected()
        began = time.monotonic()
        deadline = began + self._timeout_s
        reconnect_at = began + _RECONNECT_AFTER_S
        while True:
            # A peer that is no ROUTER, such as a master's events port, takes no message at all.
            with suppress(zmq.Again):
                for data in frames:
                    socket.send(data, zmq.NOBLOCK)
            self._unanswered += 1
            repeat_at = min(time.monotonic() + _REPEAT_S, deadline)
            while self._is_readable(socket, connection, repeat_at):
                frame = self._received(socket)
                for answer in frame.messages:
                    if isinstance(answer, m.Refused):
                        raise ZmrError(f"the master at {self._address} refused: {answer.reason}")
                    if isinstance(answer, m.Snapshot | m.Submitted):
                        self._unanswered -= 1
                        return frame.epoch, answer
            now = time.monotonic()
            if now >= deadline:
                raise MasterLost(self._no_answer(connection))
            if now >= reconnect_at:  # a connection may die without a word, of a tunnel for example
                reconnect_at = now + _RECONNECT_AFTER_S
                connection.connect(now)
            on_wait()

    def _is_readable(self, socket: zmq.Socket[bytes], connection: Connection, until: float) -> bool:
        """Wait for an answer; not longer than until then, or until there is a new connection."""
        n_connects = connection.n_connects
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(connection.monitor, zmq.POLLIN)
        while connection.n_connects == n_connects:
            now = time.monotonic()
            due = connection.next_deadline()
            wait_s = max(0.0, (until if due is None else min(due, until)) - now)
            ready = dict(poller.poll(math.ceil(wait_s * 1000)))
            now = time.monotonic()
            if connection.monitor in ready:
                connection.on_monitor(now)
            if socket in ready:
                return True
            connection.tick(now)
            if now >= until:
                return False
        return False

    def _no_answer(self, connection: Connection) -> str:
        return (
            f"no master answers at {self._address} (waited {self._timeout_s:g} s)"
            f"{connection.suspicion()}"
        )

    def _connected(self) -> tuple[zmq.Socket[bytes], Connection]:
        """A socket on which no late answer to an earlier question can arrive."""
        if self._connection is not None and self._socket is not None and self._unanswered:
            self._connection.close()
            self._socket.close(linger=0)
            self._socket = None
        if self._socket is None or self._connection is None:
            self._socket = self._context.socket(zmq.DEALER)
            self._socket.setsockopt(zmq.ROUTING_ID, b"c" + secrets.token_bytes(15))
            self._socket.setsockopt(zmq.MAXMSGSIZE, codec.FRAME_LIMIT_BYTES)
            self._socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._connection = Connection(self._socket, self._keyring, self._role, self._is_patient)
            self._connection.connect(time.monotonic())
            self._unanswered = 0
        return self._socket, self._connection

    def _received(self, socket: zmq.Socket[bytes]) -> m.Frame:
        try:
            return codec.decode(b"".join(socket.recv_multipart()))
        except codec.BadFrame as error:
            raise ZmrError(f"{self._address} does not answer as a master does: {error}") from None

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

        A follower that waited for its master gets all of its events in any case. Ends with the
        master's own last event. Raises `MasterLost` when the master does not answer any more; if it
        was started again, its events follow from its start.
        """
        waited = False

        def wait_for_master() -> None:
            nonlocal waited
            waited = True
            on_wait()

        epoch, snapshot = self.snapshot(on_wait=wait_for_master)
        follower = Follower(epoch, 0 if from_start or waited else snapshot.seq)
        self._subscribe(snapshot.events_address)
        unread: list[m.Published] = []

        def wait() -> None:
            on_wait()
            self._collect(follower.epoch, unread)

        while True:
            try:
                epoch, snapshot = self.snapshot(follower.seq, wait)
            except _MasterEndedError:
                yield from (published for published in unread if published.seq > follower.seq)
                return
            unread.clear()
            if epoch != follower.epoch or self._has_missed(snapshot, follower):
                self._subscribe(snapshot.events_address)
            for published in follower.answered(epoch, snapshot):
                yield published
                if isinstance(published.event, m.MasterEvent):
                    return
            for published in self._while_gapless(follower):
                yield published
                if isinstance(published.event, m.MasterEvent):
                    return

    def _has_missed(self, snapshot: m.Snapshot, follower: Follower) -> bool:
        """Whether events were published that a subscription in force would have brought by now."""
        assert self._events is not None
        is_behind = snapshot.seq > follower.seq and not follower.is_behind
        return is_behind and self._events.is_in_force and not self._events.wait(_LATE_S)

    def _collect(self, epoch: int, unread: list[m.Published]) -> None:
        """Add what was published and not read yet. Raises `_MasterEndedError` if that was all."""
        for epoch_now, published in self._unread():
            if epoch_now == epoch:
                unread.extend(published)
        if unread and isinstance(unread[-1].event, m.MasterEvent):
            raise _MasterEndedError

    def listen(self) -> int:
        """Hear all that is published from here on, for `watch_job`. Returns the master's epoch."""
        epoch, snapshot = self.snapshot()
        self._subscribe(snapshot.events_address)
        return epoch

    def watch_job(self, job_id: str, epoch: int) -> Iterator[m.JobStatus]:
        """How a job stands that was submitted after `epoch = listen()`; its end comes last.

        The events say when to look, and how the job ended when the master no longer answers.
        Raises `MasterLost` when the master has ended before the job, or doesn't know it.
        """
        try:
            while True:
                epoch_now, snapshot = self.snapshot(on_wait=lambda: self._read_unread(job_id))
                status = next((job for job in snapshot.jobs if job.job_id == job_id), None)
                if status is None:
                    raise MasterLost(f"the master at {self._address} knows no {job_id} any more")
                if epoch_now != epoch:
                    epoch = epoch_now
                    self._subscribe(snapshot.events_address)
                yield status
                if has_ended(status):
                    return
                self._wait_for_news(job_id, epoch, snapshot)
        except _EndedError as ended:
            yield ended.status

    def _wait_for_news(self, job_id: str, epoch: int, snapshot: m.Snapshot) -> None:
        """Wait until it is time to look at the job again. Raises `_EndedError`, `MasterLost`."""
        look_at = time.monotonic() + _LOOK_EVERY_S
        follower = Follower(epoch, snapshot.seq)
        follower.answered(epoch, snapshot)
        for published in self._while_gapless(follower):
            if self._is_news(job_id, published.event) or time.monotonic() >= look_at:
                return

    def _read_unread(self, job_id: str) -> None:
        """Read what was published meanwhile. Raises `_EndedError`, `MasterLost`."""
        for _, events in self._unread():
            for published in events:
                self._is_news(job_id, published.event)

    def _is_news(self, job_id: str, event: m.Event) -> bool:
        if isinstance(event, m.MasterEvent):
            raise MasterLost(f"the master at {self._address} has ended, before {job_id}")
        if not isinstance(event, m.JobEvent) or event.job_id != job_id:
            return False
        if event.state in _ENDED:
            raise _EndedError(m.JobStatus(job_id, "", event.state, 0, 0, 0, 0, event.text))
        return True

    def _unread(self) -> Iterator[tuple[int, tuple[m.Published, ...]]]:
        assert self._events is not None
        while self._events.wait(0.0):
            yield self._events.received()

    def _while_gapless(self, follower: Follower) -> Iterator[m.Published]:
        """What the subscription brings, until something is missing or nothing comes for a while."""
        assert self._events is not None
        while not follower.is_behind and self._events.wait(
            _QUIET_S if self._events.is_in_force else _ASK_EVERY_S
        ):
            yield from follower.heard(*self._events.received())

    def _subscribe(self, events_address: str) -> None:
        """Subscribe, and wait until the subscription is in force; but not for long, as the port may
        be out of reach: then all events are asked for. Ends an earlier one.
        """
        if self._events is not None:
            self._events.close()
        port = parse(events_address).port
        key = self._connection.key if self._connection is not None else None
        # The master may know its host as a wildcard; the address that it has answered at works.
        self._events = Subscription(self._context, Address(self._address.host, port), key)
        if self._events.wait(min(_IN_FORCE_S, self._timeout_s)):
            self._events.received()


def _frames_of(question: m.Message) -> list[bytes]:
    """Raises `InputError` if the question is longer than a master hears."""
    try:
        return list(encode_to_master(0, (question,)))
    except ValueError as error:
        raise InputError(f"{error}: name fewer or shorter inputs") from None


class Subscription:
    """A SUB for all events, at a master's port for that."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], address: Address, key: Key | None
    ) -> None:
        self.is_in_force = False  # the greeting has come
        self._address = address
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.RCVHWM, 100_000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, codec.FRAME_LIMIT_BYTES)
        self._socket.setsockopt(zmq.LINGER, 0)
        if key is not None:
            present(self._socket, key.master, key.pair)
        addresses.connect(self._socket, address)

    def wait(self, timeout_s: float) -> bool:
        """Whether something has come within that time."""
        return bool(self._socket.poll(math.ceil(timeout_s * 1000)))

    def received(self) -> tuple[int, tuple[m.Published, ...]]:
        """The epoch and the events of what has come. Raises `ZmrError`."""
        self.is_in_force = True
        try:
            return codec.decode_events(b"".join(self._socket.recv_multipart()))
        except codec.BadFrame as error:
            raise ZmrError(f"{self._address} publishes what no master does: {error}") from None

    def close(self) -> None:
        """End it."""
        self._socket.close(linger=0)
