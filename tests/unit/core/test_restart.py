"""A master dies and is started again on its journal: everything goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from simulation.journal import Journal
from support.simulated import Chaos, Cluster, Work, validate

from zmr import messages as m
from zmr.core.events import JobGiven
from zmr.core.jobs import JobRun
from zmr.core.journal import HandedOut, JobForgotten, Record
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState, TaskState
from zmr.messages import TaskKind

SEEDS = 30


def restart(cluster: Cluster, after_s: float = 1.0) -> None:
    """Kill the master, and start it again after a while."""
    cluster.crash_master()
    cluster.run_for(after_s)
    cluster.restart_master()


def dies_once(cluster: Cluster, when: Callable[[], bool]) -> None:
    """Have the master die right after it has written of a turn, none of which leaves it."""
    killed: list[bool] = []

    def dies_after_writing() -> bool:
        if not killed and when():
            killed.append(True)
            return True
        return False

    cluster.dies_after_writing = dies_after_writing  # type: ignore[method-assign]


# --- one restart -------------------------------------------------------------------------------


@pytest.mark.parametrize("after_s", [0.2, 4.0, 20.0])
@pytest.mark.parametrize("at_s", [0.5, 2.3, 4.5])
def test_nothing_is_done_again_while_the_workers_live(at_s: float, after_s: float) -> None:
    # At first maps run, then others are finished, then reduces run.
    cluster = Cluster(workers=2, slots=2, journal=True)
    job = cluster.submit(maps=10, reduces=6)
    cluster.run_for(at_s)
    restart(cluster, after_s)
    cluster.run(lambda: job in cluster.outcomes)
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}
    assert not cluster.attempts("lost")
    assert cluster.worker_states("w1")[1:] == ["alive"]


def test_a_worker_that_dies_with_the_master_is_given_its_time_and_then_up() -> None:
    cluster = Cluster(workers=2, journal=True)
    job = cluster.submit(maps=6, reduces=1)
    cluster.run(lambda: len(cluster.attempts("succeeded")) == 4)
    cluster.run_for(0.5)
    outputs = len(cluster.workers["w1"].disk)
    cluster.workers["w1"].crash()
    restart(cluster)
    again_at = cluster.now
    cluster.run(lambda: cluster.worker_states("w1")[-1] == "lost")
    assert cluster.now - again_at == pytest.approx(cluster.settings.lost_after_s)
    cluster.run(lambda: job in cluster.outcomes)
    cluster.check(job)
    assert cluster.times_begun(job).total() == 6 + 1 + outputs + 1  # and what it was at


def test_a_task_that_was_handed_out_but_never_sent_waits_for_one_heartbeat() -> None:
    cluster = Cluster(workers=1, journal=True)
    dies_once(cluster, lambda: any(isinstance(r, HandedOut) for r in cluster.records))
    job = cluster.submit(maps=1, reduces=1)
    cluster.run(lambda: not cluster.master_is_up)
    cluster.restart_master()
    again_at = cluster.now
    cluster.run(lambda: bool(cluster.begun))
    assert cluster.now - again_at < 2 * cluster.settings.heartbeat_interval_s
    cluster.run(lambda: job in cluster.outcomes)
    cluster.check(job)


def granted_to_one_of_two(cluster: Cluster) -> tuple[str, str]:
    """Let one of two attempts at a reduce have leave to publish, and the master die of it.

    Returns the workers of the first and of the second.
    """
    cluster.plan(Work(takes_s=13.2), TaskKind.REDUCE, index=3, times=1)
    cluster.plan(Work(takes_s=10.0), TaskKind.REDUCE, index=3, times=1)
    cluster.submit(maps=4, reduces=4, backup_after_s=3.0)
    cluster.run(lambda: len(cluster.attempts("running", TaskKind.REDUCE)) == 5)
    first, second = (e.worker for e in cluster.attempts("running", TaskKind.REDUCE)[3:])
    task = cluster.master.cluster.active["job-1"].reduces.tasks[3]
    dies_once(cluster, lambda: task.committer is not None)
    cluster.run(lambda: not cluster.master_is_up)
    return first, second


def test_a_leave_to_publish_that_was_written_but_not_sent_stays_with_its_attempt() -> None:
    cluster = Cluster(workers=2, journal=True)
    first, second = granted_to_one_of_two(cluster)
    cluster.run_for(3.0)
    assert cluster.workers[second].core.commits
    cluster.network.cut(first)
    cluster.restart_master()
    cluster.run_for(3.0)  # in which the second asks again and again
    cluster.network.heal(first)
    cluster.run(lambda: "job-1" in cluster.outcomes)
    cluster.check("job-1")
    (published,) = (e for e in cluster.attempts("succeeded") if e.kind == 2 and e.index == 3)
    assert published.worker == first


def test_it_goes_to_another_attempt_when_its_worker_is_surely_gone() -> None:
    cluster = Cluster(workers=2, journal=True)
    first, second = granted_to_one_of_two(cluster)
    cluster.workers[first].crash()
    cluster.restart_master()
    again_at = cluster.now
    cluster.run(lambda: "job-1" in cluster.outcomes)
    cluster.check("job-1")
    assert cluster.now - again_at >= cluster.settings.lost_after_s
    assert cluster.attempts("succeeded")[-1].worker == second


def test_failures_before_the_restart_count() -> None:
    cluster = Cluster(workers=4, journal=True)
    cluster.plan(Work(fails="ValueError"), TaskKind.MAP, index=0)
    job = cluster.submit(maps=1, reduces=1, max_attempts=4)
    for failures in (1, 2):
        cluster.run(lambda n=failures: len(cluster.attempts("failed")) == n)  # type: ignore[misc]
        restart(cluster)
    cluster.run(lambda: job in cluster.outcomes)
    assert cluster.outcomes[job].state is JobState.FAILED
    assert "map 0 failed 4 times" in cluster.outcomes[job].reason
    assert len(cluster.attempts("failed")) == 4


# --- the end of jobs ---------------------------------------------------------------------------


def test_a_master_of_one_job_that_has_ended_only_tells_the_workers() -> None:
    cluster = Cluster(workers=2, journal=True, settings=MasterSettings(one_job=True))
    job = cluster.submit(maps=2, reduces=1)
    dies_once(cluster, lambda: job in cluster.master.cluster.ended)
    cluster.run(lambda: not cluster.master_is_up)
    cluster.restart_master()
    cluster.tell_master(JobGiven(m.Submit(cluster.master.jobs[job].spec, ())))
    cluster.run(lambda: cluster.quit is not None)
    assert [worker.quit is not None for worker in cluster.workers.values()] == [True, True]
    assert cluster.times_begun(job).total() == 3


def test_a_stopped_master_that_keeps_its_jobs_says_nothing_to_anybody() -> None:
    cluster = Cluster(workers=2, journal=True, settings=MasterSettings(keeps_jobs=True))
    cluster.submit(maps=4, reduces=1)
    cluster.run_for(1.5)
    cluster.interrupt()
    assert cluster.quit is not None
    assert cluster.quit.exit_status == 130
    assert not cluster.outcomes
    assert not cluster.network.messages(m.Exit)
    assert cluster.said("SIGINT: ends; the next start goes on with 1 unfinished job")


def test_of_ended_jobs_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zmr.core.phases._ENDED_JOBS_KEPT", 3)
    cluster = Cluster(workers=1, journal=True)
    for _ in range(5):
        cluster.submit(maps=1, reduces=1)
    cluster.run_until_over()
    restart(cluster)
    assert [*cluster.master.jobs] == ["job-3", "job-4", "job-5"]
    assert JobForgotten("job-1") in cluster.records
    assert cluster.master.jobs["job-5"].status().state == "done"


def test_an_epoch_that_has_been_is_refused() -> None:
    cluster = Cluster(journal=True)
    with pytest.raises(ValueError, match="epoch 7 has been before"):
        Master(7).restore(cluster.records, 0.0)


# --- at any moment -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_job_ends_with_the_right_output_however_often_its_master_dies(seed: int) -> None:
    chaos = Chaos(seed, restarts=True)
    cluster = chaos.cluster
    job = cluster.submit(chaos.maps, chaos.reduces, max_attempts=1000)
    if not cluster.journal_holds(job):
        return  # it died before it took the job on
    cluster.run(lambda: job in cluster.outcomes)
    cluster.check(job)
    cluster.run_for(30.0)
    for worker in cluster.workers.values():
        if worker.is_up:
            assert not worker.core.unacknowledged, "a result is repeated for ever"
            assert not worker.core.attempts, "something runs on"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_restored_master_knows_what_the_one_that_went_on_knows(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.cluster.keep_journal()
    cluster = chaos.cluster
    job = cluster.submit(chaos.maps, chaos.reduces, max_attempts=1000)
    other = cluster.submit(3, 1, max_attempts=2)
    seen = 0
    while not all(j.has_ended for j in cluster.master.jobs.values()):
        cluster.step()
        if len(cluster.journal) - seen > len(cluster.journal) // 50:
            seen = len(cluster.journal)
            restored = restored_from(cluster, cluster.records)
            assert [*restored.jobs] == [*cluster.master.jobs]
            restored_from(cluster, as_read(cluster.records))  # where ended jobs come later
    assert seen
    assert {job, other} == cluster.outcomes.keys()


def restored_from(cluster: Cluster, records: list[Record]) -> Master:
    """A master restored from these records, which knows what that of the cluster knows."""
    restored = Master(1000, cluster.settings)
    restored.restore(records, cluster.now)
    validate(restored)
    compare(cluster.master, restored)
    return restored


def as_read(records: list[Record]) -> list[Record]:
    """The records as the journal on the disk gives them, without those of no more use."""
    journal = Journal()
    journal.write(tuple(records))
    return journal.read()


def compare(original: Master, restored: Master) -> None:
    """Fail if the restored master does not know what the original knows."""
    assert restored.jobs.keys() == original.jobs.keys()
    assert restored.cluster.ended == original.cluster.ended
    for job in original.jobs.values():
        again = restored.jobs[job.id]
        if not job.maps and not job.reduces and not job.has_ended:
            continue  # it begins with its first attempt, but has none
        if job.has_ended:
            assert again.status() == job.status()
        else:
            assert essence(again) == essence(job)
            compare_attempts(job, again)
    assert {worker.peer for worker in restored.cluster.workers.present} == set(
        original.cluster.workers.workers
    )


def essence(job: JobRun) -> dict[str, Any]:
    """What the result of the job depends on."""
    return {
        "state": job.state,
        "counters": job._counters,
        "sums": job._sums,
        "tasks": [
            (
                *(task.kind, task.index, task.splits, task.winner, task.owner, task.path),
                *(task.state is TaskState.COMPLETED, task.file),
                *(task.failures, task.lost_inputs, task.failed_on),
            )
            for table in (job.maps, job.reduces)
            for task in table.tasks
        ],
    }


def compare_attempts(original: JobRun, restored: JobRun) -> None:
    """Fail if an attempt that can go on is forgotten, or one that may publish."""
    assert original.attempts.keys() <= restored.attempts.keys()
    for table, again in (
        (original.maps, restored.maps),
        (original.reduces, restored.reduces),
    ):
        for task, same in zip(table.tasks, again.tasks, strict=True):
            if task.committer is not None:
                assert same.committer is not None
                assert same.committer.id == task.committer.id
                assert same.committer.was_granted
            elif same.committer is not None:  # it is lost, or was cancelled
                known = original.attempts.get(same.committer.id)
                assert known is None or not known.is_live
