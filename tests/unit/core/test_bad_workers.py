"""A worker on which attempts fail that go well elsewhere gets no tasks for a while."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.story import Cluster, Work

from zmr.core.tasks import TaskRecord
from zmr.core.workers import Health
from zmr.messages import FailureReason, TaskKind

FULL = Work(takes_s=0.1, fails="No space left on device", reason=FailureReason.DISK_FULL)
DIES = Work(takes_s=0.1, dies=11)


def begun_on(cluster: Cluster, worker: str) -> list[float]:
    return [event.attempt for event in cluster.attempts("running") if event.worker == worker]


def test_a_full_disk_costs_one_attempt_and_is_told() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(FULL, TaskKind.MAP, worker="w1")
    job = cluster.submit(maps=8, reduces=1)

    cluster.run(lambda: "quarantined" in cluster.worker_states("w1"))
    assert cluster.workers["w1"].core.attempts == []
    assert [w.state for w in (x.status() for x in cluster.core.cluster.workers.present)].count(
        "quarantined"
    )
    cluster.run_until_over()

    cluster.check(job)
    assert len(cluster.attempts("failed")) == 1
    assert cluster.said("worker w1 is quarantined: no tasks for 10 s: No space left on device")


def test_a_full_disk_is_one_quarantine_however_many_attempts_it_costs() -> None:
    # Given attempts that are known to run when the first of them fails
    cluster = Cluster(workers=2, slots=3)
    cluster.plan(replace(FULL, takes_s=2.5), TaskKind.MAP, worker="w1")
    job = cluster.submit(maps=8, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert [e.worker for e in cluster.attempts("failed")] == ["w1"] * 3
    assert cluster.worker_states("w1").count("quarantined") == 1


def test_three_deaths_in_a_row_while_others_do_well() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(DIES, worker="w1")
    cluster.plan(Work(takes_s=0.25), worker="w2")
    job = cluster.submit(maps=30, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert len(cluster.attempts("failed")) == 3
    assert cluster.said(
        "worker w1 is quarantined: no tasks for 10 s: the slot process was killed by SIGSEGV"
    )


def test_pauses_grow_and_one_task_at_a_time_shows_whether_it_is_over() -> None:
    # Given a worker with two slots, whose disk stays full for two pauses
    cluster = Cluster(workers=2, slots=2)
    cluster.plan(FULL, worker="w1", times=3)
    cluster.plan(Work(takes_s=3.0))
    job = cluster.submit(maps=60, reduces=1, backup_after_s=1000.0)
    cluster.run(lambda: cluster.worker_states("w1")[-1:] == ["quarantined"])
    quarantined_at = cluster.now

    # When the first pause is over, one task tries it, in vain; the second is twice as long
    cluster.run(lambda: cluster.worker_states("w1")[-1:] == ["alive"])
    assert cluster.now == pytest.approx(quarantined_at + 10.0)
    cluster.run(lambda: cluster.worker_states("w1")[-1:] == ["quarantined"])
    quarantined_at = cluster.now
    cluster.run(lambda: cluster.worker_states("w1")[-1:] == ["alive"])
    assert cluster.now == pytest.approx(quarantined_at + 20.0)

    # Then one task goes well, and it works as ever
    cluster.run(lambda: bool(cluster.workers["w1"].core.attempts))
    assert len(cluster.workers["w1"].core.attempts) == 1
    cluster.run(lambda: cluster.said("worker w1 works again"))
    cluster.run(lambda: len(cluster.workers["w1"].core.attempts) == 2)
    cluster.run_until_over()
    cluster.check(job)


def test_the_users_errors_are_not_the_workers_fault() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=0.1, fails="ValueError: odd"), TaskKind.MAP, worker="w1", times=6)
    job = cluster.submit(maps=12, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert "quarantined" not in cluster.worker_states("w1")


def test_tasks_that_die_everywhere_are_not_the_workers_fault() -> None:
    cluster = Cluster(workers=3)
    for index in range(0, 30, 3):
        cluster.plan(DIES, TaskKind.MAP, index=index, times=2)
    job = cluster.submit(maps=30, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert len(cluster.attempts("failed")) == 20
    quarantined = [name for name in cluster.workers if "quarantined" in cluster.worker_states(name)]
    assert len(quarantined) < 3


def test_the_only_worker_goes_on() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(FULL, worker="w1", times=3)
    job = cluster.submit(maps=2, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert "quarantined" not in cluster.worker_states("w1")


def test_when_the_last_good_worker_goes_a_bad_one_goes_on() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(FULL, worker="w1", times=1)
    job = cluster.submit(maps=6, reduces=1)
    cluster.run(lambda: cluster.worker_states("w1")[-1:] == ["quarantined"])

    cluster.workers["w2"].interrupt()
    cluster.workers["w2"].interrupt()
    cluster.run_until_over(limit_s=9.0)

    cluster.check(job)


def test_who_was_on_no_trial_does_not_work_again() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(DIES, times=1)
    job = cluster.submit(maps=4, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    assert not cluster.said("works again")


def test_only_different_tasks_within_a_minute_are_a_row_of_failures() -> None:
    one, two, three = (TaskRecord(TaskKind.MAP, index) for index in range(3))
    health = Health()
    failures = [(one, 0.0), (one, 1.0), (one, 2.0), (two, 3.0), (three, 62.5), (one, 62.9)]
    bad_since = []
    for task, now in failures:
        health.failed(task, now)
        bad_since.append(health.bad_since)
    assert bad_since == [None, None, None, None, None, 3.0]


def test_a_success_on_trial_makes_the_next_quarantine_short_again() -> None:
    health = Health()
    durations_s = []
    for ends_well in (False, False, True, False):
        durations_s.append(health.quarantine(100.0))
        health.begin_trial()
        if ends_well:
            health.succeeded()
    assert durations_s == [10.0, 20.0, 40.0, 10.0]
