"""A slot of a simulated worker: it takes its time, and ends as it was drawn.

It does what `zmr.tasks` does, in the same order: a map writes its output and tells; who publishes
a file reads all of its inputs, writes beside the target, asks, and links.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zmr import messages as m
from zmr.messages import SlotEnded, SlotSaid

from .disk import DiskFull
from .oracle import Pairs, map_counters, reduced

if TYPE_CHECKING:
    from .faults import Fate
    from .worker import WorkerMachine

# Between the order to kill a slot and its end, at most; between the leave to publish and the file.
_KILL_S = 0.02
PUBLISH_S = 0.005

# What of its input a task says is done, of what is: some can't tell, and some are wrong, so that a
# backup task begins while they are about to be complete.
_TOLD = (0.1, 1.0, 0.1, 1.0, 0.0)

# Code that never yields, a system that swaps: so often at most is told how far a task is.
_MOST_PULSES = 100


class SimulatedSlot:
    def __init__(self, worker: WorkerMachine, number: int, start: m.StartJob) -> None:
        self.worker, self.number, self.start = worker, number, start
        self.world = worker.world
        self.is_dead = False
        self.hangs = False
        self.was_killed = False
        self.tasks: deque[m.Task] = deque()
        self._asking = False
        self._process = worker.process

    @property
    def running(self) -> m.Task | None:
        return self.tasks[0] if self.tasks and not self.is_dead else None

    def receive(self, message: m.ToSlot) -> None:
        if self.is_dead:
            return
        if isinstance(message, m.Task):
            self.tasks.append(message)
            if len(self.tasks) == 1:
                self._begin()
        elif isinstance(message, m.CommitReply):
            self._answered(message)

    def kill(self) -> None:
        """By its agent. What it does until that takes effect, it does."""
        self.was_killed = True
        delay_s = _KILL_S * self.world.faults.rng.random()
        self.world.clock.later(delay_s, self.end, None, 9)

    def end(self, status: int | None, signal: int | None, record: int = -1) -> None:
        """Its process ends, perhaps of a record."""
        if not self.is_dead:
            self.is_dead = True
            ended = SlotEnded(self.number, status, signal, 50_000_000, False, record)
            self.worker.slot_gone(self, ended)

    # --- one task ---

    def _begin(self) -> None:
        task = self.tasks[0]
        world = self.world
        fate = world.faults.fate(task, self.worker)
        world.begins(task, self, fate.text)
        self.hangs = fate.end == "hang"
        if self.hangs:
            return
        self._pulse(task, 1, fate)
        if task.kind is m.TaskKind.REDUCE:
            self._later(fate.takes_s / 10, self._open_sources, task, fate)
        else:
            self._later(fate.takes_s, self._worked, task, fate)

    def _pulse(self, task: m.Task, number: int, fate: Fate) -> None:
        interval_s = self.start.progress_interval_s
        if number * interval_s > fate.takes_s + 1.0 or number > _MOST_PULSES:
            return
        if number > 1:
            # Where records may be left out, nobody is to think that a slow one is bad.
            records = 0 if self.start.spec.skip_bad_records else 1
            done = min(1.0, (number - 1) * interval_s / (fate.takes_s or 1.0))
            fraction = done * _TOLD[task.index % len(_TOLD)]
            self._say(m.Progress(task.attempt, records, number, fraction=fraction))
        self._later(interval_s, self._pulse_of, task, number + 1, fate)

    def _pulse_of(self, task: m.Task, number: int, fate: Fate) -> None:
        if self.running is task:
            self._pulse(task, number, fate)

    def _open_sources(self, task: m.Task, fate: Fate) -> None:
        if self._read_all(task) is not None:
            self._later(fate.takes_s * 0.9, self._worked, task, fate)

    def _read_all(self, task: m.Task) -> list[Pairs] | None:
        """The task's partition of each source; None: some are lost, which has been told."""
        inputs, lost = [], []
        for source in task.sources:
            output = self.world.read_map_output(source, self.worker)
            if output is None:
                lost.append((source.index, source.attempt))
            else:
                inputs.append(output[task.index])
        if lost:
            text = f"can't read the output of map {lost[0][0]}"
            self._fail(task, m.FailureReason.LOST_INPUT, text, tuple(lost))
            return None
        return inputs

    def _worked(self, task: m.Task, fate: Fate) -> None:
        if fate.end == "raise":
            self._fail(task, m.FailureReason.USER_ERROR, "ValueError: drawn")
        elif fate.end == "die":
            self.end(None, 11)
        elif (killer := self._killer(task)) is not None:
            self.end(None, 11, killer)
        elif task.kind is m.TaskKind.REDUCE:
            inputs = self._read_all(task)
            if inputs is not None:
                self._ask(task, reduced(task.job_id, task.index, inputs), fate)
        elif task.n_reduce:
            self._write_map_output(task, fate)
        else:
            text = self._read_split(task)
            if text is not None:
                answer = self.world.answers[task.job_id]
                self._ask(task, answer.map_text(task.index, text), fate)

    def _read_split(self, task: m.Task) -> str | None:
        """What stands in the map's input file; None: it can't be read, which has been told."""
        text = self.world.read_input(task)
        if text is None:
            self._fail(task, m.FailureReason.WORKER_ERROR, "can't open the input file")
        return text

    def _killer(self, task: m.Task) -> int | None:
        """The first record of which it dies."""
        if task.kind is m.TaskKind.REDUCE:
            return None
        killers = self.world.answers[task.job_id].step.killers_of(task.index)
        return next((number for number in killers if number not in task.skips), None)

    def _write_map_output(self, task: m.Task, fate: Fate) -> None:
        answer = self.world.answers[task.job_id]
        text = self._read_split(task)
        if text is None:
            return
        output = answer.mapped(task.index, text)
        path = f"{self.start.folder}/{task.index}.{task.attempt}"
        try:
            self.worker.disk.write(path, output)
        except DiskFull:
            self._fail(task, m.FailureReason.DISK_FULL, "No space left on device")
            return
        if fate.end == "die late":
            self.end(1, None)
            return
        sizes = tuple(map(len, output))
        stats = m.Stats(answer.step.records[task.index], task.index, sum(sizes), 7, 1.0)
        counters = map_counters(answer.step, task.index)
        self._finish(
            task,
            m.MapDone(
                *(task.job_id, task.index, task.attempt, path, stats, counters, None),
                *(len(task.skips), "the last one"),
            ),
        )

    # --- publishing ---

    def _ask(self, task: m.Task, content: str, fate: Fate) -> None:
        self._asking = True
        self._content, self._fate = content, fate
        self._say(m.CommitRequest(task.job_id, task.kind, task.index, task.attempt))

    def _answered(self, reply: m.CommitReply) -> None:
        task = self.running
        if not self._asking or task is None or task.attempt != reply.attempt:
            return
        self._asking = False
        if reply.granted:
            delay_s = self.world.faults.publish_s(PUBLISH_S)
            self._later(delay_s, self._publish, task, self._content, self._fate)
        else:
            self._fail(task, m.FailureReason.WORKER_ERROR, "commit refused")

    def _publish(self, task: m.Task, content: str, fate: Fate) -> None:
        self.world.publish(task, self.worker, content)
        if fate.end == "die late":
            self.end(1, None)
            return
        answer = self.world.answers[task.job_id]
        size_bytes = answer.size_bytes(task.index)
        file = m.OutputFile(answer.name(task.index), size_bytes, "crc32:0")
        done: m.MapDone | m.ReduceDone
        if task.kind is m.TaskKind.MAP:
            records = answer.step.records[task.index]
            stats = m.Stats(records, task.index, records, size_bytes, 1.0)
            counters = map_counters(answer.step, task.index)
            done = m.MapDone(
                *(task.job_id, task.index, task.attempt, "", stats, counters, file),
                *(len(task.skips), "the last one"),
            )
        else:
            stats = m.Stats(len(task.sources), 1, 1, size_bytes, 1.0)
            counters = (("reduces", 1),)
            done = m.ReduceDone(task.job_id, task.index, task.attempt, file, stats, counters)
        self._finish(task, done)

    # --- the stream to the agent ---

    def _fail(
        self,
        task: m.Task,
        reason: m.FailureReason,
        message: str,
        lost: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self._finish(
            task,
            m.TaskFailed(
                task.job_id, task.kind, task.index, task.attempt, reason, message, "", lost
            ),
        )

    def _finish(self, task: m.Task, result: m.MapDone | m.ReduceDone | m.TaskFailed) -> None:
        self.tasks.popleft()
        waited = bool(self.tasks)
        self._say(result)
        if waited and not self.is_dead:
            self._begin()

    def _say(self, message: m.FromSlot) -> None:
        if self.worker.process == self._process:  # otherwise nobody listens
            self.worker.post(SlotSaid(self.number, (message,)))

    def _later(self, delay_s: float, action: Callable[..., object], *arguments: Any) -> None:
        self.world.clock.later(delay_s, self._unless_dead, action, *arguments)

    def _unless_dead(self, action: Callable[..., object], *arguments: Any) -> None:
        if self.is_dead:
            return
        if self.worker.is_frozen:
            # The whole machine stands still: this happens when it goes on.
            self.worker.when_thawed.append((self._unless_dead, (action, *arguments)))
        else:
            action(*arguments)
