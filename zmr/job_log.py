"""What a job logs: lines of level and message on stderr, like all that a task prints."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress


class _ToStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:  # the message and its arguments don't fit together
            self.handleError(record)
            return
        with suppress(OSError, ValueError):  # a task does not fail by what it logs
            if sys.stderr is not None:
                print(text, file=sys.stderr, flush=True)


def _logger() -> logging.Logger:
    # None of logging's tree: what others set up there, for the process, is not for jobs.
    logger = logging.Logger("job", logging.INFO)
    handler = _ToStderr()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


LOGGER = _logger()
