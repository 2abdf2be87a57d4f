"""Real processes for tests: every wait is for an event and has a bound, and none is left behind."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from support.leaks import MARK_VARIABLE, marked_processes, wait_until_gone

# Only a test that fails waits so long. They are for a machine with ten times as many busy processes
# as cores; pytest's own limit is longer.
WAIT_S = 120.0
LEAK_GRACE_S = 30.0
ZMR = (sys.executable, "-m", "zmr")

Argument = str | os.PathLike[str]
Stream = Literal["stdout", "stderr"]

# They would change what is tested: flags of zmr, and Python's own switches. Without its own
# bytecode, in particular, every process would compile zmr anew.
_KEPT_OUT = ("ZMR_", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "COLUMNS")


def clean_environment(mark: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process under test: the caller's without what would colour it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_OUT)}
    home = {name: os.environ[name] for name in ("ZMR_HOME",) if name in os.environ}
    return kept | home | {MARK_VARIABLE: mark} | dict(extra)


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended, and all that it wrote."""

    args: tuple[str, ...]
    status: int  # the exit status; -N where signal N ended it
    stdout: str
    stderr: str


class Command:
    """A running process, in a session of its own; what it writes is collected as it comes."""

    def __init__(self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self.args = tuple(args)
        self._process = subprocess.Popen(
            self.args,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._changed = threading.Condition()
        self._lines: list[tuple[Stream, str]] = []
        self._status: int | None = None
        self._open_streams = 2
        for work in (
            partial(self._read, "stdout", self._process.stdout),
            partial(self._read, "stderr", self._process.stderr),
            self._reap,
        ):
            threading.Thread(target=work, daemon=True).start()

    @property
    def running(self) -> bool:
        return self._status is None

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        return self._text("stderr")

    def wait_for(
        self,
        pattern: str,
        *,
        stream: Stream | None = None,
        count: int = 1,
        timeout_s: float = WAIT_S,
    ) -> re.Match[str]:
        """Wait until `count` lines, of both streams or of one, contain `pattern`; return the last.

        Lines count from the start of the process, so one that has already come is found at once.
        """
        wanted = re.compile(pattern)
        with self._changed:
            self._changed.wait_for(
                lambda: not self._open_streams or len(self._matches(wanted, stream)) >= count,
                timeout_s,
            )
            found = self._matches(wanted, stream)
            if len(found) >= count:
                return found[count - 1]
            when = f"within {timeout_s} s" if self._open_streams else "before it ended"
            raise AssertionError(self._story(f"no {pattern!r} (x {count}) {when}"))

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """Wait for the end and for all that it wrote; return the exit status, or minus a signal."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._status is not None, timeout_s):
                raise AssertionError(self._story(f"did not end within {timeout_s} s"))
            # Where a stream stays open a descendant holds it: the leak check tells of that.
            self._changed.wait_for(lambda: not self._open_streams, LEAK_GRACE_S)
            assert self._status is not None
            return self._status

    def finish(self, timeout_s: float = WAIT_S) -> Finished:
        """Wait for the end; return what there is to know of it."""
        status = self.wait(timeout_s)
        return Finished(self.args, status, self.stdout, self.stderr)

    def send(self, signal_number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the process, or to its whole group as a terminal does on Ctrl-C."""
        if group:
            os.killpg(self.pid, signal_number)
        else:
            self._process.send_signal(signal_number)

    def stop(self) -> None:
        """End the process with SIGKILL, so that nothing but its death tells its children."""
        if self.running:
            self.send(signal.SIGKILL)
            with suppress(ProcessLookupError):
                self.send(signal.SIGCONT, group=True)  # a stopped child can't notice anything

    def _read(self, stream: Stream, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        # Untranslated, but a lone carriage return ends a line too: progress bars use it.
        with io.TextIOWrapper(pipe, encoding="utf-8", errors="replace", newline="") as text:
            for line in text:
                with self._changed:
                    self._lines.append((stream, line))
                    self._changed.notify_all()
        with self._changed:
            self._open_streams -= 1
            self._changed.notify_all()

    def _reap(self) -> None:
        status = self._process.wait()
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def _matches(self, wanted: re.Pattern[str], stream: Stream | None) -> list[re.Match[str]]:
        return [
            match
            for source, line in self._lines
            if stream in (None, source) and (match := wanted.search(line))
        ]

    def _text(self, stream: Stream) -> str:
        with self._changed:
            return "".join(line for source, line in self._lines if source == stream)

    def _story(self, verdict: str) -> str:
        written = "".join(f"  {source}: {line.rstrip()}\n" for source, line in self._lines)
        return f"{' '.join(self.args)}: {verdict}; it wrote\n{written}"

    def __str__(self) -> str:
        state = "running" if self.running else f"ended with {self._status}"
        return self._story(state)


class Zmr:
    """Starts the processes of one test in `folder`, and holds that none outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"  # what the processes take for /tmp
        self.temporary.mkdir(exist_ok=True)
        self.commands: list[Command] = []
        self._mark = uuid.uuid4().hex

    def start(
        self,
        *args: Argument,
        program: Sequence[Argument] = ZMR,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Command:
        """Start `zmr ARGS`, or another program, in the test's own folder."""
        extra = {"TMPDIR": str(self.temporary)} | dict(env or {})
        command = Command(
            [os.fspath(part) for part in (*program, *args)],
            cwd=cwd or self.folder,
            env=clean_environment(self._mark, extra),
        )
        self.commands.append(command)
        return command

    def run(
        self,
        *args: Argument,
        program: Sequence[Argument] = ZMR,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = WAIT_S,
    ) -> Finished:
        """Start `zmr ARGS`, or another program, and wait for its end."""
        return self.start(*args, program=program, cwd=cwd, env=env).finish(timeout_s)

    def processes(self) -> dict[int, str]:
        """Return the command lines of all that lives of this test's processes, by process id."""
        return marked_processes(self._mark)

    def close(self) -> None:
        """End what still runs, and fail if anything then outlives it: slots have to notice."""
        for command in self.commands:
            command.stop()
        left = wait_until_gone(self._mark, LEAK_GRACE_S)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if left:
            wait_until_gone(self._mark, LEAK_GRACE_S)
            lines = "".join(f"  {pid}: {command}\n" for pid, command in left.items())
            raise AssertionError(f"left running {LEAK_GRACE_S} s after their parents:\n{lines}")


@contextmanager
def zmr_processes(folder: Path) -> Iterator[Zmr]:
    """Give a test its `Zmr`; afterwards end it, and print for the report what was written."""
    processes = Zmr(folder)
    try:
        yield processes
    finally:
        try:
            processes.close()
        finally:
            for command in processes.commands:
                print(command)
