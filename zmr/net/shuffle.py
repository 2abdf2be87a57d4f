"""The shuffle server: gives out this worker's map outputs, from a thread of its own.

It answers each request with one piece of a file, and keeps no state about who asks for what. So it
can't fall behind by more than was asked for, and nothing is lost with it but time. It serves files
in the worker's own folder, and no others. The thread shares nothing with the agent but a socket
on which it is told to stop.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from mmap import ACCESS_READ, mmap
from threading import Thread

import zmq

from zmr.net.address import Address, bind
from zmr.wire.fetching import MAX_PIECE_BYTES, BadFrame, FetchRequest, decode_request, encode_reply

log = logging.getLogger("zmr.shuffle")

_OPEN_FILES = 256
_LARGEST_REQUEST_BYTES = 64 * 1024


class ShuffleServer:
    """Serves the files below `folder` at `address` (port 0: a free one) until closed."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: Address, folder: str):
        self._folder = os.path.join(os.path.realpath(folder), "")
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_REQUEST_BYTES)
        self._socket.setsockopt(zmq.SNDHWM, 0)  # bounded by what was asked for
        self._socket.setsockopt(zmq.LINGER, 0)
        self.address = bind(self._socket, address, "--shuffle-port")
        self._stop = context.socket(zmq.PAIR)
        name = f"inproc://stop-shuffle-{id(self)}"
        self._stop.bind(name)
        self._stopped = context.socket(zmq.PAIR)
        self._stopped.connect(name)
        self._files: OrderedDict[str, mmap] = OrderedDict()
        self.bad_frames = 0
        self._thread = Thread(target=self._serve, name="shuffle", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and close the sockets."""
        self._stop.send(b"")
        self._thread.join()
        self._stop.close()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stopped, zmq.POLLIN)
        while self._stopped not in dict(poller.poll()):
            try:
                while True:
                    self._answer(*self._socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                pass
            except TypeError:
                self.bad_frames += 1  # a message of several parts
        self._socket.close()
        self._stopped.close()
        self._files.clear()

    def _answer(self, peer: bytes, data: bytes) -> None:
        try:
            request = decode_request(data)
        except BadFrame as error:
            self.bad_frames += 1
            log.debug("bad request: %s", error)
            return
        try:
            file = self._file(request)
            piece = memoryview(file)[request.offset : request.offset + request.size_bytes]
            reply = encode_reply(request.id, len(file))
        except (OSError, ValueError) as error:
            piece = memoryview(b"")
            reply = encode_reply(request.id, 0, str(error) or type(error).__name__)
        # Copying the piece costs less than libzmq's bookkeeping of foreign memory for small ones.
        self._socket.send_multipart([peer, reply, piece], copy=len(piece) < 64 * 1024)

    def _file(self, request: FetchRequest) -> mmap:
        """The file, mapped. Raises OSError or ValueError (an empty file)."""
        path = os.path.realpath(request.path)
        if not path.startswith(self._folder):
            raise PermissionError("not a map output of this worker")
        file = self._files.get(path)
        if file is not None:
            self._files.move_to_end(path)
            if os.path.exists(path):
                return file
            del self._files[path]
        with open(path, "rb") as opened:
            file = mmap(opened.fileno(), 0, access=ACCESS_READ)
        self._files[path] = file
        if len(self._files) > _OPEN_FILES:
            self._files.popitem(last=False)  # unmapped when its last piece has been sent
        return file


__all__ = ["MAX_PIECE_BYTES", "ShuffleServer"]
