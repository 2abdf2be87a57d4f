"""What a failure costs, as a table: measured, and what could not be avoided by any scheduling.

With n workers, an undisturbed job that takes T, and the worker that is killed at t:

    killed   least time = t + (T - t) * n / (n - 1) + L / (n - 1)
    slow     least time = T * n / (n - 1 + 1 / slowness)

L, the lost work, is the time that the killed worker spent on map outputs which had to be made
again and on what it was running. All are of the same run, but T, which is the median of the
undisturbed runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.fault_cluster import SLOWNESS, Course, Fault, Workload
from benchmarks.machine import describe
from benchmarks.report import seconds, table

KILLED_BOUND = 0.05  # beyond lost capacity and lost work
SLOW_BOUND = 0.15


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the table."""

    name: str
    workload: Workload
    fault: Fault

    @property
    def title(self) -> str:
        """For people."""
        workers = f"{self.workload.workers} workers"
        if self.fault.kills:
            return f"{workers}, one killed at half of the job"
        if self.fault.slows:
            backups = "without" if "--no-backups" in self.fault.options else "with"
            return f"{workers}, one {SLOWNESS} times slower, {backups} backup tasks"
        return f"{workers}, undisturbed"


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over the rounds; parts of the undisturbed time."""

    elapsed_s: float
    shortest_s: float
    longest_s: float
    more: float  # than undisturbed
    least: float  # what any scheduling would cost

    @property
    def beyond(self) -> float:
        """What the scheduling has cost."""
        return self.more - self.least


def least_s(case: Case, course: Course, undisturbed_s: float) -> float:
    """The least time that the job could take with this fault."""
    n = case.workload.workers
    if course.killed_at_s is not None:
        left_s = undisturbed_s - course.killed_at_s
        return course.killed_at_s + (left_s * n + course.lost_work_s) / (n - 1)
    if case.fault.slows:
        return undisturbed_s * n / (n - 1 + 1 / SLOWNESS)
    return undisturbed_s


def cost(case: Case, courses: Sequence[Course], undisturbed_s: float) -> Cost:
    """What the case has cost beside the undisturbed job."""
    times_s = [course.elapsed_s for course in courses]
    least = median(least_s(case, course, undisturbed_s) for course in courses)
    return Cost(
        median(times_s),
        min(times_s),
        max(times_s),
        median(times_s) / undisturbed_s - 1,
        least / undisturbed_s - 1,
    )


def section(cases: Sequence[Case], courses: Mapping[str, Sequence[Course]]) -> str:
    """The conditions, the table, the goals, and the command that makes them again."""
    costs = {case.name: _beside_its_like(case, cases, courses) for case in cases}
    heads = ("", "time", "range", "more than undisturbed", "unavoidable", "beyond that")
    rows = [_cells(case, costs[case.name]) for case in cases]
    rounds = max(map(len, courses.values()))
    workloads = {case.workload.workers: case.workload for case in cases}
    times = f"Medians of {rounds} rounds, in turns" if rounds > 1 else "A single round"
    parts = [
        f"{times}, on {dict(describe())['processor']}. "
        + " ".join(_described(workload) for workload in workloads.values()),
        table(heads, rows),
        table(("figure", "here", "goal"), _goals(cases, costs)),
        *_about_the_killed(cases, courses),
        f"Made by `python -m benchmarks.faults{'' if rounds == 5 else f' --rounds {rounds}'}`.",
    ]
    return "\n\n".join(parts)


def _beside_its_like(
    case: Case, cases: Sequence[Case], courses: Mapping[str, Sequence[Course]]
) -> Cost:
    (plain,) = (c for c in cases if c.workload == case.workload and c.fault == Fault())
    undisturbed_s = median(course.elapsed_s for course in courses[plain.name])
    return cost(case, courses[case.name], undisturbed_s)


def _cells(case: Case, cost: Cost) -> list[str]:
    cells = [case.title, seconds(cost.elapsed_s), f"{cost.shortest_s:.1f} – {cost.longest_s:.1f}"]
    if case.fault == Fault():
        return [*cells, "", "", ""]
    return [*cells, f"**{_percent(cost.more)}**", _percent(cost.least), _percent(cost.beyond)]


def _goals(cases: Sequence[Case], costs: Mapping[str, Cost]) -> list[list[str]]:
    rows = []
    for case in cases:
        cost = costs[case.name]
        if case.fault.kills:
            what = f"{case.title}: beyond lost capacity and lost work"
            rows.append(_goal(what, cost.beyond, KILLED_BOUND))
        elif case.fault.slows and not case.fault.options:
            if cost.least < SLOW_BOUND:
                rows.append(_goal(f"{case.title}: in all", cost.more, SLOW_BOUND))
            else:
                rows.append(_goal(f"{case.title}: beyond lost capacity", cost.beyond, SLOW_BOUND))
    return rows


def _goal(what: str, figure: float, bound: float) -> list[str]:
    verdict = "met" if figure <= bound else "**missed**"
    return [what, f"{_percent(figure)}, {verdict}", f"≤ {100 * bound:g} %"]


def _about_the_killed(cases: Sequence[Case], courses: Mapping[str, Sequence[Course]]) -> list[str]:
    said = []
    for case in cases:
        own = courses[case.name]
        noticed_s = [c.lost_at_s - c.killed_at_s for c in own if c.lost_at_s and c.killed_at_s]
        if noticed_s:
            said.append(
                f"The killed worker's tasks went to others {median(noticed_s):.1f} s after its "
                f"death (`--lost-after`); {median(c.lost_work_s for c in own):.1f} s of its work "
                "were lost."
            )
    return said


def _described(workload: Workload) -> str:
    return (
        f"With {workload.workers} workers: {workload.maps} maps of {workload.map_s:g} s on average "
        f"(from half to one and a half of that), {workload.reduces} reduces of "
        f"{workload.reduce_s:g} s."
    )


def _percent(part: float) -> str:
    return f"{part:+.1%}".replace("%", " %")
