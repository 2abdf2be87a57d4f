"""How the master grows with its workers and tasks: the production core and codec, driven by a loop.

`python -m benchmarks.scale` measures, each case in a process of its own, and writes scale.svg and
scale.json in docs/dev. In every round all workers send a heartbeat with all that they run, at the
same moment, and then complete it all; so the time that a round's heartbeats take is how late the
last of them is answered.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from time import process_time

from benchmarks.machine import describe
from benchmarks.places import CHECKOUT
from benchmarks.scale_plot import plot
from benchmarks.scale_row import Row
from zmr import messages as m
from zmr.core.actions import CompleteOutput, MasterAction, Send
from zmr.core.events import FrameReceived, JobGiven, MasterInput, OutputCompleted
from zmr.core.master import Master
from zmr.core.states import JobState
from zmr.net.master_server import collect_garbage_rarely
from zmr.wire import codec

PLACE = CHECKOUT / "docs" / "dev"

SLOTS = 4
REDUCES = 10
EPOCH = 7
JOB = "job"

# The shell takes so many frames in a turn, then sends: one frame for each peer.
_FRAMES_A_TURN = 500

BY_WORKERS = [(workers, 200_000) for workers in (10, 100, 1_000, 3_000, 10_000)]
BY_TASKS = [(10_000, tasks) for tasks in (50_000, 100_000, 200_000, 500_000, 1_000_000)]

# What must hold for 10,000 workers and a million tasks.
MOST_BYTES_A_TASK = 1_000
LEAST_EVENTS_A_SECOND = 20_000
LONGEST_HEARTBEATS_S = 1.0  # the interval


class Driver:
    """The workers, which do at once what they are told, and the loop around the core."""

    def __init__(self, workers: int) -> None:
        self.master = Master(EPOCH)
        self.now = 0.0
        self.events = 0
        self.core_s = self.codec_s = 0.0
        self.held: dict[bytes, list[m.Task]] = defaultdict(list)
        self.peers = [b"w%015d" % number for number in range(workers)]
        self._handle_actions(self.master.restore((), 0.0), {})
        for number, peer in enumerate(self.peers):
            self.hear([(peer, m.Register(f"host:{number}", "host", number, SLOTS))])

    def submit(self, tasks: int) -> float:
        """Hand over the job; how long the turn of the master takes that takes it on."""
        spec = m.JobSpec(JOB, "test", "test", b"", "", (), REDUCES, "/out")
        inputs = tuple(
            m.InputFile(f"/some/folder/file-{n:07}.txt", 2_000_000, True)
            for n in range(tasks - REDUCES)
        )
        submit = m.Submit(spec, inputs)
        del inputs
        began = process_time()
        self._handle(JobGiven(submit), {})
        took_s = process_time() - began
        while self._tick_if_due({}):
            pass
        return took_s

    def _tick_if_due(self, outbox: dict[bytes, list[m.Message]]) -> bool:
        deadline = self.master.next_deadline()
        if deadline is None or deadline > self.now:
            return False
        began = process_time()
        actions = self.master.tick(self.now)
        self.core_s += process_time() - began
        self._handle_actions(actions, outbox)
        return True

    def hear(self, said: Iterable[tuple[bytes, m.Message]]) -> None:
        """All of this arrives at the same moment."""
        frames = ((peer, codec.encode(m.Frame(EPOCH, (message,)))) for peer, message in said)
        while turn := list(islice(frames, _FRAMES_A_TURN)):
            outbox: dict[bytes, list[m.Message]] = {}
            for peer, data in turn:
                began = process_time()
                frame = codec.decode(data)
                self.codec_s += process_time() - began
                self._handle(FrameReceived(peer, frame), outbox)
            self._tick_if_due(outbox)
            began = process_time()
            for messages in outbox.values():
                if not any(map(_is_for_a_reduce, messages)):  # a million sources are no frame
                    for _ in codec.encode_all(EPOCH, messages):
                        pass
            self.codec_s += process_time() - began

    def _handle(self, event: MasterInput, outbox: dict[bytes, list[m.Message]]) -> None:
        self.events += 1
        self.now += 1e-6
        began = process_time()
        actions = self.master.handle(event, self.now)
        self.core_s += process_time() - began
        self._handle_actions(actions, outbox)

    def _handle_actions(
        self, actions: list[MasterAction], outbox: dict[bytes, list[m.Message]]
    ) -> None:
        for action in actions:
            if isinstance(action, Send):
                outbox.setdefault(action.peer, []).append(action.message)
                if isinstance(action.message, m.TaskResponse):
                    self.held[action.peer] += action.message.tasks
            elif isinstance(action, CompleteOutput):
                self._handle(OutputCompleted(action.outcome.spec.job_id), outbox)

    # --- a round ---

    def heartbeats(self) -> float:
        """Every worker says what it runs; how long the master takes to answer them all."""
        before_s = self.core_s + self.codec_s
        self.now += 1.0
        self.hear((peer, self._heartbeat(peer)) for peer in self.peers)
        return self.core_s + self.codec_s - before_s

    def _heartbeat(self, peer: bytes) -> m.Heartbeat:
        rows = tuple(m.Progress(task.attempt, self.events, 1) for task in self.held[peer])
        return m.Heartbeat(SLOTS, rows, (JOB,))

    def complete(self) -> None:
        """Every worker completes what it runs, one task after the other."""
        self.now += 1.0
        held, self.held = self.held, defaultdict(list)
        self.hear((peer, _result(task)) for peer, tasks in held.items() for task in tasks)


def _is_for_a_reduce(message: m.Message) -> bool:
    return isinstance(message, m.TaskResponse) and message.tasks[0].kind is m.TaskKind.REDUCE


def _result(task: m.Task) -> m.MapDone | m.ReduceDone:
    stats = m.Stats(task.index + 1000, task.index + 100_000, 500, 5000, 0.5)
    if task.kind is m.TaskKind.REDUCE:
        file = m.OutputFile(f"mr-out-{task.index}", 10_000, "crc32:0a1b2c3d")
        return m.ReduceDone(JOB, task.index, task.attempt, file, stats)
    path = f"/local/zmr-worker-abcdefgh/{JOB}/{task.index}.{task.attempt}"
    return m.MapDone(JOB, task.index, task.attempt, path, stats)


def resident_bytes() -> int:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def measure(workers: int, tasks: int) -> Row:
    """One job from its submission to its end. In a fresh process, because of the memory."""
    collect_garbage_rarely()  # as `zmr master` does
    driver = Driver(workers)
    driver.heartbeats()
    before_bytes = resident_bytes()
    submit_s = driver.submit(tasks)
    driver.core_s = driver.codec_s = 0.0
    driver.events = 0
    heartbeats_s, most_bytes = 0.0, 0
    while driver.master.jobs[JOB].state is not JobState.DONE:
        heartbeats_s = max(heartbeats_s, driver.heartbeats())
        most_bytes = max(most_bytes, resident_bytes())
        driver.complete()
    return Row(
        workers,
        tasks,
        driver.events,
        driver.core_s,
        driver.codec_s,
        heartbeats_s,
        submit_s,
        (most_bytes - before_bytes) / tasks,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all cases, or one; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--case", nargs=2, type=int, metavar=("WORKERS", "TASKS"), help="just one")
    parser.add_argument("--redraw", action="store_true", help="from what was measured last")
    given = parser.parse_args(arguments)
    if given.case:
        print(json.dumps(asdict(measure(*given.case))))
        return 0
    path = PLACE / "scale.json"
    if not given.redraw:
        cases = dict.fromkeys([*BY_WORKERS, *BY_TASKS])
        rows = [asdict(_in_a_process(*case)) for case in cases]
        path.write_text(json.dumps({"machine": describe(), "rows": rows}, indent=1) + "\n")
    measured = [Row(**row) for row in json.loads(path.read_text())["rows"]]
    for row in measured:
        print(row)
    if not plot(measured, PLACE / "scale.svg"):
        print("no plot: matplotlib is not there", file=sys.stderr)
    largest = max(measured, key=lambda row: row.workers * row.tasks)
    is_good = (
        largest.bytes_a_task <= MOST_BYTES_A_TASK
        and largest.events_a_second >= LEAST_EVENTS_A_SECOND
        and largest.heartbeats_s <= LONGEST_HEARTBEATS_S
    )
    print("all bounds hold" if is_good else "a bound does not hold")
    return 0 if is_good else 1


def _in_a_process(workers: int, tasks: int) -> Row:
    command = [sys.executable, "-m", "benchmarks.scale", "--case", str(workers), str(tasks)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=CHECKOUT)
    return Row(**json.loads(done.stdout))


if __name__ == "__main__":
    sys.exit(main())
