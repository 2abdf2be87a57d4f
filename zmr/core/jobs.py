"""One job from its submission to its end: its two task tables, its attempts and its phase.

A pipeline is a job whose tables are those of one step at a time. `JobRun.id` is the id by which
workers know what runs now: the step's. All others know the job by `JobRun.public_id`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from zmr.core.actions import Outcome
from zmr.core.journal import JobClosed
from zmr.core.output_checks import OutputChecks
from zmr.core.plan import SPLIT_BYTES, Plan, plan
from zmr.core.states import JOB, JobState, TaskState
from zmr.core.tasks import Attempt, TaskRecord, TaskTable
from zmr.core.workers import WorkerTable
from zmr.display import counted
from zmr.messages import (
    JobSpec,
    JobStatus,
    MapDone,
    MapOutput,
    ReduceDone,
    Task,
    TaskKind,
)
from zmr.pipeline_steps import (
    StepDone,
    Totals,
    counters_of_all,
    inputs_of_next,
    step_spec,
    totals_of_all,
    with_step,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends, and why."""

    state: JobState  # done, failed or cancelled
    reason: str = ""
    traceback: str = ""
    failed_task: str = ""  # by which it fails: "map-17"
    out_of_workers: bool = False


class JobRun:
    """A job; once it has ended, no more than its status."""

    def __init__(
        self,
        spec: JobSpec,
        splits: Plan,
        fingerprint: str = "",
        split_bytes: int = SPLIT_BYTES,
        size_bytes: int = 0,
    ) -> None:
        self.spec = spec  # of the whole
        self.step = step_spec(spec, 1)  # of what runs now
        self.fingerprint = fingerprint  # see `JobGiven`
        self.id = self.step.job_id
        self.public_id = spec.job_id
        self.size_bytes = size_bytes  # see `JobSubmitted`, `JobClosed`
        self.state = JOB.initial
        self.maps = TaskTable(TaskKind.MAP, len(splits))
        self.reduces = TaskTable(TaskKind.REDUCE, self.step.n_reduce)
        self.attempts: dict[int, Attempt] = {}  # live and lost ones
        self.backups_wanted: dict[int, Attempt] = {}  # stragglers, by attempt id
        self.output_checks = OutputChecks()  # of the outputs that reduces could not read
        self.reason = ""
        self.traceback = ""
        self.failed_task = ""  # by which the job failed: "map-17"
        self.out_of_workers = False
        self._splits = splits  # of each map
        self._split_bytes = split_bytes
        self._steps_done: tuple[StepDone, ...] = ()
        self._sources: tuple[MapOutput, ...] | None = None
        self._counters: Counter[str] = Counter()
        self._sums = (0, 0, 0, 0)  # records and bytes in, records and bytes out
        self._skipped = 0  # records that complete maps left out
        self._skipped_files = 0  # files likewise
        self.last_skipped = ""  # where the last of them is, and why
        self._last_status: JobStatus | None = None

    def move(self, happened: str) -> None:
        self.state = JOB.move(self.state, happened, self.id)

    def advance(self) -> None:
        """Go on to the reduces if all maps are complete."""
        if self.state is JobState.MAP and not self.maps.remaining and not self.is_map_only:
            self.move("all maps completed")

    @property
    def is_active(self) -> bool:
        return self.state in (JobState.MAP, JobState.REDUCE, JobState.COMPLETING)

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
        self._splits = plan(inputs_of_next(self.step, files), self._split_bytes)
        self.move("step complete")
        self._steps_done += (self._step_done(),)
        self.step = step_spec(self.spec, self.step.step + 1, self._steps_done)
        self.id = self.step.job_id
        self.maps = TaskTable(TaskKind.MAP, len(self._splits))
        self.reduces = TaskTable(TaskKind.REDUCE, self.step.n_reduce)
        self.attempts, self.backups_wanted, self._sources = {}, {}, None
        self.output_checks = OutputChecks()
        self._counters, self._sums = Counter(), (0, 0, 0, 0)

    def with_step(self, text: str) -> str:
        """The text, after the step that it is about, if there are several."""
        return with_step(self.step.step, len(self.spec.steps), text)

    def with_step_name(self, text: str) -> str:
        """The same with the step's name: "step 2 of 3, ByCount: map 0 failed"."""
        steps = self.spec.steps
        return f"step {self.step.step} of {len(steps)}, {self.step.name}: {text}" if steps else text

    @property
    def n_tasks(self) -> int:
        return len(self.maps) + len(self.reduces)

    def table(self, kind: TaskKind) -> TaskTable:
        return self.maps if kind is TaskKind.MAP else self.reduces

    @property
    def is_complete(self) -> bool:
        """Whether all of the output is there."""
        last = self.reduces if self.step.n_reduce else self.maps
        return not last.remaining and self.is_active

    @property
    def ready(self) -> TaskTable:
        """The table whose idle tasks can run now: the maps until all are complete, also again."""
        return self.maps if self.maps.remaining else self.reduces

    @property
    def is_held(self) -> bool:
        """Whether reduces wait until it is clear which map outputs can be read."""
        return bool(self.output_checks.awaited) and not self.maps.remaining

    def commits(self, kind: TaskKind) -> bool:
        """Whether tasks of this kind publish a file of the job's output."""
        return kind is TaskKind.REDUCE or self.is_map_only

    # --- attempts ---

    def hand_out(self, attempt: Attempt, now: float) -> None:
        """An attempt at one of its tasks begins."""
        task = attempt.task
        for straggler in task.attempts:
            self.backups_wanted.pop(straggler.id, None)
        self.table(task.kind).hand_out(attempt, now)
        self.attempts[attempt.id] = attempt

    def end_attempt(self, attempt: Attempt, happened: str) -> None:
        """An attempt has ended without success. A lost one may still come back."""
        self.table(attempt.task.kind).attempt_ended(attempt, happened)
        self.backups_wanted.pop(attempt.id, None)
        if happened != "worker lost":
            self.attempts.pop(attempt.id, None)

    def take_back(self, attempt: Attempt, now: float) -> None:
        """A lost attempt is back."""
        self.table(attempt.task.kind).attempt_returned(attempt, now)
        for other in attempt.task.attempts:
            self.backups_wanted.pop(other.id, None)

    def task_message(self, task: TaskRecord, attempt: int, workers: WorkerTable) -> Task:
        """The task as a worker gets it."""
        is_map = task.kind is TaskKind.MAP
        return Task(
            self.id,
            task.kind,
            task.index,
            attempt,
            self.step.n_reduce,
            self.step.output,
            self._splits[task.index] if is_map else (),
            () if is_map else self._all_sources(workers),
            task.failures,
            self._may_end_by(task),
            task.skips,
        )

    def patience_s(self, attempt: Attempt) -> float:
        """How long the attempt may stand still."""
        spec = self.spec
        return spec.setup_timeout_s if attempt.is_starting else spec.task_timeout_s

    def _may_end_by(self, task: TaskRecord) -> bool:
        """Whether one more failure of the task, or of an attempt that runs now, may end the job."""
        n_running = len(task.attempts) + len(task.lost)
        may_repeat = bool(task.errors) or n_running > 1  # what the job's own code raises
        return may_repeat or task.failures + n_running >= self.spec.max_attempts

    def _all_sources(self, workers: WorkerTable) -> tuple[MapOutput, ...]:
        # The same for every reduce, so it is made once for all of them.
        if self._sources is None:
            assert not self.maps.remaining, "a reduce must not begin without all map outputs"
            places = {
                owner: workers.place_of(owner)
                for owner in {t.owner for t in self.maps.tasks.made()}
            }
            self._sources = tuple(
                MapOutput(task.index, task.winner, host, task.path, shuffle_address)
                for task in self.maps.tasks.made()
                if task.path  # others put out nothing
                for host, shuffle_address in (places[task.owner],)
            )
        return self._sources

    # --- map outputs ---

    def outputs_changed(self) -> None:
        self._sources = None

    def lose_output(self, task: TaskRecord, may_return: bool) -> Attempt:
        """A completed map must run again. Returns the attempt that is lost with its output."""
        attempt = Attempt(task.winner, self.id, task, task.owner, 0.0)
        attempt.move("succeed")  # it did; since then only the task knew of it
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

    def unread(self, done: MapDone) -> str:
        """What the map that says that it is done has not read of its input; "": nothing.

        What there is of files that were left out is not known here.
        """
        splits = self._splits[done.index]
        size_bytes = sum(split.size_bytes for split in splits)
        if done.input_bytes == size_bytes or 0 < done.skipped_files <= self.spec.skip_bad_files:
            return ""
        return f"it read {done.input_bytes:,} of {size_bytes:,} bytes of its input"

    # --- bad records and files ---

    def skips_too_many(self) -> str:
        """What more were or will be left out than may be: "more than 1 bad record", with the option
        that says so; empty: there are not too many.
        """
        maps = self.maps.tasks.made()
        found = sum(len(task.skips) for task in maps if task.skips and not task.winner)
        records, files = self.spec.skip_bad_records, self.spec.skip_bad_files
        if self._skipped + found > records:
            return f"more than {counted(records, 'bad record')} (--skip-bad-records)"
        if self._skipped_files > files:
            return f"more than {counted(files, 'bad file')} (--skip-bad-files)"
        return ""

    # --- how it went ---

    def complete(
        self, attempt: Attempt, done: MapDone | ReduceDone, ran_s: float | None, now: float
    ) -> None:
        """The attempt's task is complete by it. `ran_s` is how long it took, if that is known."""
        if not attempt.task.winner:
            self._count(done)
        self.table(attempt.task.kind).complete(attempt, done, ran_s, now)
        del self.attempts[attempt.id]
        self.backups_wanted.pop(attempt.id, None)
        if self.is_complete:
            self.output_checks = OutputChecks()  # nothing reads map outputs any more

    def _count(self, done: MapDone | ReduceDone) -> None:
        """Add up what a task did, when it is complete for the first time."""
        for name, n in done.counters:
            self._counters[name] += n
        if isinstance(done, MapDone) and (done.skipped or done.skipped_files):
            self._skipped += done.skipped
            self._skipped_files += done.skipped_files
            self.last_skipped = done.last_skipped
        stats, sums = done.stats, self._sums
        is_map, is_published = isinstance(done, MapDone), done.file is not None
        self._sums = (
            sums[0] + stats.records_in * is_map,
            sums[1] + stats.bytes_in * is_map,
            sums[2] + stats.records_out * is_published,
            sums[3] + stats.bytes_out * is_published,
        )

    def end(self, happened: str, record: JobClosed) -> None:
        """It is over: all that is known of it from now on is what the record says."""
        self.move(happened)
        self.spec, self.step = record.spec, step_spec(record.spec, self.step.step or 1)
        self.size_bytes = record.size_bytes
        self.reason, self.traceback = record.status.reason, record.traceback
        self.failed_task, self.out_of_workers = record.failed_task, record.out_of_workers
        self.fingerprint, self._last_status = record.fingerprint, record.status
        self._splits = Plan()
        self.maps = TaskTable(TaskKind.MAP, 0)
        self.reduces = TaskTable(TaskKind.REDUCE, 0)
        self.attempts, self.backups_wanted, self._sources = {}, {}, None
        self.output_checks = OutputChecks()

    def status(self) -> JobStatus:
        """How it stands."""
        return self._last_status or self._status(self.state, self.reason)

    def _status(self, state: JobState, reason: str) -> JobStatus:
        return JobStatus(
            self.public_id,
            self.spec.name,
            state.value,
            self.maps.completed,
            len(self.maps),
            self.reduces.completed,
            len(self.reduces),
            reason,
            self.step.step,
            len(self.spec.steps),
        )

    @property
    def ending(self) -> Ending:
        """How it has ended."""
        return Ending(
            self.state, self.reason, self.traceback, self.failed_task, self.out_of_workers
        )

    def closing(self, ending: Ending) -> JobClosed:
        """What is kept of a job that ends like this, for the journal."""
        return JobClosed(
            replace(self.spec, source=b"", bounds=b""),
            self._status(ending.state, ending.reason),
            ending.traceback,
            ending.out_of_workers,
            self.fingerprint,
            ending.failed_task,
        )

    def outcome(self, ending: Ending) -> Outcome:
        """What has come of a job that ends like this. It is not over yet."""
        steps = (*self._steps_done, self._step_done())
        return Outcome(
            self.spec,
            ending.state,
            ending.reason,
            ending.traceback,
            (*self.maps.files(), *self.reduces.files()),
            counters_of_all(steps),
            totals_of_all(steps),
            ending.out_of_workers,
            steps if self.spec.steps else (),
            ending.failed_task,
            tuple((task.index, task.winner) for task in self.maps.tasks.made() if task.skipped),
        )

    def validate(self) -> None:
        """Fail if its parts contradict each other."""
        if self.has_ended:
            assert not self.attempts, f"job {self.id}: attempts, although it has ended"
            assert not self.output_checks, f"job {self.id}: questions, although it has ended"
            return
        listed: dict[int, Attempt] = {}
        for table in (self.maps, self.reduces):
            table.validate()
            for task in table.tasks.made():
                assert task.failures < self.spec.max_attempts, f"{task}: failures"
                listed |= {attempt.id: attempt for attempt in (*task.attempts, *task.lost)}
        assert self.attempts == listed, f"job {self.id}: attempts"
        for attempt_id, attempt in self.backups_wanted.items():
            assert listed.get(attempt_id) is attempt, f"{attempt}: gone, and wants a backup"
            assert attempt.task.attempts == (attempt,), f"{attempt}: wants a backup beside one"
        is_early = self.state in (JobState.QUEUED, JobState.MAP)
        assert not is_early or self.reduces.idle == len(self.reduces), "a reduce before the maps"
        self.output_checks.validate()
        for check in self.output_checks.awaited.values():
            for attempt_id, index in check.unanswered.items():
                is_result = self.maps.tasks[index].is_result(attempt_id)
                assert is_result, f"job {self.id}: a question about an output that does not count"

    def _step_done(self) -> StepDone:
        """What has been done of what runs now."""
        counters = tuple(sorted(self._counters.items()))
        totals = Totals(*self._sums, _elapsed_s(self.maps), _elapsed_s(self.reduces))
        return StepDone(self.step.name, counters, totals)


def _elapsed_s(table: TaskTable) -> float:
    if table.started_at is None or table.completed_at is None:
        return 0.0
    return table.completed_at - table.started_at
