"""The shuffle server: gives out this worker's map outputs, from a thread of its own.

It answers each request with one piece of a file, in the order in which they come, and keeps no
state about its clients. So nothing is lost with it but time. It serves map outputs in the worker's
own folder and nothing else: a request names job, map and attempt, never a path. Its thread has a
ZeroMQ context of its own, so that no heartbeat waits behind a piece, and shares nothing with the
agent but a socket that stops it.

Pieces are read, not sent out of mapped files: a page that can't be had when libzmq comes to it, as
the disk fails or the file has been cut meanwhile, would kill the process.
"""

from __future__ import annotations

import logging
import os
import stat
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Thread

import zmq

from zmr.display import is_power_of_ten
from zmr.errors import AddressError
from zmr.shuffle.endpoint import with_key
from zmr.shuffle.names import map_output_name
from zmr.shuffle.protocol import (
    MAX_UNDER_WAY,
    BadFrame,
    FetchReply,
    FetchRequest,
    decode_request,
    encode_reply,
)
from zmr.sockets.addresses import bind, bind_ipc
from zmr.sockets.curve import KeyPair, new_pair, serve
from zmr.wire.address import Address

log = logging.getLogger("zmr.shuffle")

_MOST_OPEN_FILES = 128
_LARGEST_REQUEST_BYTES = 4096

# Files that were not asked for during so long are closed: their job may have ended, and a file
# that is open keeps its place on the disk.
_IDLE_MS = 2000

# Stops a peer that asks on and takes nothing. Those that keep to the protocol never come near it,
# not even when they ask for everything again; libzmq learns with some delay of what has left.
_MOST_QUEUED = 4 * MAX_UNDER_WAY


class ShuffleServer:
    """Serves the map outputs in the job folders of `folder` at an address until closed.

    At the first of `addresses` that is free: of TCP, where port 0 picks a free one, or an `ipc://`
    endpoint. With `is_encrypted`, readers need its key over TCP, which is a new one. Raises
    `AddressError`.
    """

    def __init__(
        self, addresses: Sequence[Address | str], folder: str, is_encrypted: bool = False
    ) -> None:
        self.bad_frames = 0  # requests that made no sense
        self.dropped = 0  # answers to peers that take none
        self._is_tracing = log.isEnabledFor(logging.DEBUG)
        self._folder = folder
        self._files: OrderedDict[str, _OpenFile] = OrderedDict()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            self._socket = self._context.socket(zmq.ROUTER)
            # A piece for a peer whose queue is full is refused, rather than dropped in silence.
            self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            self._socket.setsockopt(zmq.SNDHWM, _MOST_QUEUED)
            self._socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_REQUEST_BYTES)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._pair: KeyPair | None = None
            if is_encrypted and isinstance(addresses[0], Address):
                self._pair = new_pair()
                serve(self._socket, self._pair, with_roles=False)
            self._bound = _bind_first(self._socket, addresses)
            self._stop = self._context.socket(zmq.PAIR)
            self._stop.bind("inproc://stop")
            self._stopped = self._context.socket(zmq.PAIR)
            self._stopped.connect("inproc://stop")
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._thread = Thread(target=self._serve, name="shuffle", daemon=True)
        self._thread.start()

    def endpoint(self, host: str | None = None) -> str:
        """What readers need (`zmr.shuffle.endpoint`) who reach this machine by this name or
        address; None: as it listens.
        """
        if isinstance(self._bound, str):
            return self._bound
        at = self._bound if host is None else replace(self._bound, host=host)
        return str(at) if self._pair is None else with_key(str(at), self._pair.public)

    def close(self) -> None:
        """End the thread; close sockets and files."""
        if not self._stop.closed:
            self._stop.send(b"")
            self._thread.join()
            self._stop.close()
            self._context.term()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stopped, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(_IDLE_MS if self._files else None))
            if self._stopped in ready:
                break
            if not ready:
                self._files.clear()
            with suppress(zmq.Again):
                for _ in range(_MOST_QUEUED):  # then see whether to stop
                    self._answer(self._socket.recv_multipart(zmq.NOBLOCK))
        self._socket.close()
        self._stopped.close()
        self._files.clear()

    def _answer(self, parts: list[bytes]) -> None:
        try:
            if len(parts) != 2:
                raise BadFrame(f"a message of {len(parts) - 1} parts; one is expected")
            request = decode_request(parts[1])
        except BadFrame as error:
            self.bad_frames += 1
            _warn_now_and_then(self.bad_frames, f"bad requests for map outputs: {error}")
            return
        try:
            piece, file_bytes = self._piece(request)
            reply = FetchReply(request.id, file_bytes)
        except OSError as error:
            piece, reply = b"", FetchReply(request.id, 0, error.strerror or str(error))
        if self._is_tracing:
            map_output = f"map {request.map_index} of {request.job_id}"
            log.debug("fetched: %d bytes of %s%s", len(piece), map_output, reply.error)
        try:
            self._socket.send(parts[0], zmq.NOBLOCK | zmq.SNDMORE)
            self._socket.send(encode_reply(reply), zmq.NOBLOCK | zmq.SNDMORE)
            # Below some size, libzmq's bookkeeping of foreign memory takes longer than a copy.
            self._socket.send(piece, zmq.NOBLOCK, copy=len(piece) < 64 * 1024)
        except zmq.Again:
            self.dropped += 1  # if it means it, it asks again
            _warn_now_and_then(self.dropped, "pieces of map outputs for a peer that takes none")
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:  # it has left, or lost its connection
                raise

    def _piece(self, request: FetchRequest) -> tuple[bytes, int]:
        """The bytes that are asked for, and the size of the whole file. Raises OSError."""
        name = map_output_name(request.job_id, request.map_index, request.attempt)
        path = os.path.join(self._folder, request.job_id, name)
        file = self._files.get(path)
        if file is None or not file.is_as_it_was():
            self._files.pop(path, None)
            file = _OpenFile(path)
            self._files[path] = file
            if len(self._files) > _MOST_OPEN_FILES:
                self._files.popitem(last=False)
        self._files.move_to_end(path)
        size_bytes = min(request.size_bytes, file.size_bytes)
        offset = file.size_bytes - size_bytes if request.from_end else request.offset
        return file.piece(offset, size_bytes), file.size_bytes


def _bind_first(socket: zmq.Socket[bytes], addresses: Sequence[Address | str]) -> Address | str:
    for address in addresses[:-1]:
        assert isinstance(address, Address), "an endpoint of a folder is nobody else's"
        with suppress(AddressError):
            return bind(socket, address, "--shuffle-port")
    address = addresses[-1]
    if isinstance(address, Address):
        return bind(socket, address, "--shuffle-port")
    bind_ipc(socket, address)
    return address


class _OpenFile:
    """A file that stays open until the last reference to it is gone."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self._descriptor = -1
        # O_NONBLOCK: user code may have put a pipe there, for which to wait is to wait for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        self._descriptor = os.open(path, flags)
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a map output")
        self.size_bytes = status.st_size

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def is_as_it_was(self) -> bool:
        """Whether it still has its size, and its name."""
        status = os.fstat(self._descriptor)
        return status.st_size == self.size_bytes and status.st_nlink > 0

    def piece(self, offset: int, size_bytes: int) -> bytes:
        """So many bytes, or fewer at the end. Raises OSError."""
        left = max(0, self.size_bytes - offset)
        return os.pread(self._descriptor, min(size_bytes, left), offset) if left else b""


def _warn_now_and_then(count: int, text: str) -> None:
    if is_power_of_ten(count):
        log.warning("%d %s", count, text)
