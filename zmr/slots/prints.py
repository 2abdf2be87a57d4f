r"""What user code prints, on its way from a slot to the agent's stderr.

A slot's stdout and stderr are one pipe, which its agent reads: so a stderr that nobody reads holds
up no task, and each line is named by the job and task that printed it. Python's streams write a
mark before the first text of a task: `\0zmr:` and the name, on a line of its own. What programs
print that a task starts has the name of the mark before it.

The slot keeps the beginning of what each attempt prints, too: `OUT/_logs/map-<n>.<attempt>.txt`.
"""

from __future__ import annotations

import io
import logging
import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import Any

from zmr.display import printable
from zmr.slots.channel import Watcher
from zmr.stderr import StderrHandler

_MARK = b"\0zmr:"
_PIPE_BYTES = 1 << 16
_MOST_LINE_BYTES = 2000  # a longer one is shown as several
_MOST_NAME_BYTES = 300  # user code could write a mark, too
_MOST_SHOWN_BYTES = 1 << 20  # of a task
_MOST_KEPT_BYTES = 1 << 16  # of an attempt

_log = logging.getLogger("zmr.prints")
_stderr = StderrHandler()


def show(line: str) -> None:
    """Log a line that user code printed; to stderr, where nobody has set up a log for it."""
    if _log.isEnabledFor(logging.INFO):
        _log.info("%s", line)
    else:
        _stderr.emit(logging.makeLogRecord({"msg": line}))


class PrintReader:
    """The agent's end: each line goes to `show`, after the name of its task."""

    def __init__(self, reactor: Watcher, show: Callable[[str], None] = show) -> None:
        self._reactor = reactor
        self._show = show
        self._fd, slot_end = os.pipe()
        os.set_blocking(self._fd, False)
        self.slot_end = open(slot_end, "wb", buffering=0)  # noqa: SIM115 -- sent to the slot
        self._is_open = True
        self._rest = b""  # of a line that has not ended
        self._name = ""
        self._left_bytes = _MOST_SHOWN_BYTES
        reactor.watch(self._fd, self._read)

    def drain(self) -> None:
        """Show what is there: a pipeful, as a process that prints without end would never be done
        with.
        """
        if self._is_open:
            self._read()

    def close(self) -> None:
        """Show what is there, and let go of the pipe."""
        self.drain()
        if self._rest:
            self._on_line(self._rest)
        self._stop()
        self.slot_end.close()
        os.close(self._fd)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _PIPE_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._stop()
            return
        data = self._rest + data
        if (
            self._left_bytes < 0 and _MARK not in data
        ):  # nothing of it is shown: don't look at lines
            self._rest = data[data.rfind(b"\n") + 1 :][-_MOST_LINE_BYTES:]
            return
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._on_line(line)
        if len(self._rest) > _MOST_LINE_BYTES:
            self._on_line(self._rest)
            self._rest = b""

    def _on_line(self, line: bytes) -> None:
        line, mark, name = line.rpartition(_MARK) if _MARK in line else (line, b"", b"")
        if line or not mark:
            self._left_bytes -= len(line) + 1
            if self._left_bytes >= 0:
                for start in range(0, len(line) or 1, _MOST_LINE_BYTES):
                    self._say(line[start : start + _MOST_LINE_BYTES])
            elif self._left_bytes + len(line) + 1 >= 0:
                self._say(b"(it prints more than 1 MiB: the rest is not shown)")
        if mark:
            self._name = printable(name[:_MOST_NAME_BYTES].decode(errors="replace"))
            self._left_bytes = _MOST_SHOWN_BYTES

    def _say(self, text: bytes) -> None:
        line = printable(text.decode(errors="replace").rstrip("\r"))
        self._show(f"{self._name}: {line}" if self._name else line)

    def _stop(self) -> None:
        if self._is_open:
            self._is_open = False
            self._reactor.unwatch(self._fd)


class Prints:
    """The slot's end: stdout and stderr of a slot process; with marks, if an agent reads them.

    Nothing that a task prints fails it, or the next one: what can't be written is dropped.
    """

    def __init__(self, has_marks: bool = True) -> None:
        # User code may close its stdout, or point it elsewhere: marks have a way of their own.
        self._pipe = fcntl(2, F_DUPFD_CLOEXEC, 3) if has_marks else -1
        self._of: Callable[[], tuple[str, str]] | None = None  # until something is printed
        self._path = ""  # of what is kept; empty: nothing more
        self._kept_bytes = 0

    def install(self) -> None:
        """Be Python's stdout and stderr."""
        for fd, name in ((1, "stdout"), (2, "stderr")):
            raw = io.BufferedWriter(_Stream(fd, self))
            # Any text can be printed, whatever the locale is.
            stream = io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)
            setattr(sys, name, stream)

    def begin(self, of: Callable[[], tuple[str, str]]) -> None:
        """What is printed from here on has another name, and its beginning is kept at another path
        (empty: nowhere). `of` gives both, and is called if there is anything.
        """
        self._of = of

    def write(self, fd: int, data: bytes) -> None:
        """Print, and keep."""
        of, self._of = self._of, None
        if of is not None:
            name, self._path = of()
            self._kept_bytes = 0
            if self._pipe >= 0:
                _write_all(self._pipe, _MARK + name.encode(errors="replace") + b"\n")
        _write_all(fd, data)
        if self._path:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        path, rest_bytes = self._path, _MOST_KEPT_BYTES - self._kept_bytes
        is_first = not self._kept_bytes
        self._kept_bytes += len(data)
        if len(data) > rest_bytes:
            data = data[:rest_bytes] + b"\n(it printed more: the rest is not kept)\n"
            self._path = ""
        with suppress(OSError):  # a task does not fail by what it prints
            if is_first:
                with suppress(FileExistsError):
                    os.mkdir(os.path.dirname(path))
            _append(path, data)


def _write_all(fd: int, data: bytes) -> None:
    """Write it, also to a file that is non-blocking by now; nothing, to one that is closed."""
    left = memoryview(data)
    with suppress(OSError):
        while left:
            try:
                left = left[os.write(fd, left) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(fd, select.POLLOUT)
                poll.poll()


def _append(path: str, data: bytes) -> None:
    """Write to the end of the file, in its own folder: where others may write, no link is followed.

    Raises OSError.
    """
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(os.path.basename(path), flags, 0o666, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        os.write(file, data)
    finally:
        os.close(file)


class _Stream(io.RawIOBase):
    def __init__(self, fd: int, prints: Prints) -> None:
        self._fd = fd
        self._prints = prints

    def fileno(self) -> int:
        return self._fd

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        text = bytes(data)
        self._prints.write(self._fd, text)
        return len(text)
