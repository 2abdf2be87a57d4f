"""The book of failures: what people are told of each, and when it ends the job.

An event has what the attempt said of itself; the log, how often the task has failed, or which of
its records is left out; the end of the job, both.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from zmr import messages as m
from zmr.core.actions import JobEnded, Log, MasterAction, Outcome, Publish, Send
from zmr.core.states import JobState

from ..machines.jobs import JobPlan
from ..machines.site import Site
from .books import ENDED, NUMBER, TaskKey, files_left_out
from .ledger import Ledger
from .movement import STOPPED, Movement
from .repeats import Repeats

_LOST_INPUTS_ALLOWED = 20

_FAILED = re.compile(
    r"(map|reduce) (\d+), attempt (\d+) (failed|could not read its input) on (\S+) "
    r"\((?:record ([\d,]+) is skipped now|(\d+) of (\d+))\): (.*)",
    re.DOTALL,
)
_BY_TASK = re.compile(
    r"(?:step (\d+) of (\d+), (\S+): )?(map|reduce) (\d+) (failed|could not read its input) "
    r"(?:(\d+) (times?)|twice with the same error), the last on (\S+): (.*)",
    re.DOTALL,
)
_OF_KEYS = " (--skip-bad-records is for records of map, not for keys of reduce)"


class Failures:
    def __init__(
        self,
        site: Site,
        ledger: Ledger,
        repeats: Repeats,
        movement: Movement,
        applied: Counter[str],
    ) -> None:
        self._site = site
        self._movement = movement
        self._ledger = ledger
        self._repeats = repeats
        self._applied = applied
        self._left_out: dict[TaskKey, set[int]] = {}  # records, before this turn
        self._new: dict[TaskKey, set[int]] = {}  # ... and those that came with it

    def master_did(self, event: Any, actions: list[MasterAction]) -> None:
        """The ledger has seen it."""
        failed: list[tuple[int, m.TaskEvent]] = []
        logged: list[str] = []
        ended: list[Outcome] = []
        is_further = False
        for action in actions:
            match action:
                case Publish(m.TaskEvent() as published):
                    is_further |= published.state == "succeeded"
                    if published.state == "failed":
                        id = self._ledger.id_of(published)
                        failed.append((id, published))
                        self._check_event(id, published, actions)
                case Log(_, text) if _FAILED.match(text):
                    logged.append(text)
                case JobEnded(outcome):
                    ended.append(outcome)
        if failed:
            self._check_logged(failed, logged)
        for outcome in ended:
            self._check_reason(outcome, failed)
        if failed or is_further:
            for job_id in self._site.jobs:
                self._check_goes_on(job_id)

    # --- the event ---

    def _check_event(self, id: int, event: m.TaskEvent, actions: list[MasterAction]) -> None:
        failing = self._ledger.failing.get(id)
        what = f"the failure of attempt {id & NUMBER}"
        if failing is not None:
            told = event.text, event.reason, event.circumstances
            said = failing.message, failing.reason, failing.circumstances
            assert told == said, f"{what} is told as {told}, not {said}"
            return
        task = self._ledger.attempts[id].task
        job = self._site.answers[task[0]].job
        record = self._ledger.hung_at(id)
        text = f"{STOPPED} for {job.task_timeout_s:g} s (--task-timeout)"
        if self._movement.going[id].starting:
            limit = f"{job.setup_timeout_s:g} s in the job's imports and setup"
            text = f"{STOPPED} for {limit} (--setup-timeout)"
            self._applied["an attempt that does not get beyond its setup is stopped"] += 1
        if record >= 0:
            text += f", at record {record + 1:,} of its input"
        assert event.text == text, f"{what} is told as {event.text!r}, not {text!r}"
        assert event.reason is m.FailureReason.NO_PROGRESS, f"{what} is told as {event.reason}"
        known = m.Circumstances(record=record)
        assert event.circumstances == known, f"{what} was at {event.circumstances}, not {known}"
        worker = self._ledger.attempts[id].worker
        stopped = {
            n
            for a in actions
            if isinstance(a, Send) and isinstance(a.message, m.Cancel)
            if a.peer.decode() == worker and a.message.reason == text
            for n in a.message.attempts
        }
        assert id in stopped, f"attempt {id & NUMBER} has no progress, and goes on"

    # --- the log ---

    def _check_logged(self, failed: list[tuple[int, m.TaskEvent]], logged: list[str]) -> None:
        assert len(failed) == len(logged), f"{len(failed)} failures, {len(logged)} lines of them"
        ledger = self._ledger
        for task in {ledger.attempts[id].task for id, _ in failed}:
            skips = ledger.skips.get(task, set())
            self._new[task] = skips - self._left_out.get(task, set())
            self._left_out[task] = set(skips)
        n_of_task = Counter(ledger.attempts[id].task for id, _ in failed)
        for (id, event), text in zip(failed, logged, strict=True):
            seen = ledger.attempts[id]
            match = _FAILED.match(text)
            assert match is not None
            kind, index, number, what, worker, record, times, limit, message = match.groups()
            told = (kind, int(index), int(number), worker, message)
            right = (event.kind.label, event.index, event.attempt, seen.worker, event.text)
            assert told == right, f"{event} is logged as {told}"
            if n_of_task[seen.task] > 1:
                continue  # the books have all of them already
            lost_input = self._has_lost_input(id)
            assert (what == "failed") != lost_input, f"{event} is logged as: it {what}"
            if record is not None:
                self._check_left_out(id, int(record.replace(",", "")) - 1)
                continue
            books = ledger.lost_inputs if lost_input else ledger.failures
            job = self._site.answers[seen.task[0]].job
            most = _LOST_INPUTS_ALLOWED if lost_input else job.max_attempts
            expected = len(books.get(seen.task, ())), most
            assert (int(times), int(limit)) == expected, f"{event} is logged as {times} of {limit}"
            at = self._record_of(id)
            assert at not in self._new[seen.task], f"record {at} is left out, and it is not told"
            self._applied["how often a task has failed is told"] += 1

    def _check_left_out(self, id: int, record: int) -> None:
        at, new = self._record_of(id), self._new[self._ledger.attempts[id].task]
        assert record == at, f"record {record} is said to be left out, not {at}"
        assert record in new, f"record {record} is said to be left out"
        self._applied["which record is left out is told"] += 1

    def _record_of(self, id: int) -> int:
        failing = self._ledger.failing.get(id)
        return failing.circumstances.record if failing is not None else self._ledger.hung_at(id)

    def _has_lost_input(self, id: int) -> bool:
        failing = self._ledger.failing.get(id)
        is_reduce = self._ledger.attempts[id].task[1] is m.TaskKind.REDUCE
        return failing is not None and failing.reason is m.FailureReason.LOST_INPUT and is_reduce

    # --- the end of the job ---

    def _check_reason(self, outcome: Outcome, failed: list[tuple[int, m.TaskEvent]]) -> None:
        job = self._site.jobs.get(outcome.spec.job_id)
        is_alone = outcome.reason.startswith("no worker for ")
        assert outcome.out_of_workers == is_alone, f"out of workers: {outcome.reason!r}"
        if job is None or outcome.state is not JobState.FAILED:
            return
        match = _BY_TASK.fullmatch(outcome.reason)
        if match is None:
            by_count = [id for id, _ in failed if self._is_last(id, job)]
            assert not by_count, f"{job.id} failed by {by_count}, and is told so: {outcome.reason}"
            self._check_too_many(outcome, job)
            return
        step, n_steps, name, kind, index, what, times, noun, worker, message = match.groups()
        n = self._ledger.phases[job.id][0]
        steps = outcome.spec.steps
        in_step = (str(n), str(len(steps)), steps[n - 1].name) if steps else (None, None, None)
        assert (step, n_steps, name) == in_step, outcome.reason
        id, event = self._last_of(job, failed)
        seen = self._ledger.attempts[id]
        is_of_keys = bool(job.skip_bad_records) and event.kind is m.TaskKind.REDUCE
        assert (event.kind.label, event.index) == (kind, int(index)), outcome.reason
        assert worker == seen.worker, outcome.reason
        assert message == event.text + (_OF_KEYS if is_of_keys else ""), outcome.reason
        lost_input = self._has_lost_input(id)
        assert (what == "failed") != lost_input, outcome.reason
        failing = self._ledger.failing.get(id)
        traceback = failing.traceback if failing is not None else ""
        assert outcome.traceback == traceback, f"{outcome.traceback!r} is of another failure"
        self._applied["the reason of a failed job is that of its task"] += 1
        assert (times is None) == (id in self._repeats.attempts), outcome.reason
        if times is None:
            self._applied["an error that repeats ends its job"] += 1
            return
        books = self._ledger.lost_inputs if lost_input else self._ledger.failures
        n_times = max(1, len(books.get(seen.task, ())))
        assert int(times) == n_times, f"{outcome.reason}: it was {n_times}"
        assert noun == ("time" if n_times == 1 else "times"), outcome.reason

    def _last_of(
        self, job: JobPlan, failed: list[tuple[int, m.TaskEvent]]
    ) -> tuple[int, m.TaskEvent]:
        """The failure by which the job ends: the last one of its own."""
        step_ids = {step.id for step in job.steps}
        return [(id, event) for id, event in failed if event.job_id in step_ids][-1]

    def _is_last(self, id: int, job: JobPlan) -> bool:
        """Whether the task has failed as often as it may, or as before."""
        task = self._ledger.attempts[id].task
        failures = self._ledger.failures.get(task, ())
        is_of_job = task[0] in {step.id for step in job.steps}
        is_too_often = id in failures and len(failures) >= job.max_attempts
        return is_of_job and (is_too_often or id in self._repeats.attempts)

    def _check_too_many(self, outcome: Outcome, job: JobPlan) -> None:
        if re.search(r"more than \d+ bad (record|file)", outcome.reason):
            what, most = "record", job.skip_bad_records
            if job.bad_files:
                what, most = "file", job.skip_bad_files
            noun = f"bad {what}" if most == 1 else f"bad {what}s"
            told = f"more than {most} {noun} (--skip-bad-{what}s), the last: "
            assert told in outcome.reason, f"{outcome.reason}, not {told}"
            last = outcome.reason.partition(", the last: ")[2]
            assert last, f"{outcome.reason} does not say which was the last"
            self._applied["that too many records are bad is told"] += 1

    def _check_goes_on(self, job_id: str) -> None:
        """A job whose task has failed too often, or that leaves out too many records, has ended."""
        ledger, job = self._ledger, self._site.jobs[job_id]
        known = ledger.phases.get(job_id)
        if known is None or known[1] in ENDED:
            return
        step_ids = {step.id for step in job.steps}
        for task, failures in ledger.failures.items():
            is_over = task[0] in step_ids and len(failures) >= job.max_attempts
            assert not is_over, f"{job_id} goes on: {task} has failed {len(failures)} times"
        for task in self._repeats.tasks:
            assert task[0] not in step_ids, f"{job_id} goes on: {task} fails as before"
        for task, failures in ledger.lost_inputs.items():
            is_over = task[0] in step_ids and len(failures) >= _LOST_INPUTS_ALLOWED
            assert not is_over, f"{job_id} goes on: {task} could not read its input"
        if job.skip_bad_records:
            known_bad = {key: len(skips) for key, skips in ledger.skips.items()} | ledger.left_out
            n = sum(n for key, n in known_bad.items() if key[0] in step_ids)
            assert n <= job.skip_bad_records, f"{job_id} goes on, and leaves out {n} records"
        n = files_left_out(ledger.left_out, job)
        assert n <= job.skip_bad_files, f"{job_id} goes on, and leaves out {n} files"
