"""One job from its submission to its end: its two task tables, its attempts and its phase.

A pipeline is a job whose tables are those of one step at a time. `JobRun.id` is the id by which
workers know what runs now: the step's. Everybody else knows the job by `JobRun.public_id`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from zmr.core.actions import Outcome
from zmr.core.journal import JobClosed
from zmr.core.pipeline_steps import inputs_of_next, step_spec, told
from zmr.core.plan import SPLIT_BYTES, Pieces, plan, splits_of
from zmr.core.states import JOB, AttemptState, JobState, TaskState
from zmr.core.tasks import Attempt, TaskRecord, TaskTable
from zmr.core.totals import counters_of_all, totals_of_all
from zmr.core.workers import WorkerTable
from zmr.messages import (
    JobSpec,
    JobStatus,
    MapDone,
    MapOutput,
    ReduceDone,
    Task,
    TaskKind,
)
from zmr.steps import StepDone, Totals


class JobRun:
    """A job; once it has ended, no more than its status."""

    def __init__(
        self,
        spec: JobSpec,
        splits: list[Pieces],
        words: str = "",
        split_bytes: int = SPLIT_BYTES,
    ) -> None:
        self.spec = spec  # of the whole
        self.step = step_spec(spec, 1)  # of what runs now
        self.words = words  # see `JobGiven`
        self.id = self.step.job_id
        self.public_id = spec.job_id
        self.state = JOB.initial
        self.maps = TaskTable(TaskKind.MAP, splits)
        self.reduces = TaskTable(TaskKind.REDUCE, self.step.n_reduce)
        self.attempts: dict[int, Attempt] = {}  # live and lost ones
        self.output_is_completing = False  # the shell is writing the manifest
        self.backups_wanted: dict[int, Attempt] = {}  # stragglers, by attempt id
        self.in_doubt: set[bytes] = set()  # workers who were asked whether map outputs are whole
        self.reason = ""
        self.traceback = ""
        self.failed_task = ""  # by which the job failed: "map-17"
        self.out_of_workers = False
        self._split_bytes = split_bytes
        self._steps_done: tuple[StepDone, ...] = ()
        self._sources: tuple[MapOutput, ...] | None = None
        self._counters: Counter[str] = Counter()
        self._sums = (0, 0, 0, 0)  # records and bytes in, records and bytes out
        self._skipped = 0  # records that complete maps left out
        self.last_skipped = ""  # where the last of them is, and why
        self._last_status: JobStatus | None = None

    @classmethod
    def closed(cls, record: JobClosed) -> JobRun:
        """One that had ended before the master was started again."""
        job = cls(record.spec, [], record.words)
        job.state = JobState(record.status.state)
        job.reason, job.traceback = record.status.reason, record.traceback
        job.out_of_workers, job.failed_task = record.out_of_workers, record.failed_task
        job.close()
        job._last_status = record.status
        return job

    def move(self, happened: str) -> None:
        self.state = JOB.move(self.state, happened, self.id)

    def advance(self) -> bool:
        """Go on to the reduces if all maps are complete. Returns whether it did."""
        if self.state is not JobState.MAP or self.maps.remaining or self.is_map_only:
            return False
        self.move("all maps completed")
        return True

    @property
    def is_active(self) -> bool:
        return self.state in (JobState.MAP, JobState.REDUCE)

    @property
    def has_ended(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def is_map_only(self) -> bool:
        return self.step.n_reduce == 0

    @property
    def has_next_step(self) -> bool:
        """Whether something is to follow what runs now."""
        return self.step.step < len(self.spec.steps)

    def begin_next_step(self) -> None:
        """Its input is what the step that is complete has put out. The job's `id` is another."""
        files = (*self.maps.files(), *self.reduces.files())
        splits = plan(inputs_of_next(self.step, files), self._split_bytes)
        self.move("step complete")
        self._steps_done += (self._step_done(),)
        self.step = step_spec(self.spec, self.step.step + 1)
        self.id = self.step.job_id
        self.maps = TaskTable(TaskKind.MAP, splits)
        self.reduces = TaskTable(TaskKind.REDUCE, self.step.n_reduce)
        self.attempts, self.backups_wanted, self._sources = {}, {}, None
        self._counters, self._sums = Counter(), (0, 0, 0, 0)

    def told(self, text: str) -> str:
        """The text, after the step that it is about, if there are several."""
        return told(self.step.step, len(self.spec.steps), text)

    def told_of_step(self, text: str) -> str:
        """The same with the step's name: "step 2 of 3, ByCount: map 0 failed"."""
        steps = self.spec.steps
        return f"step {self.step.step} of {len(steps)}, {self.step.name}: {text}" if steps else text

    def table(self, kind: TaskKind) -> TaskTable:
        return self.maps if kind is TaskKind.MAP else self.reduces

    @property
    def is_complete(self) -> bool:
        """Whether all of the output is there."""
        last = self.maps if self.is_map_only else self.reduces
        return self.is_active and not last.remaining

    @property
    def ready(self) -> TaskTable:
        """The table whose idle tasks can run now: the maps until all are complete, also again."""
        return self.maps if self.maps.remaining else self.reduces

    @property
    def is_held(self) -> bool:
        """Whether reduces wait until it is clear which map outputs can be read."""
        return bool(self.in_doubt) and not self.maps.remaining

    def commits(self, kind: TaskKind) -> bool:
        """Whether tasks of this kind publish a file of the job's output."""
        return kind is TaskKind.REDUCE or self.is_map_only

    # --- map outputs ---

    def task_message(self, task: TaskRecord, attempt: int, workers: WorkerTable) -> Task:
        """What a worker is told of the task."""
        sources = self._all_sources(workers) if task.kind is TaskKind.REDUCE else ()
        return Task(
            self.id,
            task.kind,
            task.index,
            attempt,
            self.step.n_reduce,
            self.step.output,
            splits_of(task.splits),
            sources,
            task.failures,
            task.failures + len(task.attempts) + len(task.lost) >= self.spec.max_attempts,
            task.skips,
        )

    def _all_sources(self, workers: WorkerTable) -> tuple[MapOutput, ...]:
        # The same for every reduce, so it is made once for all of them.
        if self._sources is None:
            assert not self.maps.remaining, "a reduce must not begin without all map outputs"
            places = {
                owner: workers.place_of(owner) for owner in {t.owner for t in self.maps.tasks}
            }
            self._sources = tuple(
                MapOutput(task.index, task.winner, host, task.path, shuffle_address)
                for task in self.maps.tasks
                if task.path  # others put out nothing
                for host, shuffle_address in (places[task.owner],)
            )
        return self._sources

    def outputs_changed(self) -> None:
        self._sources = None

    def lose_output(self, task: TaskRecord, may_return: bool) -> Attempt:
        """A completed map must run again. Returns the attempt that is lost with its output."""
        attempt = Attempt(task.winner, self.id, task, task.owner, 0.0)
        attempt.state = AttemptState.SUCCEEDED
        attempt.move("output lost")
        if may_return:
            self.attempts[attempt.id] = attempt
        self.maps.output_lost(task, attempt if may_return else None)
        self.outputs_changed()
        return attempt

    def needs_output_of(self, task: TaskRecord) -> bool:
        """Whether the completed map's output will still be read."""
        return (
            task.state is TaskState.COMPLETED
            and self.is_active
            and task.path != ""  # of a map-only job, and of a map that put out nothing
            and self.reduces.remaining > 0
        )

    # --- bad records ---

    @property
    def skips_too_many(self) -> bool:
        """Whether more records were or will be left out than may be."""
        found = sum(len(task.skips) for task in self.maps.tasks if task.skips and not task.winner)
        return self._skipped + found > self.spec.skip_bad_records

    # --- how it went ---

    def complete(self, attempt: Attempt, done: MapDone | ReduceDone, now: float) -> None:
        """The attempt's task is complete by it."""
        if not attempt.task.winner:
            self._count(done)
        self.table(attempt.task.kind).complete(attempt, done, now)
        del self.attempts[attempt.id]
        self.backups_wanted.pop(attempt.id, None)
        if isinstance(done, MapDone):
            self.outputs_changed()

    def _count(self, done: MapDone | ReduceDone) -> None:
        """Add up what a task did, when it is complete for the first time."""
        for name, n in done.counters:
            self._counters[name] += n
        if isinstance(done, MapDone) and done.skipped:
            self._skipped += done.skipped
            self.last_skipped = done.last_skipped
        stats, sums = done.stats, self._sums
        is_map, is_published = isinstance(done, MapDone), done.file is not None
        self._sums = (
            sums[0] + stats.records_in * is_map,
            sums[1] + stats.bytes_in * is_map,
            sums[2] + stats.records_out * is_published,
            sums[3] + stats.bytes_out * is_published,
        )

    def closing(self) -> JobClosed:
        """How it ended, for the journal."""
        spec = replace(self.spec, source=b"", bounds=b"")
        return JobClosed(
            *(spec, self.status(), self.traceback, self.out_of_workers, self.words),
            self.failed_task,
        )

    def close(self) -> None:
        """Keep the status, and nothing else that takes room."""
        self._last_status = self.status()
        self.maps = TaskTable(TaskKind.MAP, 0)
        self.reduces = TaskTable(TaskKind.REDUCE, 0)
        self.attempts = {}
        self.backups_wanted = {}
        self._sources = None

    def status(self) -> JobStatus:
        if self._last_status is not None:
            return self._last_status
        return JobStatus(
            self.public_id,
            self.spec.name,
            self.state.value,
            self.maps.completed,
            len(self.maps),
            self.reduces.completed,
            len(self.reduces),
            self.reason,
            self.step.step,
            len(self.spec.steps),
        )

    def outcome(self, state: JobState) -> Outcome:
        """How the job ended."""
        steps = (*self._steps_done, self._step_done())
        return Outcome(
            self.spec,
            state,
            self.reason,
            self.traceback,
            (*self.maps.files(), *self.reduces.files()),
            counters_of_all(steps),
            totals_of_all(steps),
            self.out_of_workers,
            steps if self.spec.steps else (),
            self.failed_task,
            tuple((task.index, task.winner) for task in self.maps.tasks if task.skipped),
        )

    def _step_done(self) -> StepDone:
        """What has been done of what runs now."""
        counters = tuple(sorted(self._counters.items()))
        totals = Totals(*self._sums, _elapsed_s(self.maps), _elapsed_s(self.reduces))
        return StepDone(self.step.name, counters, totals)


def _elapsed_s(table: TaskTable) -> float:
    if table.started_at is None or table.completed_at is None:
        return 0.0
    return table.completed_at - table.started_at
