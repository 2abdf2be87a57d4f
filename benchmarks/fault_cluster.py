"""One job on a cluster of real processes, of which one may be killed or slow.

A `zmr master`, its `zmr worker`s of one slot each, and a `zmr submit`. Workers fetch map outputs
over TCP, as from another machine. What happened, and when, is read from the events that the master
publishes.
"""

from __future__ import annotations

import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.places import BENCHMARKS
from benchmarks.processes import descendants, end_all
from zmr.messages import JobEvent, Published, TaskEvent, TaskKind, WorkerEvent
from zmr.net.client import Client
from zmr.net.keyring import Keyring
from zmr.wire.address import parse
from zmr.wire.roles import Role

SLOWNESS = 10
RECORDS_A_MAP = 10
KEYS_A_REDUCE = 4
_WAIT_S = 30.0
_END_S = 2.0  # what a killed worker leaves has to end by itself within this


@dataclass(frozen=True, slots=True)
class Workload:
    """How many workers, and how much they have to wait for; the seconds are means."""

    workers: int
    maps: int
    map_s: float
    reduces: int
    reduce_s: float

    def write_input(self, folder: Path, seed: int = 1) -> None:
        """A file for each map, with a line for each call: from half to one and a half the mean."""
        folder.mkdir(parents=True)
        draw = random.Random(seed)
        for number in range(self.maps):
            call_s = self.map_s / RECORDS_A_MAP * draw.uniform(0.5, 1.5)
            (folder / f"calls-{number:03}").write_text(f"{call_s:.4f}\n" * RECORDS_A_MAP)

    def check(self, output: Path) -> None:
        """Raise ValueError unless every key has met every record once."""
        lines = [line for path in output.glob("mr-out-*") for line in path.read_text().splitlines()]
        records = self.maps * RECORDS_A_MAP
        expected = [f"{key}\t{records}" for key in range(self.reduces * KEYS_A_REDUCE)]
        if sorted(lines) != sorted(expected):
            raise ValueError(f"{output}: not what the job must put out")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one of the workers, and which options the job gets."""

    kills: bool = False  # when half of the tasks are complete
    slows: bool = False  # from the start
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class Course:
    """How one run went. Times are in seconds since the first hand-out of a task."""

    state: str = ""  # of the job
    elapsed_s: float = 0.0  # until the whole job is done
    killed_at_s: float | None = None
    lost_at_s: float | None = None  # the master gave the worker's tasks to others
    lost_work_s: float = 0.0  # what the killed worker had done, and others had to do again
    backups: int = 0
    began_s: dict[tuple[TaskKind, int, int], float] = field(default_factory=dict)
    took_s: dict[tuple[TaskKind, int, int], float] = field(default_factory=dict)
    _first_s: float | None = None  # the first hand-out, by the machine's clock

    def hear(self, published: Published) -> None:
        """Take in an event of the master."""
        event = published.event
        if self._first_s is None and isinstance(event, TaskEvent):
            self._first_s = published.time_s
        at_s = self._since_first(published.time_s)
        if isinstance(event, WorkerEvent) and event.state == "lost":
            self.lost_at_s = at_s
        elif isinstance(event, JobEvent):
            self.state, self.elapsed_s = event.state, at_s
        elif isinstance(event, TaskEvent):
            self._hear_of_task(event, at_s)

    def killed(self) -> None:
        """A worker has been killed just now."""
        self.killed_at_s = self._since_first(time.time())

    def _since_first(self, time_s: float) -> float:
        return 0.0 if self._first_s is None else time_s - self._first_s

    def _hear_of_task(self, event: TaskEvent, at_s: float) -> None:
        attempt = event.kind, event.index, event.attempt
        match event.state:
            case "running":
                self.began_s[attempt] = at_s
                self.backups += event.text == "backup"
            case "succeeded":
                self.took_s[attempt] = at_s - self.began_s[attempt]
            case "lost" if self.killed_at_s is not None:
                running_s = self.killed_at_s - self.began_s[attempt]
                self.lost_work_s += self.took_s.get(attempt, running_s)

    @property
    def tasks_done(self) -> int:
        return len(self.took_s)


def run(workload: Workload, fault: Fault, folder: Path) -> Course:
    """Run the job once, check what it puts out, and leave no process behind."""
    folder.mkdir(parents=True)
    try:
        with Processes(folder) as processes:
            return _run(workload, fault, processes)
    finally:
        end_all()


def _run(workload: Workload, fault: Fault, processes: Processes) -> Course:
    folder = processes.folder
    workload.write_input(folder / "in")
    address = processes.start_master()
    slowness = ("ZMR_BENCH_SLOWNESS", str(SLOWNESS)) if fault.slows else None
    odd_one = processes.start_worker(address, slowness)
    for _ in range(workload.workers - 1):
        processes.start_worker(address)
    with Client(Keyring(parse(address)), Role.WATCH, _WAIT_S) as client:
        _wait_for_workers(client, workload.workers)
        course = Course()
        job = processes.start(
            "submit",
            *("submit", f"{BENCHMARKS / 'jobs.py'}:Calls", str(folder / "in"), "--master", address),
            *("-o", str(folder / "out"), "-r", str(workload.reduces), "-q", *fault.options),
            *("-p", f"keys={workload.reduces * KEYS_A_REDUCE}"),
            *("-p", f"key_s={workload.reduce_s / KEYS_A_REDUCE}"),
        )
        for published in client.follow(from_start=True):
            course.hear(published)
            half = course.tasks_done * 2 >= workload.maps + workload.reduces
            if fault.kills and half and course.killed_at_s is None:
                kill(odd_one)
                course.killed()
            if course.state in _ENDED:
                break
    if job.wait() or course.state != "done":
        raise RuntimeError(f"the job failed: see {folder}")
    workload.check(folder / "out")
    return course


_ENDED = ("done", "failed", "cancelled")


def _wait_for_workers(client: Client, n: int) -> None:
    deadline = time.monotonic() + _WAIT_S
    while len(client.snapshot()[1].workers) < n:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {n} workers within {_WAIT_S:g} s")
        time.sleep(0.1)


def kill(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker's process group, and see that its slots go with it, as with a machine."""
    below = descendants(worker.pid)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    for pid in below:
        with suppress(ProcessLookupError), _handle(pid) as handle:
            if not select.select([handle], [], [], _END_S)[0]:
                raise RuntimeError(f"process {pid} has outlived its worker")


@contextmanager
def _handle(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)


class Processes:
    """The processes of one run, whose logs and temporary files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs, all within a grace time: the master tells its workers."""
        for process in self._started:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _WAIT_S
        for process in self._started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))

    def start(
        self, log: str, *words: str, variable: tuple[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `zmr WORDS` as a process group of its own."""
        # Where keys are is no flag.
        kept = (k for k in os.environ if not k.startswith("ZMR_") or k == "ZMR_HOME")
        environment = {k: os.environ[k] for k in kept}
        environment |= dict([variable] if variable else [])
        with (self.folder / f"{log}.log").open("wb") as stderr:
            process = subprocess.Popen(
                (sys.executable, "-m", "zmr", *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if words[0] == "master" else subprocess.DEVNULL,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def start_master(self) -> str:
        """Start a master that serves jobs; return its address."""
        master = self.start("master", "master", "--port", "0", "-v")
        assert master.stdout is not None
        line = master.stdout.readline().decode()
        if not re.match(r"tcp://\S+$", line):
            raise RuntimeError(f"the master did not start: see {self.folder}")
        return line.strip()

    def start_worker(
        self, address: str, variable: tuple[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker with one slot and a folder of its own."""
        name = f"worker-{len(self._started)}"
        local = self.folder / name
        local.mkdir()
        words = ("worker", address, "-j", "1", "--no-direct-read", "--local-dir", str(local))
        return self.start(name, *words, variable=variable)
