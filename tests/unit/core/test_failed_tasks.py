"""What happens when a task goes wrong, and the person is told why."""

from __future__ import annotations

from typing import Any

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.messages import TaskKind


def test_a_task_that_always_fails_ends_the_job_with_its_own_words() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(fails="ValueError: no number in {}"), TaskKind.MAP, index=1)
    job = cluster.submit(maps=3, reduces=1)

    cluster.run_until_over()

    outcome = cluster.outcomes[job]
    assert outcome.state is JobState.FAILED
    last = cluster.attempts("failed")[-1]
    assert outcome.reason == f"map 1 failed 4 times, the last on {last.worker}: {last.text}"
    assert outcome.traceback == f"Traceback: {last.text}"
    assert cluster.times_begun(job)[TaskKind.MAP, 1] == 4
    assert cluster.job_states(job) == ["queued", "map", "failed"]
    assert len({event.text for event in cluster.attempts("failed")}) == 4
    assert cluster.said("(2 of 4): ValueError: no number in ")


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("kind", [TaskKind.MAP, TaskKind.REDUCE])
def test_an_error_that_repeats_ends_the_job_the_second_time(n_workers: int, kind: TaskKind) -> None:
    cluster = Cluster(workers=n_workers)
    cluster.plan(Work(fails="ValueError: no number in line 7"), kind, index=1)
    job = cluster.submit(maps=3, reduces=2)

    cluster.run_until_over()

    outcome = cluster.outcomes[job]
    assert outcome.state is JobState.FAILED
    last = cluster.attempts("failed")[-1].worker
    assert outcome.reason == (
        f"{kind.label} 1 failed twice with the same error, the last on {last}: "
        "ValueError: no number in line 7"
    )
    assert outcome.failed_task == f"{kind.label}-1"
    assert cluster.times_begun(job)[kind, 1] == 2
    # It is told once, with the job's end.
    assert cluster.warnings == [f"job {job} failed: {outcome.reason}"]


def test_an_error_that_comes_back_after_another_one_repeats() -> None:
    cluster = Cluster(workers=1)
    for text in ("one", "another", "one"):
        cluster.plan(Work(fails=text), TaskKind.MAP, times=1)
    job = cluster.submit(maps=1, reduces=1)

    cluster.run_until_over()

    assert cluster.outcomes[job].reason == (
        "map 0 failed twice with the same error, the last on w1: one"
    )
    assert cluster.warnings[0] == "map 0, attempt 2 failed on w1 (2 of 4): another"


@pytest.mark.parametrize("other", [{"fails": "another"}, {"fails": "one", "fails_at": 8}])
def test_another_error_or_another_record_counts_as_a_failure(other: dict[str, Any]) -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(fails="one", fails_at=7), TaskKind.MAP, times=1)
    cluster.plan(Work(**other), TaskKind.MAP, times=1)
    job = cluster.submit(maps=1, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert "map 0, attempt 3 is complete, after one that failed: one" in cluster.warnings[-1]


def test_the_same_in_another_task_does_not_repeat() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(fails="flaky"), TaskKind.MAP, index=0, times=1)
    cluster.plan(Work(fails="flaky"), TaskKind.MAP, index=1, times=1)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_until_over()
    cluster.check(job)


def test_what_is_no_error_of_the_jobs_code_may_repeat() -> None:
    cluster = Cluster(workers=1)
    broken = Work(fails="Input/output error", reason=m.FailureReason.WORKER_ERROR)
    cluster.plan(broken, TaskKind.MAP, times=3)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run_until_over()
    cluster.check(job)


def test_what_may_be_repeated_is_tried_on_another_worker() -> None:
    # Given a worker that lacks what the job's code needs, while the other one is busy
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=0.1, fails="ModuleNotFoundError"), TaskKind.MAP, worker="w1")
    cluster.plan(Work(takes_s=5.0), worker="w2")
    job = cluster.submit(maps=4, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    failed = [event.index for event in cluster.attempts("failed", TaskKind.MAP)]
    assert len(failed) == len(set(failed)) > 1


def test_an_attempt_by_which_the_job_may_end_is_told() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(fails="flaky"), TaskKind.MAP, times=1)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    tasks = [task for task in cluster.begun if task.kind is TaskKind.MAP]
    assert [task.is_last for task in tasks] == [False, True]


def test_what_fails_on_one_worker_is_tried_on_another_first() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(fails="disk full"), TaskKind.MAP, worker="w1")
    job = cluster.submit(maps=1, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert [event.worker for event in cluster.attempts("failed")] == ["w1"]


def test_one_bad_worker_does_not_fail_the_job() -> None:
    # Given a worker that fails whatever it gets at once, while the other is busy.
    cluster = Cluster(workers=2)
    broken = m.FailureReason.WORKER_ERROR
    cluster.plan(Work(takes_s=0.1, fails="broken", reason=broken), worker="w1")
    cluster.plan(Work(takes_s=5.0), worker="w2")
    job = cluster.submit(maps=3, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    # It is given what has not failed there before; and nothing that a failure would be the end of.
    order = [event.index for event in cluster.attempts("failed", TaskKind.MAP)]
    assert set(order[:2]) == {0, 2}
    assert max(order.count(index) for index in order) == 3
    assert {event.worker for event in cluster.attempts("succeeded")} == {"w2"}


def test_a_worker_that_takes_no_more_tasks_is_not_waited_for() -> None:
    cluster = Cluster(workers=2)
    flaky = Work(takes_s=0.1, fails="flaky", reason=m.FailureReason.WORKER_ERROR)
    cluster.plan(flaky, TaskKind.MAP, worker="w1", times=3)
    cluster.plan(Work(takes_s=60.0), worker="w2")
    job = cluster.submit(maps=2, reduces=1)
    cluster.run(lambda: len(cluster.attempts("failed")) == 3)
    assert not cluster.workers["w1"].core.attempts
    cluster.workers["w2"].interrupt()
    cluster.run(lambda: len(cluster.attempts("succeeded")) == 1)
    assert cluster.now < 5.0
    cluster.run_until_over()
    cluster.check(job)


def test_a_failure_on_the_only_worker_is_tried_there_again() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(fails="flaky, {}"), TaskKind.REDUCE, times=3)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run_until_over()
    cluster.check(job)


def test_with_one_attempt_the_reason_says_once() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(fails="flaky"), TaskKind.MAP)
    job = cluster.submit(maps=1, max_attempts=1)
    cluster.run_until_over()
    assert cluster.outcomes[job].reason == "map 0 failed 1 time, the last on w1: flaky"


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (Work(dies=11), "killed by SIGSEGV; it had used up to 50 MB of memory"),
        (Work(dies=9), "killed by SIGKILL (perhaps the system ran out of memory)"),
        (Work(exits=3), "the slot process exited with status 3"),
    ],
)
def test_only_the_slot_of_a_task_that_dies_is_lost(work: Work, words: str) -> None:
    cluster = Cluster(workers=1, slots=2)
    cluster.plan(work, TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=4, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    (failed,) = cluster.attempts("failed")
    assert words in failed.text
    assert cluster.times_begun(job).total() == 4 + 1 + 1
    assert cluster.worker_states("w1") == ["alive"]


def test_tasks_that_wait_behind_one_that_dies_are_neither_blamed_nor_lost() -> None:
    # Given quick tasks, so that others wait in the same slot and in the worker's queue.
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=0.01, dies=11), TaskKind.MAP, index=40, times=1)
    cluster.plan(Work(takes_s=0.01))
    job = cluster.submit(maps=100, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert [event.index for event in cluster.attempts("failed")] == [40]
    begun = cluster.times_begun(job)
    assert begun.pop((TaskKind.MAP, 40)) == 2
    assert set(begun.values()) == {1}


@pytest.mark.parametrize("index", [0, 1])  # map 1 has read some of its input, and no record yet
def test_a_task_that_hangs_is_stopped_and_given_to_someone_else(index: int) -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(hangs=True), TaskKind.MAP, index=index, times=1)
    limits: Any = {"task_timeout_s": 5.0, "setup_timeout_s": 7.0}
    job = cluster.submit(maps=4, reduces=1, backup_after_s=100.0, **limits)

    cluster.run_until_over()

    cluster.check(job)
    (failed,) = cluster.attempts("failed")
    assert failed.text == (
        "no progress for 5 s (--task-timeout)"
        if index
        else "no progress for 7 s in the job's imports and setup (--setup-timeout)"
    )
    assert failed.circumstances == m.Circumstances()
    again = cluster.attempts("running", TaskKind.MAP)[-1]
    assert (again.index, again.worker != failed.worker) == (index, True)
    assert 5.0 < cluster.now < 12.0


def test_a_reduce_that_hangs_hangs_at_no_record() -> None:
    # Given a reduce that says how many rows it has read, and then nothing any more
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=60.0, pulses=60), TaskKind.REDUCE, times=1)
    job = cluster.submit(maps=8, reduces=1, task_timeout_s=25.0)

    cluster.run_until_over()

    cluster.check(job)
    (failed,) = cluster.attempts("failed")
    assert (failed.kind, failed.text) == (
        TaskKind.REDUCE,
        "no progress for 25 s (--task-timeout)",
    )
    assert failed.circumstances == m.Circumstances()


def test_a_task_that_makes_progress_may_take_as_long_as_it_likes() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=60.0))
    job = cluster.submit(maps=1, reduces=1, task_timeout_s=5.0)
    cluster.run_until_over()
    cluster.check(job)
    assert not cluster.attempts("failed")


@pytest.mark.parametrize("lost_after_s", [5.0, 20.0])
def test_a_task_that_stood_still_with_its_machine_has_not_failed(lost_after_s: float) -> None:
    """Whether its worker was given up meanwhile or not."""
    cluster = Cluster(workers=1, settings=MasterSettings(lost_after_s=lost_after_s))
    cluster.plan(Work(takes_s=7.0, pulses=0), TaskKind.MAP)
    job = cluster.submit(maps=1, reduces=1, max_attempts=1, task_timeout_s=8.0)
    cluster.run_for(3.0)
    cluster.workers["w1"].freeze()
    cluster.run_for(15.0)
    cluster.workers["w1"].resume()
    cluster.run_until_over()
    cluster.check(job)
    assert bool(cluster.attempts("lost")) == (lost_after_s < 15.0)
    assert not cluster.attempts("failed")


def test_two_tasks_that_hang_on_one_worker_fail_the_job_once() -> None:
    cluster = Cluster(workers=1, slots=2)
    cluster.plan(Work(hangs=True), TaskKind.MAP)
    limits: Any = {"task_timeout_s": 5.0, "setup_timeout_s": 5.0}
    job = cluster.submit(maps=2, reduces=1, max_attempts=1, **limits)
    cluster.run_until_over()
    assert cluster.outcomes[job].reason.startswith("map 0 failed 1 time, the last on w1: no prog")
    cluster.run_for(1.0)
    assert not cluster.workers["w1"].slots


# --- inputs that can't be read -----------------------------------------------------------------


def test_maps_whose_outputs_can_not_be_read_run_again_and_nobody_is_blamed() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=4, reduces=2, max_attempts=1)
    cluster.run(lambda: cluster.job_states(job)[-1] == "reduce")
    worker = cluster.workers["w1"]
    lost = len(worker.disk.files)
    assert lost
    worker.disk.files.clear()

    cluster.run_until_over()

    cluster.check(job)
    assert len(cluster.attempts("lost", TaskKind.MAP)) == lost
    assert sum(cluster.times_begun(job)[TaskKind.MAP, i] for i in range(4)) == 4 + lost
    assert cluster.said("could not read its input")


def test_an_input_that_never_can_be_read_ends_the_job() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=2, reduces=1)
    # A disk that loses everything that is written to it.
    cluster.run(lambda: _clear_disks(cluster) or job in cluster.outcomes)
    outcome = cluster.outcomes[job]
    assert outcome.state is JobState.FAILED
    assert outcome.reason.startswith("reduce 0 could not read its input 20 times, the last on w")


def _clear_disks(cluster: Cluster) -> bool:
    for worker in cluster.workers.values():
        worker.disk.files.clear()
    return False


def test_a_map_can_not_have_other_maps_run_again() -> None:
    # Given a map-only job, one of whose maps is complete, and a worker that says nonsense.
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=2, reduces=0)
    cluster.run(lambda: len(cluster.attempts("succeeded")) == 1)
    (attempt,) = cluster.core.cluster.active[job].attempts.values()
    lost = ((0, cluster.core.cluster.active[job].maps.tasks[0].winner),)

    reason = m.FailureReason.LOST_INPUT
    failed = m.TaskFailed(job, TaskKind.MAP, 1, attempt.id, reason, "nonsense", lost=lost)
    cluster.to_master("w1", m.Frame(cluster.core.epoch, (failed,)))
    cluster.run_until_over()

    cluster.check(job)
    assert not cluster.attempts("lost")
    assert cluster.times_begun(job)[TaskKind.MAP, 0] == 1
