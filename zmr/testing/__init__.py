"""For tests of jobs: a run in a schedule that a cluster might choose, and a search for two answers.

def test_my_job():
    zmr.testing.check(MyJob(), ["some", "records"])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from zmr.job import Job, create_job
from zmr.testing.schedule import Choice, Record, Schedule, is_in_order, pairs_of
from zmr.testing.search import TRIES, find

Counted = Mapping[str, Mapping[str, int]]

__all__ = ["check", "run"]


def run(
    job: Job | type[Job],
    records: Iterable[Any],
    *,
    seed: int | None = None,
    ordered: bool = False,
    counters: Counted | None = None,
) -> list[tuple[Any, Any]]:
    """The (key, value) pairs that the job puts out for the records.

    In a schedule drawn from `seed`; None: sequential, as the inline engine does. With `ordered`,
    the values of a key come in the order of the records, as zmr has them. To a step of a pipeline,
    `counters` are those of the steps before it, by their names. Whatever the job raises is raised.
    """
    job = _created(job, counters)
    drawn = frozenset(Choice) if seed is not None else frozenset()
    if ordered or is_in_order(job):
        drawn -= {Choice.ORDER}
    return pairs_of(job, list(map(Record, records)), Schedule(seed or 0, drawn))


def check(
    job: Job | type[Job],
    records: Iterable[Any],
    *,
    tries: int = TRIES,
    seed: int = 0,
    ordered: bool = False,
    counters: Counted | None = None,
) -> None:
    """Raise `AssertionError`, with the fewest records and both answers, if two runs differ.

    So many schedules are drawn, from `seed` and those after it. `ordered` and `counters` are as of
    `run`.
    """
    job = _created(job, counters)
    finding = find(job, list(map(Record, records)), tries, seed, ordered)
    assert finding is None, f"{type(job).__name__} has two answers: {finding}"


def _created(job: Job | type[Job], counters: Counted | None) -> Job:
    created = create_job(job, ()) if isinstance(job, type) else copy(job)
    created._counted = [(name, tuple(its.items())) for name, its in (counters or {}).items()]
    return created
