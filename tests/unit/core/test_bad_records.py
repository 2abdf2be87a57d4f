"""Records of which slots die are left out after the second death, and no more than may be."""

from __future__ import annotations

import pytest
from support.story import Cluster, Work

from zmr.core.states import JobState
from zmr.core.tasks import TaskRecord
from zmr.messages import Circumstances, FailureReason, Task, TaskKind

SEGFAULT = 11


def attempts_of(cluster: Cluster, index: int) -> list[Task]:
    return [task for task in cluster.begun if (task.kind, task.index) == (TaskKind.MAP, index)]


def test_the_second_death_of_a_record_has_it_left_out_and_neither_counts() -> None:
    # Given three records of one map of which its slot dies, and a task may fail twice
    cluster = Cluster(workers=1)
    for record in (5, 3, 9):
        cluster.plan(Work(dies=SEGFAULT, record=record), TaskKind.MAP, index=1, times=2)
    job = cluster.submit(maps=2, reduces=1, skip_bad_records=3, max_attempts=2)

    cluster.run_until_over()

    outcome = cluster.check(job)
    tasks = attempts_of(cluster, 1)
    assert [task.skips for task in tasks] == [(), (), (5,), (5,), (5, 3), (5, 3), (5, 3, 9)]
    assert [task.failures for task in tasks] == [0, 1, 0, 1, 0, 1, 0]
    assert [task.is_last for task in tasks] == [False, True, False, True, False, True, False]
    assert outcome.skipped == ((1, tasks[-1].attempt),)
    assert cluster.said("map 1, attempt 2 failed on w1 (1 of 2)")
    assert cluster.said("(record 6 is skipped now)")


def test_a_record_that_kills_once_more_is_left_out_already() -> None:
    """An attempt may have begun before: it does not count against its task."""
    record = TaskRecord(TaskKind.MAP, 0)
    for _ in range(4):
        record.count_failure(b"w1", lost_input=False, record=5)
    assert (record.skips, record.suspects, record.failures) == ((5,), (), 0)


def test_deaths_of_two_records_in_turn_have_each_left_out_at_its_second() -> None:
    cluster = Cluster(workers=1)
    for record in (5, 3, 5, 3):
        cluster.plan(Work(dies=SEGFAULT, record=record), TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=1, reduces=1, skip_bad_records=2, max_attempts=3)

    cluster.run_until_over()

    cluster.check(job)
    tasks = attempts_of(cluster, 0)
    assert [task.skips for task in tasks] == [(), (), (), (5,), (5, 3)]
    assert [task.failures for task in tasks] == [0, 1, 2, 1, 0]


def test_deaths_of_different_records_are_failures_like_any_other() -> None:
    cluster = Cluster(workers=1)
    for record in (5, 3, 9, 7):
        cluster.plan(Work(dies=SEGFAULT, record=record), TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=1, reduces=1, skip_bad_records=3)

    cluster.run_until_over()

    assert cluster.outcomes[job].state is JobState.FAILED
    assert "map 0 failed 4 times" in cluster.outcomes[job].reason
    assert cluster.outcomes[job].failed_task == "map-0"


def test_nothing_is_left_out_unless_it_is_asked_for() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(dies=SEGFAULT, record=5), TaskKind.MAP, index=0)
    job = cluster.submit(maps=1, reduces=1)

    cluster.run_until_over()

    assert "map 0 failed 4 times" in cluster.outcomes[job].reason
    assert "at record 6 of its input" in cluster.outcomes[job].reason


def test_more_than_may_be_left_out_of_the_whole_job_fail_it() -> None:
    # Given a bad record in each of two maps, and leave for one
    cluster = Cluster(workers=1)
    cluster.plan(Work(dies=SEGFAULT, record=5), TaskKind.MAP, index=0, times=2)
    cluster.plan(Work(dies=SEGFAULT, record=8), TaskKind.MAP, index=1, times=2)
    job = cluster.submit(maps=2, reduces=1, skip_bad_records=1)

    cluster.run_until_over()

    outcome = cluster.outcomes[job]
    assert outcome.state is JobState.FAILED
    assert outcome.reason.startswith(
        "more than 1 bad record (--skip-bad-records), the last: of map"
    )
    assert "killed by SIGSEGV" in outcome.reason


def test_an_attempt_that_finds_too_many_ends_the_job_at_once() -> None:
    cluster = Cluster(workers=1)
    failing = Work(fails="more than 1 bad record", reason=FailureReason.BAD_RECORDS)
    cluster.plan(failing, TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=1, reduces=1, skip_bad_records=1)

    cluster.run_until_over()

    assert cluster.outcomes[job].state is JobState.FAILED
    assert "map 0 failed 1 time, the last on w1: more than 1 bad record" in (
        cluster.outcomes[job].reason
    )


@pytest.mark.parametrize("limit", [1, 2])
def test_files_that_are_left_out_count_over_the_whole_job(limit: int) -> None:
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=3, reduces=1, bad_files=(0, 2), skip_bad_files=limit)

    cluster.run_until_over()

    outcome = cluster.outcomes[job]
    if limit == 1:
        assert outcome.state is JobState.FAILED
        assert outcome.reason == "more than 1 bad file (--skip-bad-files), the last: the last one"
    else:
        assert outcome.state is JobState.DONE
        assert [index for index, _ in outcome.skipped] == [0, 2]


def test_a_key_of_which_reduce_raises_is_no_bad_record() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(fails="no good"), TaskKind.REDUCE)
    job = cluster.submit(maps=1, reduces=1, skip_bad_records=1)

    cluster.run_until_over()

    assert cluster.outcomes[job].reason.endswith(
        "no good (--skip-bad-records is for records of map, not for keys of reduce)"
    )


def test_a_map_that_is_made_again_leaves_out_the_same_and_counts_once() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(dies=SEGFAULT, record=5), TaskKind.MAP, index=0, times=2)
    cluster.plan(Work(takes_s=20.0), TaskKind.REDUCE)
    job = cluster.submit(maps=2, reduces=1, skip_bad_records=1)
    cluster.run(lambda: bool(cluster.attempts("running", TaskKind.REDUCE)))

    # When its output is lost in the reduce phase
    owner = cluster.attempts("succeeded", TaskKind.MAP)[-1].worker
    cluster.workers[owner].crash()
    cluster.run_until_over()

    outcome = cluster.check(job)
    assert len(outcome.skipped) == 1


def test_a_master_that_is_started_again_knows_what_is_left_out() -> None:
    cluster = Cluster(workers=1, journal=True)
    cluster.plan(Work(dies=SEGFAULT, record=5), TaskKind.MAP, index=0, times=2)
    cluster.plan(Work(takes_s=5.0), TaskKind.MAP, index=0)
    job = cluster.submit(maps=1, reduces=1, skip_bad_records=1)
    cluster.run(lambda: len(attempts_of(cluster, 0)) == 3)

    cluster.crash_master()
    cluster.restart_master()

    task = cluster.core.jobs[job].maps.tasks[0]
    assert (task.skips, task.failures) == ((5,), 0)
    cluster.run_until_over()
    cluster.check(job)


def test_who_hangs_before_the_first_record_hangs_at_none() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(hangs=True), TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=1, reduces=1, skip_bad_records=1, task_timeout_s=5.0)

    cluster.run_until_over()

    cluster.check(job)
    (failed,) = cluster.attempts("failed")
    assert failed.reason is FailureReason.NO_PROGRESS
    assert failed.circumstances == Circumstances()


def test_the_record_at_which_it_hangs_is_the_one_that_it_is_at() -> None:
    # Given a map that says how far it is until its second record, and then nothing any more
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=60.0, pulses=60), TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=1, reduces=1, skip_bad_records=1, task_timeout_s=25.0)

    cluster.run_until_over()

    cluster.check(job)
    (failed,) = cluster.attempts("failed")
    assert failed.reason is FailureReason.NO_PROGRESS
    assert failed.circumstances.record >= 0
    assert failed.text.endswith(f", at record {failed.circumstances.record + 1} of its input")


def test_events_tell_how_a_slot_ended() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(exits=3, record=5), TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=1, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    (failed,) = cluster.attempts("failed")
    assert failed.reason is FailureReason.SLOT_DIED
    assert failed.circumstances == Circumstances(exit_status=3, peak_bytes=50_000_000, record=5)
