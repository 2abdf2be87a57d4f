"""stdout, where results go, and stderr, where everything else does.

A job does not end because stderr is closed or full. It does when stdout is: its result has no
other place to go.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from zmr.display import is_power_of_ten, printable
from zmr.errors import ZmrError
from zmr.stderr import SLOW_READER_S, StderrHandler, takes_more

_A_LEVEL = logging.WARNING - logging.INFO
_READER_GONE = 128 + signal.SIGPIPE
# A pipe that takes anything takes PIPE_BUF bytes, 4096: with the time, and the line's end.
_MOST_BYTES = 4000

# Warnings of a kind that are all shown; how they are compared, and how many kinds are remembered.
_SHOWN_ALL = 8
_NUMBERS = re.compile(r"[0-9]+")
_KIND_CHARS = 500
_MOST_KINDS = 1_000

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def write_stderr(text: str) -> None:
    """Write a text to stderr, and a line end; without a reader it is dropped."""
    try:
        click.echo(printable(text), err=True)
    except OSError:
        _discard(sys.stderr)


def write_if_read(text: str) -> None:
    """Write a text to stderr, line by line, as long as somebody reads: for who can't wait."""
    for line in text.split("\n"):
        if not takes_more(sys.stderr, SLOW_READER_S):
            return
        write_stderr(line)


@contextmanager
def to_stdout() -> Iterator[None]:
    """Write to stdout in the body, which is all written at the end of it.

    A reader that stops early (`| head`) ends the command, quietly, with the status that a shell
    shows for a command killed by SIGPIPE. Raises `ZmrError` if stdout takes no more.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
        raise click.exceptions.Exit(_READER_GONE) from None
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        _discard(sys.stdout)
        raise ZmrError(f"can't write to stdout: {error.strerror}") from None


def _discard(stream: TextIO) -> None:
    """Drop all that is written there from here on, by Python's own flush at exit too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def set_up_logging(verbose: bool, quiet: bool, usual: int = logging.INFO) -> None:
    """Log to stderr from the level `usual`: `verbose` is one level more, `quiet` only errors."""
    level = logging.ERROR if quiet else usual - _A_LEVEL if verbose else usual
    handler = _LogHandler()
    if not verbose:
        handler.addFilter(_Repetitions())
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("zmr")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    prints = logging.getLogger("zmr.prints")  # of user code, whose lines are not ours
    handler = _LogHandler()
    handler.setFormatter(_Lines())
    prints.handlers[:] = [handler]
    prints.setLevel(logging.INFO)
    prints.propagate = False


class _Repetitions(logging.Filter):
    """Warnings that differ in numbers only are shown a few times, and then as the tenth, hundredth,
    ... of their kind: a missing input is the same news for each task and attempt.
    """

    def __init__(self) -> None:
        super().__init__()
        self._n: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is shown."""
        if record.levelno != logging.WARNING:
            return True
        kind = _NUMBERS.sub("#", record.getMessage())[:_KIND_CHARS]
        if len(self._n) >= _MOST_KINDS:
            self._n.clear()
        n = self._n[kind] = self._n.get(kind, 0) + 1
        if n <= _SHOWN_ALL:
            return True
        record.msg, record.args = f"{record.getMessage()} (number {n} of its kind; -v: all)", ()
        return is_power_of_ten(n)


class _Lines(logging.Formatter):
    """What others have said can't look like lines of this log: a message's own are set in.

    A record is no longer than what a pipe takes at once, or nothing.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = printable(super().format(record)).replace("\n", "\n    ")
        data = text.encode(errors="backslashreplace")
        if len(data) <= _MOST_BYTES:
            return text
        return data[:_MOST_BYTES].decode(errors="ignore") + " ..."


class _LogHandler(StderrHandler):
    """Once stderr has failed, nothing is written to it any more."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if isinstance(sys.exc_info()[1], OSError):
            _discard(sys.stderr)
        else:
            super().handleError(record)
