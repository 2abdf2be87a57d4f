"""Reading map outputs from the workers that have them: many at once, within a budget of memory.

A `Fetcher` belongs to one reduce task. Every source reads ahead: while the reduce works through
one piece, the next ones of all sources arrive. What is under way or waits to be used stays below
the budget, which the sources share. A block is read out of the very memory into which it was
received, unless it lies across two pieces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pyarrow as pa
import zmq

from zmr.shuffle.link import Link, Piece
from zmr.shuffle.map_output import index_bytes
from zmr.shuffle.names import map_output_name
from zmr.shuffle.protocol import MAX_PIECE_BYTES, FetchRequest

_SMALLEST_PIECE_BYTES = 16 * 1024
_FEWEST_PIECES = 4  # into which the share of a source is cut
_MOST_PIECES = 8

# How often damaged bytes are read again before the map output is taken for damaged.
_TRIES = 2

_NOTHING = memoryview(b"")

# How long to wait when nothing comes: before each new request, and in the end.
_PATIENCE = (1.0, 2.0, 4.0, 8.0)


class Fetcher:
    """The connections of one reduce task. A context manager.

    A worker that sends nothing for `patience_s` counts as gone, and reading its map outputs fails.
    `on_bytes` is called with the number of bytes that have arrived, whenever some have.
    """

    def __init__(
        self,
        budget_bytes: int,
        patience_s: float = sum(_PATIENCE),
        on_bytes: Callable[[int], None] = lambda size_bytes: None,
    ) -> None:
        self.budget_bytes = budget_bytes
        self.piece_bytes = MAX_PIECE_BYTES
        self.window = _FEWEST_PIECES  # pieces of a source under way or waiting
        self._patience_s = tuple(part * patience_s / sum(_PATIENCE) for part in _PATIENCE)
        self._on_bytes = on_bytes
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._links: dict[str, Link] = {}
        self._pieces = 0
        self.share_among(1)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the workers. Nothing can be read any more."""
        for link in self._links.values():
            link.close()
        self._context.term()

    def share_among(self, n_sources: int) -> None:
        """So many sources will be read at once from now on."""
        share_bytes = self.budget_bytes // max(1, n_sources)
        fitting = max(_SMALLEST_PIECE_BYTES, share_bytes // _FEWEST_PIECES)
        self.piece_bytes = min(fitting, MAX_PIECE_BYTES)
        self.window = max(1, min(share_bytes // self.piece_bytes, _MOST_PIECES))

    def open(
        self, address: str, job_id: str, index: int, attempt: int, n_partitions: int
    ) -> RemoteSource:
        """A map output at a worker; its end, where the index is, is asked for at once."""
        link = self._links.get(address)
        if link is None:
            link = Link(self._context, address, self._patience_s, self._on_bytes)
            self._links[address] = link
        return RemoteSource(self, link, (job_id, index, attempt), n_partitions)

    def ask(
        self,
        link: Link,
        output: tuple[str, int, int],
        offset: int,
        size_bytes: int,
        from_end: bool = False,
    ) -> Piece:
        """Ask for a piece of the map output."""
        self._pieces += 1
        piece = Piece(FetchRequest(self._pieces, *output, offset, size_bytes, from_end))
        link.ask(piece)
        return piece


class RemoteSource:
    """A map output at a worker: a `zmr.shuffle.map_output.Source`.

    Reads that follow one another are answered from the pieces read ahead; any other starts anew.
    What is read stays valid for as long as it is referenced.
    """

    def __init__(
        self, fetcher: Fetcher, link: Link, output: tuple[str, int, int], n_partitions: int
    ) -> None:
        job_id, index, attempt = output
        self.name = f"{job_id}, map {index}, attempt {attempt} at {link.address}"
        self.file_name = map_output_name(*output)
        self._fetcher = fetcher
        self._link = link
        self._output = output
        self._tail_bytes = end_bytes(n_partitions)
        self._tries_left = _TRIES
        self._size_bytes = -1  # not known yet
        self._pieces: deque[Piece] = deque()  # one after the other, from the position on
        self._current = _NOTHING  # the first piece, when it is here, and where it begins
        self._current_offset = 0
        self._position = 0  # what is read next, if it is read in order
        self._next = 0  # the first byte that has not been asked for
        self._end = 0  # reading ahead stops here
        self._tail: Piece | None = self._ask_tail()

    @property
    def size_bytes(self) -> int:
        """Of the file. Raises OSError."""
        if self._size_bytes < 0:
            if self._tail is None:
                self._tail = self._ask_tail()
            self._wait(self._tail)
            self._size_bytes = self._tail.file_bytes
        return self._size_bytes

    def read(self, offset: int, size_bytes: int) -> memoryview:
        """So many bytes from there, or fewer where the file ends. Raises OSError."""
        start = offset - self._current_offset
        if offset == self._position and start + size_bytes < len(self._current):
            self._position += size_bytes
            return self._current[start : start + size_bytes]
        size_bytes = max(0, min(size_bytes, self.size_bytes - offset))
        if self._tail is not None and self._tail.data is not None:
            data = self._tail.data
            start = offset - (self._size_bytes - len(data))
            if start >= 0:
                return data[start : start + size_bytes]
        if offset != self._position:
            self._restart(offset)
        self._end = max(self._end, offset + size_bytes)
        self._read_ahead()
        if not size_bytes:
            return _NOTHING
        part = self._next_part(size_bytes)
        if len(part) == size_bytes:
            return part
        # Other memory would be zeroed first.
        whole = memoryview(pa.allocate_buffer(size_bytes)).cast("B")
        filled = 0
        while True:
            whole[filled : filled + len(part)] = part
            filled += len(part)
            if filled == size_bytes:
                return whole
            part = self._next_part(size_bytes - filled)

    def expect(self, offset: int, size_bytes: int) -> None:
        """So many bytes from there will be read next, in order: begin to fetch them."""
        self._end = offset + size_bytes
        self._restart(offset)
        self._read_ahead()

    def again(self) -> bool:
        """What was read is damaged. Whether to read it again, as it may be so on the way only."""
        if not self._tries_left:
            return False
        self._tries_left -= 1
        self._restart(0)
        self._forget_tail()
        self._size_bytes = -1
        return True

    def close(self) -> None:
        """Nothing more will be read for now."""
        self._end = 0
        self._restart(0)
        self._forget_tail()

    def _ask_tail(self) -> Piece:
        return self._fetcher.ask(self._link, self._output, 0, self._tail_bytes, from_end=True)

    def _forget_tail(self) -> None:
        if self._tail is not None:
            self._tail.is_wanted = False
            self._tail = None

    def _restart(self, offset: int) -> None:
        for piece in self._pieces:
            piece.is_wanted = False
        self._pieces.clear()
        self._current = _NOTHING
        self._position = self._next = offset

    def _read_ahead(self) -> None:
        while self._next < self._end and len(self._pieces) < self._fetcher.window:
            size_bytes = min(self._fetcher.piece_bytes, self._end - self._next)
            piece = self._fetcher.ask(self._link, self._output, self._next, size_bytes)
            self._pieces.append(piece)
            self._next += size_bytes

    def _next_part(self, size_bytes: int) -> memoryview:
        """So many of the next bytes, or as many of them as the first piece has."""
        piece = self._pieces[0]
        data = self._wait(piece)
        start = self._position - piece.request.offset
        part = data[start : start + size_bytes]
        if not part:
            raise OSError(f"{self.name} is shorter than it was")
        self._position += len(part)
        self._current, self._current_offset = data, piece.request.offset
        if start + len(part) == piece.request.size_bytes:
            self._current = _NOTHING
            self._pieces.popleft()
            self._read_ahead()
        return part

    def _wait(self, piece: Piece) -> memoryview:
        try:
            data = self._link.wait(piece)
        except OSError as error:
            raise OSError(f"{self.name}: {error}") from error
        if 0 <= self._size_bytes != piece.file_bytes:
            raise OSError(f"{self.name}: its size has changed")
        return data


def end_bytes(n_partitions: int) -> int:
    """How much of the end of a map output is asked for first: what holds its index, usually."""
    return min(index_bytes(n_partitions), MAX_PIECE_BYTES)
