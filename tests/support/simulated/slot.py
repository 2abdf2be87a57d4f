"""A slot of a simulated worker: it takes its time, and ends as the test has planned.

A map's record for partition p is "<map>:<p>"; a reduce's output is its records in the order of the
maps. An output file is published as in reality: the first one to give it its name wins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from zmr import messages as m

if TYPE_CHECKING:
    from support.simulated.cluster import Cluster
    from support.simulated.worker import SimulatedWorker


@dataclass(frozen=True)
class Work:
    """How one attempt goes."""

    takes_s: float = 1.0
    publishes_s: float = 0.05  # between the leave to publish and the file's appearance
    fails: str = ""  # it fails, with this message
    reason: m.FailureReason = m.FailureReason.USER_ERROR
    dies: int = 0  # its process ends by this signal
    exits: int | None = None  # its process ends with this status
    record: int = -1  # of which it dies, unless that is left out; -1: of something else
    hangs: bool = False  # it makes no progress from the start, for ever
    tells: bool = True  # how much of its input is done


def records_of(index: int) -> int:
    """How many records a map reads."""
    return 10 + index


def file_of(job_id: str, index: int) -> str:
    return f"{job_id}-mr-out-{index}"


class SimulatedSlot:
    def __init__(
        self, cluster: Cluster, worker: SimulatedWorker, number: int, job: m.StartJob
    ) -> None:
        self.cluster, self.worker, self.number, self.job = cluster, worker, number, job
        self.is_dead = False
        self._tasks: deque[m.Task] = deque()
        self._asking: tuple[m.Task, Work] | None = None

    def receive(self, message: m.ToSlot) -> None:
        if self.is_dead:
            return
        if isinstance(message, m.Task):
            self._tasks.append(message)
            if len(self._tasks) == 1:
                self._begin()
        elif isinstance(message, m.CommitReply):
            assert self._asking is not None
            task, work = self._asking
            self._asking = None
            assert task.attempt == message.attempt
            if message.granted:
                self._later(work.publishes_s, lambda: self._publish(task))
            else:
                refused = m.FailureReason.WORKER_ERROR, "commit refused"
                self._later(0.0, lambda: self._fail(task, *refused))

    def die(
        self, status: int | None, signal: int | None, after_s: float = 0.0, record: int = -1
    ) -> None:
        if not self.is_dead:
            self.is_dead = True
            worker, number = self.worker, self.number
            self.cluster.later(
                after_s,
                lambda: worker.slot_ended(number, status, signal, record) if worker.is_up else None,
            )

    # --- one task ---

    def _begin(self) -> None:
        task = self._tasks[0]
        self.cluster.begun.append(task)
        work = self.cluster.work_for(task, self.worker.name)
        if work.hangs:
            return
        interval_s = self.job.progress_interval_s
        for n in range(1, int((work.takes_s + work.publishes_s) / interval_s) + 1):
            fraction = n * interval_s / (work.takes_s + work.publishes_s) if work.tells else 0.0
            records = int(fraction * records_of(task.index))
            progress = m.Progress(task.attempt, records, n, fraction=min(1.0, fraction))
            self._later(n * interval_s, partial(self._say, progress))
        self._later(work.takes_s, lambda: self._end(task, work))

    def _end(self, task: m.Task, work: Work) -> None:
        if (work.dies or work.exits is not None) and work.record not in task.skips:
            self.die(work.exits, work.dies or None, record=work.record)
        elif work.fails:
            self._fail(task, work.reason, work.fails, "Traceback: " + work.fails)
        elif task.kind is m.TaskKind.MAP and task.n_reduce:
            self._write_map_output(task)
        elif lost := self._unreadable(task):
            self._fail(task, m.FailureReason.LOST_INPUT, "can't read map outputs", lost=lost)
        else:
            self._asking = task, work
            self._say(m.CommitRequest(task.job_id, task.kind, task.index, task.attempt))

    def _write_map_output(self, task: m.Task) -> None:
        path = f"{self.job.folder}/{task.index}.{task.attempt}"
        self.worker.disk[path] = [f"{task.index}:{p}" for p in range(task.n_reduce)]
        self._finish(
            m.MapDone(
                *(task.job_id, task.index, task.attempt, path, _stats(task), (("maps", 1),)),
                skipped=len(task.skips),
                last_skipped="the last one" if task.skips else "",
            )
        )

    def _source(self, source: m.MapOutput) -> list[str] | None:
        if (self.worker.name, source.host) in self.cluster.cut_off:
            return None
        worker = self.cluster.workers.get(source.host)
        return worker.disk.get(source.path) if worker is not None else None

    def _unreadable(self, task: m.Task) -> tuple[tuple[int, int], ...]:
        return tuple((s.index, s.attempt) for s in task.sources if self._source(s) is None)

    def _publish(self, task: m.Task) -> None:
        """Give the file its name, unless it is taken."""
        if task.kind is m.TaskKind.MAP:
            content = f"{task.index}"
        else:
            sources = [self._source(source) for source in task.sources]
            # Read before the question was asked; a worker that left since does no harm.
            content = " ".join(
                source[task.index] if source is not None else f"{where.index}:{task.index}"
                for where, source in zip(task.sources, sources, strict=True)
            )
        name = file_of(task.job_id, task.index)
        content = self.cluster.output.setdefault(name, content)
        file = m.OutputFile(name, len(content), "crc32:0")
        if task.kind is m.TaskKind.MAP:
            counters = (("maps", 1),)
            self._finish(
                m.MapDone(task.job_id, task.index, task.attempt, "", _stats(task), counters, file)
            )
        else:
            stats, counters = m.Stats(len(task.sources), 0, 1, 1), (("reduces", 1),)
            self._finish(m.ReduceDone(task.job_id, task.index, task.attempt, file, stats, counters))

    def _fail(
        self,
        task: m.Task,
        reason: m.FailureReason,
        message: str,
        traceback: str = "",
        lost: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self._finish(
            m.TaskFailed(
                task.job_id, task.kind, task.index, task.attempt, reason, message, traceback, lost
            )
        )

    def _finish(self, result: m.MapDone | m.ReduceDone | m.TaskFailed) -> None:
        self._tasks.popleft()
        if self._tasks:
            self._begin()
        self._say(result)

    def _say(self, message: m.FromSlot) -> None:
        self.worker.slot_said(self.number, message)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self.cluster.later(delay_s, lambda: None if self.is_dead else action())


def _stats(task: m.Task) -> m.Stats:
    return m.Stats(records_of(task.index), 100, 1, 1, 1.0)
