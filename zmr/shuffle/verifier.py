"""Looks whether map outputs are as they were written, in a thread of its own.

To read gigabytes takes seconds, in which a worker has to be heard of. The thread begins with the
first question; results come back to the reactor through a pipe, file by file.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from zmr.core.actions import CheckFiles
from zmr.core.events import FilesChecked
from zmr.net.reactor import Reactor


class OutputChecker:
    """Answers `CheckFiles` with calls of `on_checked` from the reactor, one for each file."""

    def __init__(self, reactor: Reactor, on_checked: Callable[[FilesChecked], None]) -> None:
        self._reactor = reactor
        self._on_checked = on_checked
        self._questions: SimpleQueue[CheckFiles | None] = SimpleQueue()
        self._answers: deque[FilesChecked] = deque()
        self._thread: Thread | None = None
        self._reader = self._writer = -1
        self._is_closed = False

    def check(self, question: CheckFiles) -> None:
        """Have the files looked at when all earlier ones have been."""
        if self._reader < 0:
            self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            self._reactor.watch(self._reader, self._deliver)
        self._questions.put(question)
        if self._thread is None:
            thread = Thread(target=self._work, name="checker", daemon=True)
            with suppress(RuntimeError):  # there is none to be had: the next question tries again
                thread.start()
                self._thread = thread

    def close(self) -> None:
        """End the thread, after the block that it is reading."""
        if self._reader >= 0 and not self._is_closed:
            self._is_closed = True
            self._questions.put(None)
            if self._thread is not None:
                self._thread.join()
            self._reactor.unwatch(self._reader)
            os.close(self._reader)
            os.close(self._writer)

    def _deliver(self) -> None:
        os.read(self._reader, 4096)
        while self._answers:
            self._on_checked(self._answers.popleft())

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            for attempt, path in question.files:
                is_whole = self._is_whole(path)
                if self._is_closed:
                    return
                whole, damaged = ((attempt,), ()) if is_whole else ((), (attempt,))
                self._answers.append(FilesChecked(question.job_id, whole, damaged))
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
