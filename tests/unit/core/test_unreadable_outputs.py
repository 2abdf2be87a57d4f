"""A reduce can't read a map output: is it the output, or the way to it? Its worker is asked."""

from __future__ import annotations

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core.output_checks import OutputChecks
from zmr.core.settings import MasterSettings
from zmr.messages import TaskKind

MAP, REDUCE = TaskKind.MAP, TaskKind.REDUCE


def with_maps_on_w1(reduces: int) -> tuple[Cluster, str]:
    """A cluster in which all maps are complete on w1; then it is busy, and w2 reduces."""
    cluster = Cluster(workers=1, slots=4)
    cluster.plan(Work(takes_s=30.0), REDUCE, worker="w1")
    job = cluster.submit(maps=4, reduces=reduces, backup_after_s=1000.0)
    cluster.run(lambda: len(cluster.attempts("succeeded", MAP)) == 4)
    return cluster, job


def map_starts(cluster: Cluster, job: str) -> list[int]:
    begun = cluster.times_begun(job)
    return [begun[MAP, index] for index in range(4)]


def test_what_its_worker_says_is_gone_is_made_again_and_nothing_else() -> None:
    # Given a worker that has lost one of its four map outputs, which another one finds out
    cluster, job = with_maps_on_w1(reduces=5)
    winner = cluster.core.cluster.active[job].maps.tasks[2].winner
    del cluster.workers["w1"].disk.files[f"/w1/{job}/2.{winner}"]
    cluster.add_worker()

    cluster.run(lambda: bool(cluster.attempts("failed")))
    cluster.run_until_over()

    # Then that one is made again, after a question
    cluster.check(job)
    assert map_starts(cluster, job) == [1, 1, 2, 1]


def test_a_report_is_checked_by_asking_and_a_broken_way_costs_no_map() -> None:
    # Given a reduce that can't reach the worker with its inputs, while that is well
    cluster, job = with_maps_on_w1(reduces=5)
    cluster.network.cut.add(("w2", "w1"))
    cluster.add_worker()
    cluster.run(lambda: bool(cluster.attempts("failed", REDUCE)))
    cluster.network.cut.clear()

    cluster.run_until_over()

    # Then the worker is asked for what was reported, the reduce is tried again, and that is all
    cluster.check(job)
    (question,) = cluster.network.messages(m.CheckOutputs)
    assert len(question.attempts) == 4
    assert map_starts(cluster, job) == [1, 1, 1, 1]


def test_a_worker_that_nobody_reaches_is_not_believed_twice() -> None:
    cluster, job = with_maps_on_w1(reduces=5)
    cluster.network.cut.add(("w2", "w1"))
    cluster.add_worker(slots=4)

    cluster.run_until_over()

    cluster.check(job)
    assert map_starts(cluster, job) == [2, 2, 2, 2]
    assert len(cluster.attempts("failed", REDUCE)) == 2


def test_no_reduce_begins_while_a_question_is_open_and_silence_is_an_answer() -> None:
    # Given a question that is lost
    cluster, job = with_maps_on_w1(reduces=5)
    cluster.network.drop(m.CheckOutputs)
    cluster.network.cut.add(("w2", "w1"))
    cluster.add_worker()
    cluster.run(lambda: bool(cluster.attempts("failed", REDUCE)))
    asked_at, reduces = cluster.now, len(cluster.attempts("running", REDUCE))

    cluster.run(lambda: len(cluster.attempts("lost", MAP)) == 4)

    assert cluster.now == pytest.approx(asked_at + MasterSettings().lost_after_s)
    assert len(cluster.attempts("running", REDUCE)) == reduces
    cluster.run_until_over()
    cluster.check(job)


def test_of_two_questions_the_first_is_overdue_first() -> None:
    # Given two workers that are asked, one after the other, and can't be heard
    cluster = Cluster(workers=0)
    job = cluster.submit()
    cluster.run_for(1.0)
    run = cluster.core.cluster.jobs[job]
    for peer, answer_by in ((b"w1", 7.0), (b"w2", 9.0)):
        run.output_checks.failed_to_read(peer, 1)
        run.output_checks.ask(peer, {1: 0}, answer_by)
    cluster.core.cluster.active[job] = run
    assert cluster.core._fetch_failures.next_deadline() == 7.0


def test_an_answer_for_some_outputs_gives_time_for_the_others() -> None:
    # Given a worker that is asked about two outputs until 7 s
    checks = OutputChecks()
    checks.failed_to_read(b"w1", 1)
    checks.ask(b"w1", {1: 0, 2: 1}, 7.0)
    # When it answers for one of them, then it has longer for the other
    checks.answered(b"w1", (1,), newest_attempt=5, answer_by=11.0)
    assert checks.awaited[b"w1"].answer_by == 11.0
    assert checks.awaited[b"w1"].unanswered == {2: 1}


def test_who_cannot_read_its_own_map_outputs_is_not_asked() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=5.0), REDUCE, times=1)
    job = cluster.submit(maps=4, reduces=1)
    cluster.run(lambda: bool(cluster.attempts("running", REDUCE)))
    cluster.workers["w1"].disk.files.clear()

    cluster.run_until_over()

    cluster.check(job)
    assert not cluster.network.messages(m.CheckOutputs)
    assert map_starts(cluster, job) == [2, 2, 2, 2]


def test_two_reduces_that_report_a_worker_have_all_its_outputs_looked_at() -> None:
    # Given a worker that has lost one map output, and soon another one
    cluster, job = with_maps_on_w1(reduces=6)
    tasks, disk = cluster.core.cluster.active[job].maps.tasks, cluster.workers["w1"].disk.files
    first, second = (f"/w1/{job}/{index}.{tasks[index].winner}" for index in (0, 1))
    kept = disk.pop(first)
    cluster.network.delay(m.OutputsChecked, by_s=1.0)
    cluster.plan(Work(takes_s=0.5), REDUCE, index=4, times=1)
    cluster.plan(Work(takes_s=0.9), REDUCE, index=5, times=1)
    cluster.add_worker(slots=2)
    cluster.run(lambda: len(cluster.attempts("failed", REDUCE)) == 1)
    disk[first] = kept
    disk.pop(second)

    cluster.run(lambda: len(cluster.network.messages(m.CheckOutputs)) == 2)

    one, others = cluster.network.messages(m.CheckOutputs)
    winners = {task.winner for task in tasks}
    assert one.attempts == (tasks[0].winner,)
    assert set(others.attempts) == winners - set(one.attempts)
    cluster.run_until_over()
    cluster.check(job)


def test_nothing_waits_for_an_answer_about_an_output_that_its_own_worker_can_not_read() -> None:
    # Given a worker without one of its outputs, which is asked about it, and does not hear that
    cluster, job = with_maps_on_w1(reduces=5)
    winner = cluster.core.cluster.active[job].maps.tasks[2].winner
    del cluster.workers["w1"].disk.files[f"/w1/{job}/2.{winner}"]
    cluster.network.drop(m.CheckOutputs)
    cluster.add_worker()
    cluster.run(lambda: bool(cluster.network.messages(m.CheckOutputs)))
    asked_at = cluster.now
    cluster.run(lambda: bool(cluster.attempts("lost", MAP)))
    reduces = len(cluster.attempts("running", REDUCE))

    # When a reduce on that very worker has found it gone, and the map has run again
    cluster.run(lambda: len(cluster.attempts("succeeded", MAP)) == 5)

    # Then reduces begin at once, not when the answer would be overdue
    assert cluster.now < asked_at + MasterSettings().lost_after_s
    assert len(cluster.attempts("running", REDUCE)) > reduces
    cluster.run_until_over()
    cluster.check(job)
    assert map_starts(cluster, job) == [1, 1, 2, 1]


def test_no_answer_is_waited_for_when_all_of_the_output_is_there() -> None:
    # Given an open question, and a reduce that has read what it asks about
    cluster, job = with_maps_on_w1(reduces=1)
    run = cluster.core.cluster.active[job]
    run.output_checks.failed_to_read(b"w1", 0)
    run.output_checks.ask(b"w1", {run.maps.tasks[2].winner: 2}, cluster.now + 1000.0)
    assert run.output_checks.awaited

    # When the output is complete
    cluster.run(lambda: run.is_complete)

    # Then the question is no longer open, and nothing is lost for want of an answer
    assert not run.output_checks
    cluster.run_until_over()
    cluster.check(job)
    assert not cluster.attempts("lost", MAP)
