"""Between a shuffle server and its clients: lose, damage, double or delay what it says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from support.map_outputs import Rows, write_map_output
from zmr.shuffle.names import map_output_name
from zmr.shuffle.server import ShuffleServer
from zmr.wire.address import Address

JOB_ID = "j1"
LOOPBACK = Address("127.0.0.1", 0)

Answer = tuple[bytes, bytes]  # the head and the piece
Tamper = Callable[[int, Answer], Sequence[Answer]]  # the number of the answer, from 0 on


def output_path(folder: Path, index: int) -> Path:
    """Return where the map output of attempt 100 + index is served from."""
    return folder / JOB_ID / map_output_name(JOB_ID, index, 100 + index)


def write_output(folder: Path, index: int, partitions: Sequence[Rows]) -> Path:
    """Write the map output of attempt 100 + index."""
    path = output_path(folder, index)
    path.parent.mkdir(exist_ok=True)
    write_map_output(str(path), partitions)
    return path


@contextmanager
def served(folder: Path, address: Address = LOOPBACK) -> Iterator[ShuffleServer]:
    """Give a server of what is in the folder; fail if its thread outlives it."""
    others = set(threading.enumerate())
    server = ShuffleServer([address], str(folder))
    own = set(threading.enumerate()) - others
    assert own
    try:
        yield server
    finally:
        server.close()
        assert not any(thread.is_alive() for thread in own)


class Relay:
    """Passes requests on to a server, and what it says, changed, back to the only client."""

    def __init__(self, server: str, tamper: Tamper) -> None:
        self.requests = 0
        self._tamper = tamper
        self._answers = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._front = self._context.socket(zmq.ROUTER)
        self._front.bind("tcp://127.0.0.1:*")
        self.address = self._front.getsockopt_string(zmq.LAST_ENDPOINT)
        self._back = self._context.socket(zmq.DEALER)
        self._back.connect(server)
        self._stop = self._context.socket(zmq.PAIR)
        self._stop.bind("inproc://stop")
        self._stopped = self._context.socket(zmq.PAIR)
        self._stopped.connect("inproc://stop")
        self._thread = threading.Thread(target=self._pass_on)
        self._thread.start()

    def close(self) -> None:
        self._stop.send(b"")
        self._thread.join()
        self._context.destroy(linger=0)

    def _pass_on(self) -> None:
        poller = zmq.Poller()
        for socket in (self._front, self._back, self._stopped):
            poller.register(socket, zmq.POLLIN)
        peer = b""
        while True:
            ready: dict[Any, int] = dict(poller.poll())
            if self._stopped in ready:
                return
            if self._front in ready:
                peer, request = self._front.recv_multipart()
                self.requests += 1
                self._back.send(request)
            if self._back in ready:
                head, piece = self._back.recv_multipart()
                for answer in self._tamper(self._answers, (head, piece)):
                    self._front.send_multipart([peer, *answer])
                self._answers += 1


@contextmanager
def relayed(server: ShuffleServer, tamper: Tamper) -> Iterator[Relay]:
    """Give a relay in front of the server."""
    relay = Relay(server.endpoint(), tamper)
    try:
        yield relay
    finally:
        relay.close()
