"""Verifies that map outputs are as they were written, in a thread of its own.

To read gigabytes takes seconds, in which the worker's reactor must not stand still. The thread
begins with the first request; results come back to the reactor through a pipe, file by file.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple, Protocol


class Watcher(Protocol):
    """The part of a reactor that a verifier needs."""

    def watch(self, source: int, on_readable: Callable[[], None]) -> None: ...
    def unwatch(self, source: int) -> None: ...


class _Request(NamedTuple):
    job_id: str
    files: Sequence[tuple[int, str]]


class _Result(NamedTuple):
    job_id: str
    attempt: int
    is_whole: bool


class OutputVerifier:
    """Verifies map outputs, and calls `on_verified` from the reactor once for each file.

    It is given the job, the attempt that made the file, and whether the file is whole.
    """

    def __init__(self, reactor: Watcher, on_verified: Callable[[str, int, bool], None]) -> None:
        self._reactor = reactor
        self._on_verified = on_verified
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._results: deque[_Result] = deque()
        self._thread: Thread | None = None
        self._reader = self._writer = -1
        self._is_closed = False

    def verify(self, job_id: str, files: Sequence[tuple[int, str]]) -> None:
        """Have these files, each an attempt and its path, verified after all earlier ones."""
        if self._reader < 0:
            self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            self._reactor.watch(self._reader, self._deliver)
        self._requests.put(_Request(job_id, files))
        if self._thread is None:
            thread = Thread(target=self._work, name="verifier", daemon=True)
            with suppress(RuntimeError):  # there is none to be had: the next request tries again
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """End the thread, after the block that it is reading."""
        if self._reader >= 0 and not self._is_closed:
            self._is_closed = True
            self._requests.put(None)
            if self._thread is not None:
                self._thread.join()
            self._reactor.unwatch(self._reader)
            os.close(self._reader)
            os.close(self._writer)

    def _deliver(self) -> None:
        os.read(self._reader, 4096)
        while self._results:
            self._on_verified(*self._results.popleft())

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            for attempt, path in request.files:
                is_whole = self._is_whole(path)
                if self._is_closed:
                    return
                self._results.append(_Result(request.job_id, attempt, is_whole))
                self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # it is full of wake-ups already
            os.write(self._writer, b".")

    def _is_whole(self, path: str) -> bool:
        # Loads pyarrow, which a worker needs for nothing else.
        from zmr.shuffle.map_output import CorruptMapOutput, LocalSource, open_partitions

        try:
            source = LocalSource(path)
        except OSError:
            return False
        try:
            for partition in open_partitions(source):
                for _ in partition.messages():
                    if self._is_closed:
                        return False
        except (OSError, CorruptMapOutput):
            return False
        finally:
            source.close()
        return True
