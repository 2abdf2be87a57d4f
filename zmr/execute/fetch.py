"""Reading map outputs from other workers, piece by piece, from many at once.

Each request is the credit for one reply. Every source reads ahead: as soon as it is opened its
first pieces are on their way, and while a reduce works through one piece, the next ones of all its
sources arrive. What is asked for and not used yet stays below a budget shared by all sources.
"""

from __future__ import annotations

from collections import deque

import zmq

from zmr.wire.fetching import BadFrame, FetchReply, FetchRequest, decode_reply, encode_request

PIECE_BYTES = 256 * 1024
_MOST_PIECES = 10  # under way or waiting, a source
_SILENCE_S = 20.0  # after which a worker is taken for gone


class Fetcher:
    """The connections of one reduce task. A context manager."""

    def __init__(self, budget_bytes: int, n_sources: int) -> None:
        pieces = budget_bytes // (PIECE_BYTES * max(1, n_sources))
        self._window = min(max(1, pieces), _MOST_PIECES)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._waiting: dict[int, RemoteSource] = {}
        self._requests = 0

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        for socket in self._sockets.values():
            socket.close(linger=0)
        self._context.term()

    def open(self, address: str, path: str) -> RemoteSource:
        """The file at a worker. Its size is asked for, and raises OSError if there is none."""
        return RemoteSource(self, address, path, self._window)

    def ask(self, source: RemoteSource, address: str, path: str, offset: int, size: int) -> int:
        """Send a request; the number under which `source` will be given the reply."""
        self._requests += 1
        self._waiting[self._requests] = source
        request = FetchRequest(self._requests, path, offset, size)
        self._socket(address).send(encode_request(request))
        return self._requests

    def forget(self, source: RemoteSource) -> None:
        """The source wants no more replies."""
        for number in [n for n, waiting in self._waiting.items() if waiting is source]:
            del self._waiting[number]

    def wait(self, name: str) -> None:
        """Wait for replies, and hand them to their sources. Raises OSError if none come."""
        ready = self._poller.poll(int(_SILENCE_S * 1000))
        if not ready:
            raise TimeoutError(f"{name}: no answer for {_SILENCE_S:g} s")
        for socket, _ in ready:
            try:
                while True:
                    self._take(*socket.recv_multipart(zmq.NOBLOCK, copy=False))
            except zmq.Again:
                pass

    def _take(self, head: zmq.Frame, data: zmq.Frame) -> None:
        try:
            reply = decode_reply(head.bytes)
        except BadFrame as error:
            raise OSError(str(error)) from error
        source = self._waiting.pop(reply.id, None)
        if source is not None:
            source.take(reply, data.buffer)

    def _socket(self, address: str) -> zmq.Socket[bytes]:
        socket = self._sockets.get(address)
        if socket is None:
            socket = self._context.socket(zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVHWM, 0)  # bounded by what is asked for
            if "[" in address:
                socket.setsockopt(zmq.IPV6, 1)
            socket.connect(address)
            self._poller.register(socket, zmq.POLLIN)
            self._sockets[address] = socket
        return socket


class RemoteSource:
    """A map output file of another worker: a `zmr.data.map_output.Source`.

    Reads that follow one another are answered from the pieces read ahead; any other starts anew.
    """

    def __init__(self, fetcher: Fetcher, address: str, path: str, window: int) -> None:
        self.name = f"{path} at {address}"
        self._fetcher = fetcher
        self._address = address
        self._path = path
        self._window = window
        self._size_bytes = -1
        self._error = ""
        self._asked: deque[int] = deque()  # requests under way, in the order of the file
        self._arrived: dict[int, memoryview] = {}
        self._position = 0  # of the first byte that is here or under way
        self._next = 0  # the first byte that is neither
        self._end = 0  # reading ahead stops here
        self._ask_size = fetcher.ask(self, address, path, 0, 0)

    @property
    def size_bytes(self) -> int:
        """Of the file. Raises OSError."""
        while self._size_bytes < 0:
            self._check()
            self._fetcher.wait(self.name)
        return self._size_bytes

    def expect(self, offset: int, end: int) -> None:
        """The next reads will be from `offset` to `end`, in order: begin to fetch."""
        self._restart(offset, end)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """So many bytes from there, or fewer where the file ends. Raises OSError."""
        if offset != self._position or offset + size_bytes > self._end:
            self._restart(offset, min(offset + size_bytes, self.size_bytes))
        wanted = min(size_bytes, self._end - offset)
        parts: list[memoryview] = []
        while wanted > 0:
            piece = self._first_piece()
            part = piece[:wanted]
            parts.append(part)
            wanted -= len(part)
            self._consume(len(part), piece)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Nothing more will be read."""
        self._fetcher.forget(self)
        self._arrived.clear()
        self._asked.clear()

    def take(self, reply: FetchReply, data: memoryview) -> None:
        """A reply has come."""
        if reply.error:
            self._error = reply.error
        self._size_bytes = reply.file_bytes
        if reply.id != self._ask_size:
            self._arrived[reply.id] = data

    def _restart(self, offset: int, end: int) -> None:
        self._fetcher.forget(self)
        self._asked.clear()
        self._arrived.clear()
        self._position = self._next = offset
        self._end = end
        self._read_ahead()

    def _read_ahead(self) -> None:
        while self._next < self._end and len(self._asked) < self._window:
            size = min(PIECE_BYTES, self._end - self._next)
            number = self._fetcher.ask(self, self._address, self._path, self._next, size)
            self._asked.append(number)
            self._next += size

    def _first_piece(self) -> memoryview:
        while self._asked[0] not in self._arrived:
            self._check()
            self._fetcher.wait(self.name)
        piece = self._arrived[self._asked[0]]
        if not len(piece):
            raise OSError(f"{self.name}: the file is shorter than it was")
        return piece

    def _consume(self, size: int, piece: memoryview) -> None:
        number = self._asked[0]
        self._position += size
        if size < len(piece):
            self._arrived[number] = piece[size:]
            return
        self._asked.popleft()
        del self._arrived[number]
        self._read_ahead()

    def _check(self) -> None:
        if self._error:
            raise OSError(f"{self.name}: {self._error}")
