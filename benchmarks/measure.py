"""One command, measured: the wall time of the whole process, its processor time, its memory."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine import Command
from benchmarks.machine import touch_memory
from benchmarks.processes import Process, Tree, end_all

SAMPLE_EVERY_S = 0.1
_FIND_EVERY_SAMPLES = 3
_TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Measured:
    """How a command went."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    processes: tuple[Process, ...]
    status: int
    in_time: bool
    stdout: str  # its end
    stderr: str


def measure(
    command: Command,
    folder: Path,
    limit_s: float,
    sample_every_s: float = SAMPLE_EVERY_S,
    touched_bytes: int = 0,
) -> Measured:
    """Run the command to its end, or to the time limit, and end whatever it left running.

    `folder` takes its output streams, and `folder / "tmp"` its temporary files. Before, so much
    memory is touched.
    """
    os.sync()  # what the command before wrote is not this one's burden
    touch_memory(touched_bytes)
    environment = _environment(command, folder / "tmp")
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        cpu_before_s = _cpu_s()
        began = time.perf_counter()
        running = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        watch = _Watch(running, limit_s, sample_every_s)
        watch.start()
        try:
            status = running.wait()
            wall_s = time.perf_counter() - began
        finally:
            watch.stop()
            end_all()
    return Measured(
        wall_s,
        _cpu_s() - cpu_before_s,
        watch.tree.peak_bytes,
        tuple(watch.tree.processes.values()),
        status,
        watch.in_time,
        _tail(folder / "stdout"),
        _tail(folder / "stderr"),
    )


class _Watch:
    """Samples the tree from a thread, so that the main thread can wait for the very end."""

    def __init__(
        self, running: subprocess.Popen[bytes], limit_s: float, sample_every_s: float
    ) -> None:
        self.tree = Tree()
        self.in_time = True
        self._running = running
        self._limit_s = limit_s
        self._every_s = sample_every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self.tree.find()  # what outlived a command that was too quick for a sample
        self.tree.sample()

    def _watch(self) -> None:
        deadline = time.monotonic() + self._limit_s
        samples = 0
        while not self._ended.wait(self._every_s):
            if samples % _FIND_EVERY_SAMPLES == 0:
                self.tree.find()
            self.tree.sample()
            samples += 1
            if time.monotonic() > deadline:
                self.in_time = False
                self._running.kill()
                return


def _environment(command: Command, temporary: Path) -> dict[str, str]:
    """This process's environment, without what would change how the engines work."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ZMR_", "SPARK_", "RAY_", "DASK_"))
    }
    return environment | {"TMPDIR": str(temporary)} | dict(command.env)


def _cpu_s() -> float:
    """Of all descendants that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
