"""A large cluster costs the master no more a step, and little memory a task.

Nothing here is timed: what Python calls is counted, and what it allocates.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections import deque
from collections.abc import Callable
from types import FrameType

from zmr import messages as m
from zmr.core.actions import Append, CompleteOutput, MasterAction, Send
from zmr.core.events import FrameReceived, JobGiven, MasterInput, OutputCompleted
from zmr.core.journal import Record
from zmr.core.master import Master
from zmr.core.states import JobState

EPOCH = 7
JOB = "job"
REDUCES = 10


class LargeCluster:
    """A master and many workers that do all that they are told at once."""

    def __init__(self, workers: int, maps: int, slots: int = 1, has_journal: bool = False) -> None:
        self.master = Master(EPOCH)
        self.now = 0.0
        self.events = 0
        self.maps = maps
        self.records: list[Record] = []
        self._handed_out: deque[tuple[bytes, m.Task]] = deque()
        if has_journal:
            self.master.restore((), 0.0)
        spec = m.JobSpec(JOB, "test", "test", b"", "", (), REDUCES, "/out")
        inputs = tuple(
            m.InputFile(f"/some/folder/file-{n:07}.txt", 2_000_000, splittable=True)
            for n in range(maps)
        )
        self.handle(JobGiven(m.Submit(spec, inputs)))
        for number in range(workers):
            peer = b"%d" % number
            self.hears(peer, m.Register(f"host:{number}", "host", number, slots))
            self.hears(peer, m.Heartbeat(credit=slots))

    def hears(self, peer: bytes, message: m.Message) -> None:
        self.handle(FrameReceived(peer, m.Frame(EPOCH, (message,))))

    def handle(self, event: MasterInput) -> None:
        self.events += 1
        self.now += 1e-6
        for action in self.master.handle(event, self.now):
            self._act(action)

    def _act(self, action: MasterAction) -> None:
        match action:
            case Append(records):
                self.records += records
            case Send(peer, m.TaskResponse(tasks)):
                self._handed_out += ((peer, task) for task in tasks)
            case CompleteOutput(outcome):
                self.handle(OutputCompleted(outcome.spec.job_id))

    def work(self, tasks: int) -> None:
        """Complete so many tasks, with a heartbeat in between now and then."""
        for n in range(tasks):
            peer, task = self._handed_out.popleft()
            if n % 10 == 0:
                held = self.master.cluster.workers.workers[peer].attempts
                rows = tuple(m.Progress(attempt, n, n) for attempt in held)
                self.hears(peer, m.Heartbeat(1, rows))
            self.hears(peer, _result(task))


def _result(task: m.Task) -> m.MapDone | m.ReduceDone:
    stats = m.Stats(task.index + 1000, task.index + 100_000, 500, 5000, 0.5)
    counters = (("".join(("bad", " lines")), task.index + 1000),)
    if task.kind is m.TaskKind.REDUCE:
        file = m.OutputFile(f"mr-out-{task.index}", 10_000, "crc32:0a1b2c3d")
        return m.ReduceDone(JOB, task.index, task.attempt, file, stats, counters)
    path = f"/local/zmr-worker-abcdefgh/{JOB}/{task.index}.{task.attempt}"
    read = sum(split.size_bytes for split in task.splits)
    return m.MapDone(JOB, task.index, task.attempt, path, stats, counters, input_bytes=read)


def calls_an_event(workers: int, maps: int) -> float:
    """How many calls the master makes for each event of the middle of a job."""
    cluster = LargeCluster(workers, maps)
    cluster.work(100)
    cluster.events = 0
    return calls_of(lambda: cluster.work(200)) / cluster.events


def calls_a_task_of_a_restart(maps: int) -> float:
    """The same for each task of a job that is nearly done when its master is started again."""
    cluster = LargeCluster(10, maps, has_journal=True)
    cluster.work(maps - 20)
    records, restored = cluster.records, Master(EPOCH + 1)
    calls = calls_of(lambda: restored.restore(records, 0.0))
    assert restored.jobs[JOB].status() == cluster.master.jobs[JOB].status()
    return calls / maps


def calls_of(function: Callable[[], object]) -> int:
    """How many calls of any function it makes."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


def test_a_step_costs_the_same_with_ten_workers_and_with_thousands() -> None:
    few, many = calls_an_event(workers=10, maps=1000), calls_an_event(workers=3000, maps=20_000)
    assert many < 1.1 * few


def test_a_restart_costs_the_same_a_task_of_few_and_of_many() -> None:
    few, many = calls_a_task_of_a_restart(500), calls_a_task_of_a_restart(5_000)
    assert many < 1.1 * few


def test_twenty_thousand_tasks_on_a_thousand_workers_take_an_event_each() -> None:
    maps = 20_000
    cluster = LargeCluster(workers=1000, maps=maps)
    cluster.events = 0

    cluster.work(maps + REDUCES)

    assert cluster.master.jobs[JOB].state is JobState.DONE
    heartbeats, manifest = (maps + REDUCES) // 10, 1
    assert cluster.events == maps + REDUCES + heartbeats + manifest


def test_a_task_takes_little_more_than_half_a_kilobyte() -> None:
    maps = 5_000
    tracemalloc.start()
    try:
        cluster = LargeCluster(workers=10, maps=maps)
        cluster.work(maps - 10)
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size_bytes < 600 * maps
