"""The slots of a worker whose tasks run on Ray.

A slot is no process here, but a place for one Ray task at a time: Ray has as many of them running
as there is room for in its cluster, and the others waiting. What fails is tried again as the master
decides, and so are maps whose objects are lost. Ray itself does neither: it would have a map run
again for a reduce that waits for its object, and that keeps its processor meanwhile (seen with Ray
2.60), so that where all processors are taken nothing goes on.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from zmr.core.events import WorkerInput
from zmr.engines.ray_tasks import (
    AttemptFailed,
    RayJob,
    died,
    first_line,
    map_task,
    reduce_task,
)
from zmr.messages import (
    FailureReason,
    FromSlot,
    MapDone,
    SlotEnded,
    SlotSaid,
    StartJob,
    Task,
    TaskFailed,
    TaskKind,
    ToSlot,
)
from zmr.net.reactor import Reactor
from zmr.output.local_dir import LocalDir

_KILLED = 9  # SIGKILL
_END_S = 5.0  # after which what was cancelled should be gone


class ObjectDir(LocalDir):
    """The worker's folder, whose map outputs are Ray objects: they go when a file would."""

    def __init__(self, parent: str | None) -> None:
        super().__init__(parent)
        self._objects: dict[str, list[Any]] = {}  # by path, those of the partitions

    def keep(self, path: str, objects: list[Any]) -> None:
        """The map output of this path has these partitions."""
        self._objects[path] = objects

    def partition(self, path: str, index: int) -> Any:
        """One of them, which a reduce reads."""
        return self._objects[path][index]

    def discard(self, path: str) -> None:
        self._objects.pop(path, None)

    def discard_job(self, job_id: str) -> None:
        for path in [path for path in self._objects if path.startswith(f"{job_id}-map-")]:
            del self._objects[path]
        super().discard_job(job_id)


class _Slot:
    """A slot that is not empty: its job, and its tasks, of which the first runs."""

    def __init__(self, start: StartJob) -> None:
        self.job_id = start.spec.job_id
        self.tasks: deque[Task] = deque()
        self.objects: list[Any] = []  # that the first of them will have made; the last: its result


class RayPool:
    """Runs the tasks of one agent on Ray, to which `ray`, the module, is connected.

    `make_job` is what Ray tasks get of a job. `folder` has the map outputs.
    """

    def __init__(
        self,
        ray: Any,
        reactor: Reactor,
        on_event: Callable[[WorkerInput], None],
        folder: ObjectDir,
        memory_bytes: int,
        make_job: Callable[[StartJob], RayJob],
    ) -> None:
        self.may_have_left = False  # a process has died that had files
        self._ray = ray
        self._reactor = reactor
        self._on_event = on_event
        self._folder = folder
        self._make_job = make_job
        wanted: dict[str, Any] = {"num_cpus": 1, "max_retries": 0}
        if memory_bytes:
            wanted["memory"] = memory_bytes
        self._map = ray.remote(**wanted, scheduling_strategy="SPREAD")(map_task)
        self._reduce = ray.remote(**wanted, scheduling_strategy="SPREAD")(reduce_task)
        self._slots: dict[int, _Slot] = {}
        self._job: tuple[str, Any] = ("", None)  # the last that began: its id, and its object
        self._sources: tuple[Any, Any] = (None, None)  # of its reduces, and their object
        self._cancelled: list[Any] = []
        # Filled by threads of Ray's; a byte in the pipe wakes the reactor.
        self._news: deque[tuple[int, _Slot, Any]] = deque()
        self._read_fd, self._write_fd = os.pipe()
        for fd in (self._read_fd, self._write_fd):
            os.set_blocking(fd, False)
        reactor.watch(self._read_fd, self._on_news)

    def start(self, slot: int, job: StartJob) -> None:
        """The slot is for tasks of this job."""
        self._slots[slot] = _Slot(job)
        if self._job[0] != job.spec.job_id:
            self._job = job.spec.job_id, self._ray.put(self._make_job(job))

    def send(self, slot: int, messages: Sequence[ToSlot]) -> None:
        """Have these tasks run, one after the other."""
        found = self._slots.get(slot)
        if found is None:
            return
        is_idle = not found.tasks
        found.tasks += (message for message in messages if isinstance(message, Task))
        if is_idle and found.tasks:
            self._run_first(slot, found)

    def kill(self, slot: int) -> None:
        """Stop what runs in the slot."""
        found = self._slots.pop(slot, None)
        if found is not None:
            self._cancel(found)
            self._tell(slot, found, None)

    def close(self) -> None:
        """Stop everything, and wait until it is gone, but not for ever."""
        self._reactor.unwatch(self._read_fd)
        for slot in self._slots.values():
            self._cancel(slot)
        self._slots.clear()
        self._job = self._sources = ("", None)
        if self._cancelled:
            n = len(self._cancelled)
            self._ray.wait(self._cancelled, num_returns=n, timeout=_END_S, fetch_local=False)
            self._cancelled.clear()
        write_fd, self._write_fd = self._write_fd, -1
        os.close(write_fd)
        os.close(self._read_fd)

    def _cancel(self, slot: _Slot) -> None:
        if slot.objects:
            self.may_have_left = True
            last = slot.objects[-1]
            with suppress(self._ray.exceptions.RayError):
                self._ray.cancel(last, force=True)
            self._cancelled.append(last)

    def _run_first(self, number: int, slot: _Slot) -> None:
        task = slot.tasks[0]
        name = f"{task.job_id} {task.kind.label} {task.index}"
        if task.kind is TaskKind.MAP:
            run = self._map.options(num_returns=task.n_reduce + 1, name=name)
            made = run.remote(self._job[1], task)
            slot.objects = made if task.n_reduce else [made]
        else:
            partition = [self._folder.partition(each.path, task.index) for each in task.sources]
            if self._sources[0] is not task.sources:  # the same for all reduces
                self._sources = task.sources, self._ray.put(task.sources)
            outputs, task = self._sources[1], task._replace(sources=())
            run = self._reduce.options(name=name)
            slot.objects = [run.remote(self._job[1], task, outputs, partition)]
        future = slot.objects[-1].future()
        future.add_done_callback(lambda future: self._tell(number, slot, future))

    def _tell(self, number: int, slot: _Slot, future: Any) -> None:
        """Have the reactor see to it, from any thread."""
        self._news.append((number, slot, future))
        if self._write_fd >= 0:
            with suppress(BlockingIOError):  # full of bytes that will wake it
                os.write(self._write_fd, b".")

    def _on_news(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._read_fd, 1 << 16)
        while self._news:
            number, slot, future = self._news.popleft()
            if future is None:
                self._on_event(SlotEnded(number, None, _KILLED, 0, False))
            elif self._slots.get(number) is slot:
                if isinstance(future.exception(), self._ray.exceptions.NodeDiedError):
                    self._run_first(number, slot)  # it is no fault of the task's
                    continue
                self._on_event(SlotSaid(number, (self._first_ended(slot, future),)))
                if self._slots.get(number) is slot and slot.tasks:
                    self._run_first(number, slot)

    def _first_ended(self, slot: _Slot, future: Any) -> FromSlot:
        """The result of its first task, which it has no more."""
        task, objects = slot.tasks.popleft(), slot.objects
        slot.objects = []
        errors = self._ray.exceptions
        try:
            done: FromSlot = future.result()
        except errors.RayTaskError as error:
            if isinstance(error.cause, AttemptFailed):
                return error.cause.failed
            return _failed(task, FailureReason.WORKER_ERROR, first_line(error.cause))
        except errors.RayError as error:
            self.may_have_left = True
            return died(task, f"its process is gone: {first_line(error)}")
        if isinstance(done, MapDone) and done.path:
            self._folder.keep(done.path, objects[:-1])
        return done


def _failed(task: Task, reason: FailureReason, message: str) -> TaskFailed:
    return TaskFailed(task.job_id, task.kind, task.index, task.attempt, reason, message)
