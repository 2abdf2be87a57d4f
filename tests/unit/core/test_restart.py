"""A master dies and is started again on its journal: everything goes on where it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core.events import JobGiven
from zmr.core.journal import HandedOut, JobForgotten
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.messages import TaskKind


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
    outputs = len(cluster.workers["w1"].disk.files)
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
    cluster.run(lambda: not cluster.master.is_up)
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
    task = cluster.core.cluster.active["job-1"].reduces.tasks[3]
    dies_once(cluster, lambda: task.committer is not None)
    cluster.run(lambda: not cluster.master.is_up)
    return first, second


def test_a_leave_to_publish_that_was_written_but_not_sent_stays_with_its_attempt() -> None:
    cluster = Cluster(workers=2, journal=True)
    first, second = granted_to_one_of_two(cluster)
    cluster.run_for(3.0)
    assert cluster.workers[second].core.commits
    cluster.network.cut_off(first)
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


def test_it_stays_with_a_lost_attempt_though_its_worker_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zmr.core.workers._LOST_KEPT", 0)
    cluster = Cluster(workers=3, journal=True)
    cluster.plan(Work(publishes_s=20.0), times=1)
    cluster.plan(Work(takes_s=8.0))
    job = cluster.submit(maps=1, reduces=0)
    cluster.run(lambda: bool(cluster.network.messages(m.CommitReply)))
    (holder,) = [w for w in cluster.workers.values() if w.core.attempts]
    cluster.network.cut_off(holder.name)
    cluster.run(lambda: len(cluster.attempts("running")) == 2)
    second = cluster.attempts("running")[1].worker
    # It is forgotten when another one falls silent.
    (idle,) = [w for w in cluster.workers.values() if w.name not in (holder.name, second)]
    idle.crash()
    cluster.run(lambda: holder.name.encode() not in cluster.core.cluster.workers.workers)
    restart(cluster)
    cluster.network.heal(holder.name)
    cluster.run(lambda: job in cluster.outcomes)
    cluster.check(job)
    granted = {reply.attempt for reply in cluster.network.messages(m.CommitReply) if reply.granted}
    assert len(granted) == 1


def test_failures_before_the_restart_count() -> None:
    cluster = Cluster(workers=4, journal=True)
    cluster.plan(Work(fails="ValueError: {}"), TaskKind.MAP, index=0)
    job = cluster.submit(maps=1, reduces=1, max_attempts=4)
    for failures in (1, 2):
        cluster.run(lambda n=failures: len(cluster.attempts("failed")) == n)  # type: ignore[misc]
        restart(cluster)
    cluster.run(lambda: job in cluster.outcomes)
    assert cluster.outcomes[job].state is JobState.FAILED
    assert "map 0 failed 4 times" in cluster.outcomes[job].reason
    assert len(cluster.attempts("failed")) == 4


def test_an_error_before_the_restart_is_repeated_after_it() -> None:
    cluster = Cluster(workers=1, journal=True)
    cluster.plan(Work(fails="ValueError", fails_at=3), TaskKind.MAP, index=0)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run(lambda: bool(cluster.attempts("failed")))
    restart(cluster)
    cluster.run(lambda: job in cluster.outcomes)
    assert "map 0 failed twice with the same error" in cluster.outcomes[job].reason
    assert len(cluster.attempts("failed")) == 2


# --- the end of jobs ---------------------------------------------------------------------------


def test_a_master_of_one_job_that_has_ended_only_tells_the_workers() -> None:
    cluster = Cluster(workers=2, journal=True, settings=MasterSettings(one_job=True))
    job = cluster.submit(maps=2, reduces=1)
    dies_once(cluster, lambda: job in cluster.core.cluster.ended)
    cluster.run(lambda: not cluster.master.is_up)
    cluster.restart_master()
    cluster.tell_master(JobGiven(m.Submit(cluster.core.jobs[job].spec, ())))
    cluster.run(lambda: cluster.quit is not None)
    assert [worker.quit is not None for worker in cluster.workers.values()] == [True, True]
    assert cluster.times_begun(job).total() == 3


def test_a_master_of_many_jobs_goes_on_when_it_is_given_one_that_has_ended() -> None:
    cluster = Cluster(workers=1, journal=True)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run(lambda: job in cluster.outcomes)
    cluster.tell_master(JobGiven(m.Submit(cluster.core.jobs[job].spec, ())))
    cluster.run_for(1.0)
    assert cluster.core.life.takes_jobs
    assert cluster.workers["w1"].quit is None


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
    assert [*cluster.core.jobs] == ["job-3", "job-4", "job-5"]
    assert JobForgotten("job-1") in cluster.records
    assert cluster.core.jobs["job-5"].status().state == "done"


def test_an_epoch_that_has_been_is_refused() -> None:
    cluster = Cluster(journal=True)
    with pytest.raises(ValueError, match="epoch 7 has been before"):
        Master(7).restore(cluster.records, 0.0)
