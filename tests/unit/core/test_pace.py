"""How long an attempt goes on, and how long a fresh one would take."""

from __future__ import annotations

import pytest

from zmr.core.pace import Pace
from zmr.core.tasks import Attempt, TaskRecord
from zmr.messages import Progress, TaskKind


def attempt() -> Attempt:
    return Attempt(1, "job", TaskRecord(TaskKind.MAP, 0), b"w1", 0.0)


def test_a_fresh_attempt_takes_as_long_as_the_slow_ones() -> None:
    pace = Pace()
    assert pace.median_s() is None
    for ran_s in range(1, 101):
        pace.add(float(ran_s), 0)
    assert pace.median_s() == 51.0
    assert pace.fresh_s(10**9) == 91.0  # nothing is known of records
    assert pace.fresh_s(0.0) == 91.0


def test_a_fresh_attempt_at_a_large_task_takes_as_long_as_its_records() -> None:
    pace = Pace()
    pace.add(1.0, 50)
    pace.add(3.0, 150)
    assert pace.fresh_s(1000.0) == pytest.approx(2 * 1000 * 4.0 / 200)
    pace.add(46.0, 0)
    assert pace.fresh_s(10.0) == 46.0


def test_only_the_latest_tasks_count() -> None:
    pace = Pace()
    for ran_s in [100.0] * 10 + [1.0] * 501:
        pace.add(ran_s, 1)
    assert (pace.median_s(), pace.fresh_s(1.0)) == (1.0, 2.0)


def test_what_is_left_is_told_by_what_is_done() -> None:
    slow = attempt()
    assert slow.left_s(5.0) is None
    slow.progressed(Progress(1, queued=True), 8.0)
    slow.progressed(Progress(1, 100, fraction=0.25), 10.0)
    slow.progressed(Progress(1, 200, fraction=0.5), 14.0)
    assert slow.records() == 400.0
    assert slow.left_s(14.0) == pytest.approx(4.0)  # not of the time in the queue
    assert slow.left_s(20.0) == pytest.approx(10.0)  # it stands still
    slow.progressed(Progress(1, 400, fraction=1.0), 21.0)
    assert slow.left_s(22.0) == 0.0


def test_a_reduce_has_a_pace_since_it_has_fetched_its_input() -> None:
    reduce = attempt()
    reduce.progressed(Progress(1, bytes=10), 1.0)
    reduce.progressed(Progress(1, bytes=10**9), 30.0)
    assert reduce.left_s(30.0) is None
    reduce.progressed(Progress(1, 100, 10**9, fraction=0.1), 31.0)
    assert reduce.left_s(31.0) == pytest.approx(9.0)
