"""Those who attack a cluster: each kind sends so many frames, and leaves.

    python -m tests.fuzz.attack KIND SEED FRAMES ADDRESS EVENTS_ADDRESS

It prints how many frames it has sent. A kind is where it is, and what it knows: `stranger` has no
key; `watch`, `client` and `worker` have that role's; `subscriber` has a watch key, and subscribes;
`thief` asks workers for map outputs; `liar` works, and says that it is done at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import zmq

from fuzz.frames import Frames, Known
from zmr import messages as m
from zmr.net.keyring import Keyring
from zmr.shuffle.endpoint import connect
from zmr.sockets.curve import present
from zmr.wire import codec
from zmr.wire import zmr_pb2 as pb
from zmr.wire.address import parse
from zmr.wire.roles import Role

Socket = zmq.Socket[bytes]

_SESSION_FRAMES = 2000
_TIMEOUT_MS = 20_000


class Attacker:
    def __init__(self, seed: int, address: str, events: str) -> None:
        self.rng = Random(seed)
        self.address, self.events = address, events
        self.context: zmq.Context[Socket] = zmq.Context()
        self.known = Known()
        self.sent = 0

    def socket(self, kind: int, role: Role | None, address: str) -> Socket:
        socket = self.context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDTIMEO, _TIMEOUT_MS)
        if role is not None:
            key = Keyring(parse(self.address)).find(role)
            assert key is not None
            present(socket, key.master, key.pair)
        socket.connect(address)
        return socket

    def send(self, socket: Socket, *parts: bytes) -> None:
        """A frame that is not taken for long is dropped: its sender was thrown out."""
        with suppress(zmq.Again):
            socket.send_multipart(parts)
        self.sent += 1

    def look(self) -> m.Snapshot | None:
        """Find out what there is to lie about."""
        with self.socket(zmq.DEALER, Role.WATCH, self.address) as socket:
            socket.send(codec.encode(m.Frame(0, (m.GetSnapshot(),))))
            while socket.poll(_TIMEOUT_MS):
                frame = codec.decode(socket.recv())
                for message in frame.messages:
                    if isinstance(message, m.Snapshot):
                        self.known.epoch = frame.epoch
                        self.known.jobs = [job.job_id for job in message.jobs] or ["job-1"]
                        return message
        return None

    # --- the kinds ---

    def role(self, role: Role, n: int) -> None:
        """Sessions of a peer with this key. Every other one never reads an answer."""
        while self.sent < n:
            self.look()
            frames = Frames(self.rng, role, self.known)
            reads = self.rng.random() < 0.5
            with self.socket(zmq.DEALER, role, self.address) as socket:
                for _ in range(min(_SESSION_FRAMES, n - self.sent)):
                    self.send(socket, *frames.next())
                    while reads and socket.poll(0):
                        socket.recv_multipart()

    def stranger(self, n: int) -> None:
        """Bare bytes, half of which begin as ZeroMQ does, at each port."""
        import socket as std_socket

        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
        frames = Frames(self.rng, Role.WORKER, self.known)
        while self.sent < n:
            where = parse(self.rng.choice([self.address, self.events]))
            with (
                suppress(OSError),
                std_socket.create_connection((where.host, where.port), timeout=5) as connection,
            ):
                if self.rng.random() < 0.5:
                    connection.sendall(greeting)
                for _ in range(20):
                    self.sent += 1
                    connection.sendall(self.rng.choice((b"", b"\x04")) + frames.next()[0])

    def subscriber(self, n: int) -> None:
        while self.sent < n:
            # With what goes around it, that is more than is taken, and ends the connection.
            longest = self.rng.choice((900, 900, 1020))
            with self.socket(zmq.XSUB, Role.WATCH, self.events) as socket:
                # A long session, as what it subscribes to is kept until it ends.
                for _ in range(min(self.rng.choice((_SESSION_FRAMES, n)), n - self.sent)):
                    size = self.rng.choice((1, 100, 900, 900, 900))
                    if self.rng.random() < 0.0005:
                        size = longest
                    verb = self.rng.choice((*[b"\x01"] * 8, b"\x00", b"\x07"))
                    self.send(socket, verb + self.rng.randbytes(size))
                    while socket.poll(0):
                        socket.recv_multipart()

    def thief(self, n: int) -> None:
        """Registers to be told where map outputs are, and asks for them in all wrong ways."""
        while self.sent < n:
            self.look()
            sources: list[m.MapOutput] = []
            for task in self._tasks("thief"):
                sources += task.sources
            if not sources:
                continue
            source = self.rng.choice(sources)
            with self.context.socket(zmq.DEALER) as socket:
                socket.setsockopt(zmq.LINGER, 0)
                socket.setsockopt(zmq.SNDTIMEO, _TIMEOUT_MS)
                connect(socket, source.shuffle_address)
                for _ in range(min(_SESSION_FRAMES, n - self.sent)):
                    request = pb.FetchRequest(version=1, job_id=self.rng.choice(self.known.jobs))
                    request.map_index = self.rng.choice((source.index, 0, 2**32 - 1))
                    request.attempt = self.rng.choice((source.attempt, 0, 2**64 - 1))
                    request.offset = self.rng.choice((0, 1, 10**6, 2**64 - 1))
                    request.size_bytes = self.rng.choice((0, 1, 1 << 16, 2**32 - 1))
                    data = request.SerializeToString()
                    if self.rng.random() < 0.5:
                        data = data[: self.rng.randint(0, len(data))] + self.rng.randbytes(5)
                    self.send(socket, data)
                    while socket.poll(0):
                        socket.recv_multipart()

    def liar(self, n: int) -> None:
        """A worker by all appearances, that says of each map that nothing was put out."""
        while self.sent < n:
            self.look()
            for task in self._tasks("liar", answers=True):
                assert task is not None

    def _tasks(self, name: str, answers: bool = False) -> list[m.Task]:
        """The tasks that a worker of this name is given; `answers`: it lies of each at once."""
        found: list[m.Task] = []
        with self.socket(zmq.DEALER, Role.WORKER, self.address) as socket:
            name = f"{name}-{self.rng.randrange(10**6)}"
            here = m.Register(name, "nowhere", 1, 4)
            self.send(socket, codec.encode(m.Frame(0, (here, m.GetTask(4), m.Heartbeat(4)))))
            for _ in range(20):
                if not socket.poll(200):
                    self._say(socket, m.Heartbeat(4))
                    continue
                frame = codec.decode(socket.recv())
                self.known.epoch = frame.epoch
                for message in frame.messages:
                    if isinstance(message, m.TaskResponse):
                        found += message.tasks
                        for task in message.tasks if answers else ():
                            self._say(socket, self._lie(task))
            for task in found if not answers else ():
                self._say(socket, self._lie(task))
            self._say(socket, m.Leave("enough"))
            socket.poll(100)
        return found

    def _say(self, socket: Socket, message: m.Message) -> None:
        self.send(socket, codec.encode(m.Frame(self.known.epoch, (message,))))

    def _lie(self, task: m.Task) -> m.Message:
        if task.kind is m.TaskKind.MAP and task.n_reduce and self.rng.random() < 0.7:
            return m.MapDone(task.job_id, task.index, task.attempt, "", m.Stats())
        reason = m.FailureReason.WORKER_ERROR
        return m.TaskFailed(task.job_id, task.kind, task.index, task.attempt, reason, "a lie")


def main(kind: str, seed: str, n_frames: str, address: str, events: str) -> None:
    """Attack, and say how often."""
    attacker = Attacker(int(seed), address, events)
    attackers: dict[str, Callable[[int], Any]] = {
        **{role.value: partial(attacker.role, role) for role in Role},
        "stranger": attacker.stranger,
        "subscriber": attacker.subscriber,
        "thief": attacker.thief,
        "liar": attacker.liar,
    }
    attackers[kind](int(n_frames))
    print(attacker.sent, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
