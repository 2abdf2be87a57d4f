"""A pool of real slot processes, and a job that does whatever its input says."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path

from zmr.messages import FromSlot, JobSpec, SlotEnded, SlotSaid, Split, StartJob, Task, TaskKind
from zmr.net.reactor import Reactor
from zmr.slots.pool import SlotPool

WAIT_S = 15.0

# A record is a line of Python, which map executes.
OBEY = """
import ctypes, os, signal, socket, subprocess, sys
from zmr import Job, Sum

class Obey(Job):
    reduce = Sum()

    def map(self, line):
        exec(line, globals())
        yield line, 1
"""


class SlotAgent:
    """What an agent has of its slots: a pool in a reactor, and all that it has told."""

    def __init__(self, folder: Path, *, memory_bytes: int = 0) -> None:
        self.folder = folder
        self.events: list[SlotSaid | SlotEnded] = []
        self.live: set[int] = set()
        self._reactor = Reactor()
        self._attempt = 0
        (folder / "out" / ".zmr-job-1").mkdir(parents=True)
        self.pool = SlotPool(2, self._reactor, self._on_event, memory_bytes)

    def start(self, slot: int, source: str = OBEY, *, progress_interval_s: float = 30.0) -> None:
        """Start a slot process for the job `Obey` that `source` defines."""
        spec = JobSpec(
            job_id="job-1",
            name="Obey",
            reference="/nowhere/obey.py:Obey",
            source=source.encode(),
            search_path="/nowhere",
            params=(),
            n_reduce=1,
            output=str(self.folder / "out"),
        )
        self.pool.start(slot, StartJob(spec, str(self.folder), 0, progress_interval_s))
        self.live.add(slot)

    def map_task(self, *lines: str) -> Task:
        """Return a map task whose records are `lines`."""
        self._attempt += 1
        path = self.folder / f"input-{self._attempt}"
        path.write_text("".join(f"{line}\n" for line in lines))
        return self._task(TaskKind.MAP, Split(str(path)))

    def reduce_task(self) -> Task:
        """Return a reduce task that has nothing to reduce, but a file to commit."""
        self._attempt += 1
        return self._task(TaskKind.REDUCE)

    def run(self, slot: int, *lines: str) -> Task:
        """Start the slot and give it a map task whose records are `lines`."""
        self.start(slot)
        task = self.map_task(*lines)
        self.pool.send(slot, [task])
        return task

    def hang(self, slot: int) -> None:
        """Wait for the slot's first message; then give it a task that never ends."""
        self.wait_for_message(slot=slot)
        self.pool.send(slot, [self.map_task("while True: pass")])

    def said(self, slot: int = 0) -> list[FromSlot]:
        """Return all that the slot has said."""
        said = (e for e in self.events if isinstance(e, SlotSaid) and e.slot == slot)
        return [message for event in said for message in event.messages]

    def wait_for_message(self, number: int = 0, slot: int = 0) -> FromSlot:
        """Wait for the slot's message of this number, counted from 0."""
        self.wait_until(lambda: len(self.said(slot)) > number)
        return self.said(slot)[number]

    def wait_for_end(self, slot: int = 0) -> SlotEnded:
        """Wait until the slot that was started has ended."""
        self.wait_until(lambda: slot not in self.live)
        return [e for e in self.events if isinstance(e, SlotEnded) and e.slot == slot][-1]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Turn the reactor until `condition` holds; fail if it doesn't in time."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"waited {WAIT_S} s in vain; events: {self.events}"
            self._reactor.turn(left_s)

    def _on_event(self, event: SlotSaid | SlotEnded) -> None:
        assert event.slot in self.live, f"{event} of a slot that has ended"
        self.events.append(event)
        if isinstance(event, SlotEnded):
            self.live.remove(event.slot)

    def _task(self, kind: TaskKind, *splits: Split) -> Task:
        output = str(self.folder / "out")
        return Task("job-1", kind, 0, self._attempt, 1, output, splits=splits)


def wait_for_death(pid: int) -> None:
    """Wait until the process has ended, whoever its parent is; fail if it doesn't."""
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        assert poll.poll(WAIT_S * 1000), f"process {pid} lives on"
    finally:
        os.close(handle)


def wait_until_reaped(pid: int) -> None:
    """Wait until the process has ended and its parent knows."""
    deadline = time.monotonic() + WAIT_S
    while os.path.exists(f"/proc/{pid}"):  # no event tells
        assert time.monotonic() < deadline, f"process {pid} is still there"
        os.sched_yield()


def process_named(name: str, pids: dict[int, str]) -> int:
    """Return the one of the processes that calls itself `name`."""
    found = [pid for pid in pids if _name(pid) == name]
    assert len(found) == 1, f"{found} call themselves {name}"
    return found[0]


def _name(pid: int) -> str:
    with open(os.path.join("/proc", str(pid), "comm")) as file:
        return file.read().strip()
