"""Log lines to stderr, without ever waiting for a reader.

Where nobody reads (a pipe that is full, a terminal that was stopped by Ctrl-S), a reactor that
waits would answer nobody until somebody does. Lines are dropped then, and counted.
"""

from __future__ import annotations

import logging
import select
import sys
from typing import TextIO

from zmr.display import counted

SLOW_READER_S = 0.02


def takes_more(stream: TextIO, wait_s: float = 0.0) -> bool:
    """Whether it takes a line within that time, without waiting longer for somebody to read."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return bool(poll.poll(1000 * wait_s))
    except (OSError, ValueError, AttributeError):  # closed, or no file
        return True


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is by then: a progress bar replaces it for a while.

    It raises nothing: what stderr does not take, because it is closed or full, is dropped.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self._n_dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is None:  # of a program without a console
            return
        # A reader that is only slow is waited for, once.
        if not takes_more(self.stream, 0.0 if self._n_dropped else SLOW_READER_S):
            self._n_dropped += 1
            return
        if n := self._n_dropped:
            self._n_dropped = 0
            message = f"{counted(n, 'line')} of the log dropped: nobody read this"
            super().emit(logging.makeLogRecord({"msg": message, "levelname": "WARNING"}))
        super().emit(record)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handleError(record)
