"""A slot of a simulated worker: it takes its time, and ends as its `Work` says.

It does what `zmr.tasks` does, in the same order: a map writes its output and tells; who publishes
a file reads all of its inputs, writes beside the target, asks, and links.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from zmr import messages as m
from zmr.messages import SlotEnded, SlotSaid

from .disk import Disk, DiskFull
from .jobs import RAISES
from .oracle import Pairs, reduced
from .site import Site
from .work import Work


class Host(Protocol):
    """The worker that a slot belongs to."""

    site: Site
    name: str
    process: str
    disk: Disk
    is_frozen: bool
    stopped_at: float
    when_thawed: list[tuple[Callable[..., object], tuple[Any, ...]]]

    def post(self, event: Any) -> None:
        """A slot of it says something."""

    def slot_gone(self, slot: SimulatedSlot, ended: SlotEnded) -> None:
        """The process of a slot has ended."""


class SimulatedSlot:
    def __init__(self, worker: Host, number: int, start: m.StartJob) -> None:
        self.worker, self.number = worker, number
        self.site = worker.site
        self._hears, self._says = self.site.pipe(), self.site.pipe()
        self.start = self._hears.carry(start) if self._hears is not None else start
        self._check_counters()
        self.is_dead = False
        self.was_killed = False
        self.tasks: deque[m.Task] = deque()
        self._asking: tuple[m.Task, Work, str] | None = None
        self._process = worker.process

    def _check_counters(self) -> None:
        """The slot knows what the steps before have counted, each task once."""
        spec = self.start.spec
        answer = self.site.answers.get(spec.job_id)
        for step in reversed(spec.steps[: max(0, spec.step - 1)]):
            if answer is None or (answer := answer.before) is None:
                return
            told = {name: n for name, n in step.counters if n}
            counted = {name: n for name, n in answer.counters() if n}
            assert told == counted, f"{spec.job_id} is told {told} of {step.name}, not {counted}"

    @property
    def running(self) -> m.Task | None:
        return self.tasks[0] if self.tasks and not self.is_dead else None

    def receive(self, message: m.ToSlot) -> None:
        if self.is_dead:
            return
        if self._hears is not None:
            message = self._hears.carry(message)
        if isinstance(message, m.Task):
            self.tasks.append(message)
            if len(self.tasks) == 1:
                self._begin()
        elif isinstance(message, m.CommitReply):
            self._answered(message)

    def kill(self) -> None:
        """By its agent. What it does until that takes effect, it does."""
        self.was_killed = True
        self.site.clock.later(self.site.kill_s(), self.end, None, 9)

    def end(
        self, status: int | None, signal: int | None, record: int = -1, outgrown: bool = False
    ) -> None:
        """Its process ends, perhaps of a record, perhaps for having outgrown its memory."""
        if not self.is_dead:
            self.is_dead = True
            ended = SlotEnded(self.number, status, signal, 50_000_000, outgrown, record)
            self.worker.slot_gone(self, ended)

    # --- one task ---

    def _begin(self) -> None:
        task = self.tasks[0]
        if not self._is_loaded(task):
            self._fail(task, m.FailureReason.WORKER_ERROR, "there is no such job or task")
            return
        work = self.site.work(task, self.worker.name)
        self.site.begins(task, self, self.worker.name, work)
        if work.hangs:
            if work.record >= 0 or task.index % 2:  # the others tell nothing at all
                progress = m.Progress(task.attempt, work.record + 1, 1)
                self._later(self.start.progress_interval_s, self._say, progress)
            return
        self._pulse(task, 1, work)
        if task.kind is m.TaskKind.REDUCE:
            self._later(work.takes_s * work.fetches, self._open_sources, task, work)
        else:
            self._later(work.takes_s, self._worked, task, work)

    def _is_loaded(self, task: m.Task) -> bool:
        """Whether there is such a task, of such a job: not every master is right."""
        answer = self.site.answers.get(task.job_id)
        if answer is None:
            return False
        n = answer.n_map if task.kind is m.TaskKind.MAP else answer.n_reduce
        return task.index < n and task.n_reduce == answer.n_reduce

    def _pulse(self, task: m.Task, number: int, work: Work) -> None:
        interval_s, whole_s = self.start.progress_interval_s, work.takes_s + work.publishes_s
        if number * interval_s > whole_s + 1.0 or number > work.pulses:
            return
        if number > 1:
            done = min(1.0, (number - 1) * interval_s / (whole_s or 1.0))
            records = int(done * self._records(task)) if work.counts else 0
            if task.kind is m.TaskKind.REDUCE:
                fraction = max(0.0, done - work.fetches) / (1.0 - work.fetches) * work.tells
            else:
                fraction = done * work.tells
            self._say(m.Progress(task.attempt, records, number, fraction=fraction))
        self._later(interval_s, self._pulse_of, task, number + 1, work)

    def _pulse_of(self, task: m.Task, number: int, work: Work) -> None:
        if self.running is task:
            self._pulse(task, number, work)

    def _records(self, task: m.Task) -> int:
        """How many records the task reads, as far as it counts them."""
        if task.kind is m.TaskKind.REDUCE:
            return len(task.sources)
        return self.site.answers[task.job_id].step.records[task.index]

    def _left_out(self, task: m.Task) -> set[int]:
        """The records that the map leaves out: those of which it is told, and those that raise."""
        if not self.start.spec.skip_bad_records:
            return set()
        bad = self.site.answers[task.job_id].step.bad_of(task.index)
        return {*task.skips, *(number for number, does in bad.items() if does == RAISES)}

    def _open_sources(self, task: m.Task, work: Work) -> None:
        if self._read_all(task) is not None:
            self._later(work.takes_s * (1.0 - work.fetches), self._worked, task, work)

    def _read_all(self, task: m.Task) -> list[Pairs] | None:
        """The task's partition of each source; None: some are lost, which has been told."""
        inputs, lost = [], []
        for source in task.sources:
            disk = self.site.disk_with(source, self.worker.name)
            output = disk.read(source.path) if disk is not None else None
            if output is None:
                lost.append((source.index, source.attempt))
            else:
                inputs.append(output[task.index])
        if lost:
            text = f"can't read the output of map {lost[0][0]}"
            self._fail(task, m.FailureReason.LOST_INPUT, text, lost=tuple(lost))
            return None
        return inputs

    def _worked(self, task: m.Task, work: Work) -> None:
        is_left_out = work.record >= 0 and work.record in task.skips
        if work.ends_slot and not work.is_late and not is_left_out:
            self.end(work.exits, work.dies or None, work.record, work.outgrows)
        elif work.fails:
            message = work.fails.format(task.attempt)
            self._fail(task, work.reason, message, "Traceback: " + message, at=work.fails_at)
        elif task.kind is m.TaskKind.REDUCE:
            inputs = self._read_all(task)
            if inputs is not None:
                self._ask(task, work, reduced(task.job_id, task.index, inputs))
        elif task.n_reduce:
            self._write_map_output(task, work)
        else:
            text = self._read_split(task)
            if text is not None:
                answer = self.site.answers[task.job_id]
                self._ask(task, work, answer.map_text(task.index, text, self._left_out(task)))

    def _read_split(self, task: m.Task) -> str | None:
        """What stands in the map's input file; None: it can't be read, which has been told."""
        text = self.site.read_input(task)
        if text is None:
            self._fail(task, m.FailureReason.WORKER_ERROR, "can't open the input file")
        return text

    def _write_map_output(self, task: m.Task, work: Work) -> None:
        text = self._read_split(task)
        if text is None:
            return
        output = self.site.answers[task.job_id].mapped(task.index, text, self._left_out(task))
        path = f"{self.start.folder}/{task.index}.{task.attempt}"
        if not any(output):
            path = ""  # a map that put out nothing has no output
        try:
            if path:
                self.worker.disk.write(path, output)
        except DiskFull:
            self._fail(task, m.FailureReason.DISK_FULL, "No space left on device")
            return
        if work.is_late:
            self.end(work.exits, work.dies or None)
            return
        self._finish(task, self._map_done(task, path, sum(map(len, output))))

    def _map_done(
        self, task: m.Task, path: str, n_out: int, file: m.OutputFile | None = None
    ) -> m.MapDone:
        answer = self.site.answers[task.job_id]
        skips, records = len(self._left_out(task)), answer.step.records[task.index]
        n_files = int(task.index in answer.job.bad_files)
        return m.MapDone(
            task.job_id,
            task.index,
            task.attempt,
            path,
            m.Stats(records, task.index, n_out, 7, 1.0),
            answer.map_counters(task.index, skips),
            file,
            skipped=skips,
            last_skipped="the last one" if skips or n_files else "",
            skipped_files=n_files,
            input_bytes=sum(split.size_bytes for split in task.splits),
        )

    # --- publishing ---

    def _ask(self, task: m.Task, work: Work, content: str) -> None:
        self._asking = task, work, content
        answer = self.site.answers[task.job_id]
        self.site.output.files[answer.temporary_path(task.index, task.attempt)] = content
        self._say(m.CommitRequest(task.job_id, task.kind, task.index, task.attempt))

    def _answered(self, reply: m.CommitReply) -> None:
        if self._asking is None or self._asking[0].attempt != reply.attempt:
            return
        (task, work, content), self._asking = self._asking, None
        if reply.granted:
            self._later(work.publishes_s, self._publish, task, work, content)
        else:
            self._fail(task, m.FailureReason.WORKER_ERROR, "commit refused")

    def _publish(self, task: m.Task, work: Work, content: str) -> None:
        answer, output = self.site.answers[task.job_id], self.site.output
        path = answer.path(task.index)
        if output.has_links:
            self._name_file(task, work, content, output.link)
        elif path in output.files:
            self._published(task, work, is_first=False)
        else:
            self._later(work.renames_s, self._name_file, task, work, content, output.rename)

    def _name_file(
        self, task: m.Task, work: Work, content: str, name: Callable[[str, str], bool | None]
    ) -> None:
        """Link or rename the attempt's own file."""
        answer = self.site.answers[task.job_id]
        self.site.publishes(task, content)
        try:
            is_first = name(
                answer.temporary_path(task.index, task.attempt), answer.path(task.index)
            )
        except FileNotFoundError:
            # The job has ended, and its temporary files are removed.
            self._fail(task, m.FailureReason.WORKER_ERROR, "No such file or directory")
        else:
            self._published(task, work, is_first=is_first is not False)

    def _published(self, task: m.Task, work: Work, is_first: bool) -> None:
        """The output file has its name."""
        answer = self.site.answers[task.job_id]
        text = f"publishes {answer.name(task.index)}" + ("" if is_first else ", which was there")
        self.site.say(self.worker.name, text)
        if work.is_late:
            self.end(work.exits, work.dies or None)
            return
        size_bytes = answer.size_bytes(task.index)
        file = m.OutputFile(answer.name(task.index), size_bytes, "crc32:0")
        done: m.MapDone | m.ReduceDone
        if task.kind is m.TaskKind.MAP:
            done = self._map_done(task, "", 1, file)
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
        traceback: str = "",
        lost: tuple[tuple[int, int], ...] = (),
        at: int = -1,
    ) -> None:
        is_of = task.job_id, task.kind, task.index, task.attempt
        known = m.Circumstances(record=at)
        failed = m.TaskFailed(*is_of, reason, message, traceback, lost, known)
        self._finish(task, failed)

    def _finish(self, task: m.Task, result: m.MapDone | m.ReduceDone | m.TaskFailed) -> None:
        self.tasks.popleft()
        waited = bool(self.tasks)
        self._say(result)
        if waited and not self.is_dead:
            self._begin()

    def _say(self, message: m.FromSlot) -> None:
        if self.worker.process == self._process:  # otherwise nobody listens
            if self._says is not None:
                message = self._says.carry(message)
            self.worker.post(SlotSaid(self.number, (message,)))

    def _later(self, delay_s: float, action: Callable[..., object], *arguments: Any) -> None:
        self.site.clock.later(delay_s, self._unless_dead, action, *arguments)

    def _unless_dead(self, action: Callable[..., object], *arguments: Any) -> None:
        if self.is_dead:
            return
        if self.worker.is_frozen:
            # The whole machine stands still: this was to happen so much later than that began.
            left_s = self.site.clock.now - self.worker.stopped_at
            self.worker.when_thawed.append((self._later, (left_s, action, *arguments)))
        else:
            action(*arguments)
