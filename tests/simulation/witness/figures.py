"""The book of figures: what the summary of a job says is what its tasks have said, each once.

A task counts by the first of its attempts that was complete; its file is that of the last one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from zmr import messages as m
from zmr.core.actions import Append, CompleteOutput, JobEnded, MasterAction, Outcome, Publish
from zmr.core.events import FrameReceived
from zmr.core.journal import JobClosed
from zmr.pipeline_steps import Totals

from ..machines.oracle import Answer
from ..machines.site import Site
from .ledger import Ledger

# How far two ways to add the same times may differ.
_ROUNDING_S = 1e-6

Done = m.MapDone | m.ReduceDone


@dataclass(slots=True)
class Tasks:
    """The tasks of a phase of a job, or of a step."""

    first: dict[int, Done] = field(default_factory=dict)  # the results that count
    last: dict[int, Done] = field(default_factory=dict)
    began_at: float | None = None
    ended_at: float | None = None  # the last one that is complete

    @property
    def took_s(self) -> float:
        """From the first hand-out to the last completion."""
        if self.began_at is None or self.ended_at is None:
            return 0.0
        return self.ended_at - self.began_at

    def restarted(self, now: float) -> None:
        """Nobody knows when it was."""
        self.began_at = now if self.began_at is not None else None
        self.ended_at = now if self.ended_at is not None else None


class Figures:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        self._site = site
        self._ledger = ledger
        self._applied = applied
        self._tasks: dict[tuple[str, m.TaskKind], Tasks] = {}
        self._known: set[str] = set()  # jobs that were taken on

    def master_did(self, event: Any, actions: list[MasterAction], now: float) -> None:
        """The ledger has seen it. All figures are those before the end, which comes last."""
        results = _results(event) if isinstance(event, FrameReceived) else {}
        closed: dict[str, JobClosed] = {}
        for action in actions:
            match action:
                case Publish(m.TaskEvent() as published):
                    self._published(published, results, now)
                case Publish(m.JobEvent(job_id)):
                    self._known.add(job_id)
                case Append(records):
                    closed = {r.spec.job_id: r for r in records if isinstance(r, JobClosed)}
                case CompleteOutput(outcome):
                    self._check(outcome)
                case JobEnded(outcome) if outcome.spec.job_id in self._known:
                    self._check(outcome)
                    record = closed.get(outcome.spec.job_id)
                    if record is not None:
                        self._check_status(outcome, record.status)

    def master_restarted(self, now: float) -> None:
        """A new master knows what was done, not when."""
        for tasks in self._tasks.values():
            tasks.restarted(now)

    def _published(self, event: m.TaskEvent, results: dict[int, Done], now: float) -> None:
        tasks = self._of(event.job_id, event.kind)
        if tasks.began_at is None:
            tasks.began_at = now
        if event.state == "succeeded":
            done = results[self._ledger.id_of(event)]
            tasks.first.setdefault(event.index, done)
            tasks.last[event.index] = done
            tasks.ended_at = now

    def _of(self, step_id: str, kind: m.TaskKind) -> Tasks:
        return self._tasks.setdefault((step_id, kind), Tasks())

    # --- what is told ---

    def _check(self, outcome: Outcome) -> None:
        job = self._site.jobs.get(outcome.spec.job_id)
        if job is None:
            return
        number = self._ledger.phases[job.id][0]
        step_ids = [step.id for step in job.steps[:number]]
        each = [self._counters(step_id) for step_id in step_ids]
        counters = sum(each, Counter())
        told = {name: n for name, n in outcome.counters if n}
        assert told == +counters, f"{job.id} counted {told}, not {counters}"
        totals = [self._totals(step_id) for step_id in step_ids]
        first, last = totals[0], totals[-1]
        self._check_totals(
            job.id,
            outcome.totals,
            Totals(
                first.records_in,
                first.bytes_in,
                last.records_out,
                last.bytes_out,
                sum(step.map_s for step in totals),
                sum(step.reduce_s for step in totals),
            ),
        )
        if job.is_pipeline:
            names = [step.name for step in outcome.spec.steps[:number]]
            assert [step.name for step in outcome.steps] == names, f"steps of {job.id}"
            for told_of, own, expected in zip(outcome.steps, each, totals, strict=True):
                counted = {name: n for name, n in told_of.counters if n}
                assert counted == +own, f"{told_of.name} counted {counted}, not {own}"
                self._check_totals(told_of.name, told_of.totals, expected)
        else:
            assert not outcome.steps, f"{job.id} has steps: {outcome.steps}"
        self._check_files(outcome, self._site.answers[step_ids[-1]])
        self._applied["the figures of a job are those of its tasks"] += 1

    def _counters(self, step_id: str) -> Counter[str]:
        counters = Counter[str]()
        for kind in m.TaskKind:
            for done in self._of(step_id, kind).first.values():
                for name, n in done.counters:
                    counters[name] += n
        return counters

    def _totals(self, step_id: str) -> Totals:
        maps, reduces = self._of(step_id, m.TaskKind.MAP), self._of(step_id, m.TaskKind.REDUCE)
        read = [done.stats for done in maps.first.values()]
        done = (*maps.first.values(), *reduces.first.values())
        written = [each.stats for each in done if each.file is not None]
        return Totals(
            sum(stats.records_in for stats in read),
            sum(stats.bytes_in for stats in read),
            sum(stats.records_out for stats in written),
            sum(stats.bytes_out for stats in written),
            maps.took_s,
            reduces.took_s,
        )

    def _check_totals(self, name: str, told: Totals, expected: Totals) -> None:
        figures = (told.records_in, told.bytes_in, told.records_out, told.bytes_out)
        right = (expected.records_in, expected.bytes_in, expected.records_out, expected.bytes_out)
        assert figures == right, f"the totals of {name} are told as {figures}, not {right}"
        for told_s, took_s in ((told.map_s, expected.map_s), (told.reduce_s, expected.reduce_s)):
            is_right = abs(told_s - took_s) <= _ROUNDING_S
            assert is_right, f"a phase of {name} took {took_s:.3f} s, not {told_s:.3f} s"

    def _check_files(self, outcome: Outcome, answer: Answer) -> None:
        """Those of the tasks that are complete, in their order; and which left out records."""
        maps = self._of(answer.step.id, m.TaskKind.MAP).last
        reduces = self._of(answer.step.id, m.TaskKind.REDUCE).last
        done = [of[index] for of in (maps, reduces) for index in sorted(of)]
        files = tuple(each.file for each in done if each.file is not None)
        assert outcome.files == files, f"{answer.step.id} has the files {outcome.files}"
        skipped = tuple(
            (index, maps[index].attempt)
            for index in sorted(maps)
            if maps[index].skipped or maps[index].skipped_files  # type: ignore[union-attr]
        )
        assert outcome.skipped == skipped, f"{answer.step.id}: {outcome.skipped}, not {skipped}"

    def _check_status(self, outcome: Outcome, status: m.JobStatus) -> None:
        """How it stood at its end is kept."""
        job = self._site.jobs[outcome.spec.job_id]
        number = self._ledger.phases[job.id][0]
        answer = self._site.answers[job.steps[number - 1].id]
        n_done = Counter(kind for id, kind, _ in self._ledger.winners if id == answer.step.id)
        expected = m.JobStatus(
            job.id,
            outcome.spec.name,
            outcome.state.value,
            n_done[m.TaskKind.MAP],
            answer.n_map,
            n_done[m.TaskKind.REDUCE],
            answer.n_reduce,
            outcome.reason,
            number if job.is_pipeline else 0,
            len(job.steps) if job.is_pipeline else 0,
        )
        assert status == expected, f"kept is {status}, not {expected}"


def _results(event: FrameReceived) -> dict[int, Done]:
    """What the frame says is complete, by attempt."""
    results: dict[int, Done] = {}
    for message in event.frame.messages:
        if isinstance(message, m.MapDone | m.ReduceDone):
            results[message.attempt] = message
        elif isinstance(message, m.Register):
            results |= {done.attempt: done for done in message.held}
    return results
