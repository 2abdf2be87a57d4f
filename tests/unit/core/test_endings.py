"""How a master ends: with its one job, on a signal, or for want of workers."""

from __future__ import annotations

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core import clients
from zmr.core.events import JobGiven, OutputCompleted
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState

ONE_JOB = MasterSettings(one_job=True)


def has_quit(cluster: Cluster) -> bool:
    return cluster.quit is not None


# --- one job -----------------------------------------------------------------------------------


def test_a_master_of_one_job_sends_its_workers_home_and_ends() -> None:
    cluster = Cluster(workers=3, settings=ONE_JOB)
    job = cluster.submit(maps=4, reduces=1)

    cluster.run(lambda: has_quit(cluster))

    cluster.check(job)
    assert cluster.quit is not None
    assert cluster.quit.exit_status == 0
    assert isinstance(cluster.published[-1], m.MasterEvent)
    for worker in cluster.workers.values():
        assert worker.quit is not None
        assert worker.quit.exit_status == 0
        assert cluster.worker_states(worker.name) == ["alive", "left"]
    assert cluster.now < 3.2, "it waited for something"


def test_nobody_is_sent_home_before_the_output_is_complete() -> None:
    cluster = Cluster(workers=2, settings=ONE_JOB)
    job = cluster.submit(maps=2, reduces=2)
    cluster.run(lambda: bool(cluster.network.messages(m.Exit)))
    assert cluster.job_states(job)[-1] == "done"
    assert len(cluster.output.files) == 2


def test_an_exit_that_is_lost_is_said_again_to_whoever_still_speaks() -> None:
    cluster = Cluster(workers=2, settings=ONE_JOB)
    cluster.network.drop(m.Exit, worker="w2")
    cluster.submit(maps=2, reduces=1)
    cluster.run(lambda: has_quit(cluster))
    assert [worker.quit is not None for worker in cluster.workers.values()] == [True, True]


def test_a_worker_that_does_not_answer_is_waited_for_a_moment_only() -> None:
    cluster = Cluster(workers=2, settings=ONE_JOB)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run(lambda: cluster.job_states(job)[-1] == "reduce")
    cluster.run_for(0.1)
    idle = next(w for w in cluster.workers.values() if not w.core.attempts)
    idle.stop()
    cluster.run(lambda: job in cluster.outcomes)
    done_at = cluster.now
    cluster.run(lambda: has_quit(cluster))
    assert cluster.now - done_at == pytest.approx(3.0)


def test_a_second_job_is_refused() -> None:
    cluster = Cluster(workers=1, settings=ONE_JOB)
    cluster.submit(maps=2, reduces=1)
    cluster.submit(maps=2, reduces=1, ask=True)
    assert cluster.replies == [m.Refused("this master takes no more jobs")]


def test_a_job_that_can_not_be_taken_ends_with_the_reason() -> None:
    cluster = Cluster(workers=0, settings=ONE_JOB)
    spec = m.JobSpec("huge", "huge", "huge", b"", "", (), 1, "/out")
    cluster.tell_master(JobGiven(m.Submit(spec, (m.InputFile("/in", 2**63, splittable=True),))))
    assert cluster.outcomes["huge"].state is JobState.FAILED
    assert cluster.outcomes["huge"].reason == (
        "137,438,953,473 tasks: a master takes at most 1,048,576"
    )
    assert has_quit(cluster)


def test_a_master_takes_so_many_tasks_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_MOST_TASKS", 8)
    cluster = Cluster(workers=1)
    first = cluster.submit(maps=4, reduces=1, ask=True)
    cluster.submit(maps=3, reduces=1, ask=True)
    refusal = m.Refused("4 tasks, with those of other jobs 9: a master takes at most 8")
    assert cluster.replies[1:] == [refusal]
    cluster.run_until_over()
    cluster.check(first)
    cluster.submit(maps=3, reduces=1, ask=True)
    assert isinstance(cluster.replies[-1], m.Submitted)


# --- no workers --------------------------------------------------------------------------------


def test_without_workers_a_job_waits_as_long_as_it_may() -> None:
    cluster = Cluster(workers=0, settings=MasterSettings(worker_timeout_s=10.0, one_job=True))
    cluster.run_for(60.0)  # without a job there is nothing to wait for
    job = cluster.submit(maps=1, reduces=1)
    cluster.run_for(9.0)
    assert cluster.core.tick(cluster.now) == [], "it is looked at before its time"

    cluster.run(lambda: has_quit(cluster))

    outcome = cluster.outcomes[job]
    assert outcome.out_of_workers
    assert outcome.reason == "no worker for 10 s (--worker-timeout)"
    assert cluster.now == pytest.approx(70.0)


def test_the_wait_begins_again_with_each_worker_that_is_lost() -> None:
    cluster = Cluster(workers=1, settings=MasterSettings(worker_timeout_s=10.0))
    cluster.plan(Work(takes_s=100.0))
    job = cluster.submit(maps=1, reduces=1)
    cluster.run_for(20.0)
    cluster.workers["w1"].crash()
    cluster.run_for(9.0)
    cluster.add_worker()
    cluster.run_for(10.0)
    assert not cluster.outcomes
    cluster.workers["w2"].crash()
    cluster.run_until_over()
    assert cluster.outcomes[job].out_of_workers
    assert cluster.now == pytest.approx(39.0 + 5.0 + 10.0, abs=1.0)


def test_a_cancelled_jobs_wait_is_not_the_next_jobs() -> None:
    cluster = Cluster(workers=0, settings=MasterSettings(worker_timeout_s=10.0))
    first = cluster.submit()
    cluster.run_for(8.0)
    cluster.ask(m.CancelJob(first, "changed my mind"))
    cluster.run_for(8.0)
    second = cluster.submit()
    cluster.run_until_over()
    assert not cluster.outcomes[first].out_of_workers
    assert cluster.outcomes[second].out_of_workers
    assert cluster.now == pytest.approx(26.0)


# --- signals -----------------------------------------------------------------------------------


def test_the_first_signal_lets_what_runs_end_and_begins_nothing() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=8, reduces=1)
    waiting = cluster.submit(maps=1, reduces=1)
    cluster.run_for(1.5)

    cluster.interrupt()
    cluster.run(lambda: has_quit(cluster))

    assert cluster.said("SIGINT: waiting for 2 running tasks; once more stops at once")
    assert len(cluster.attempts("succeeded")) == 4
    assert not cluster.attempts("cancelled")
    for each in (job, waiting):
        assert cluster.outcomes[each].state is JobState.CANCELLED
        assert cluster.outcomes[each].reason == "stopped by SIGINT"
    assert cluster.quit is not None
    assert cluster.quit.exit_status == 130


def test_the_second_signal_stops_at_once() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=8, reduces=1)
    cluster.run_for(1.5)
    cluster.interrupt()
    cluster.interrupt()
    assert cluster.outcomes[job].state is JobState.CANCELLED
    assert len(cluster.attempts("cancelled")) == 2
    cluster.run(lambda: has_quit(cluster), limit_s=0.5)


def test_a_job_that_is_done_by_the_time_that_its_last_task_ends_is_done() -> None:
    cluster = Cluster(workers=1, settings=ONE_JOB)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run(lambda: cluster.job_states(job)[-1] == "reduce")
    cluster.interrupt()
    cluster.run(lambda: has_quit(cluster))
    cluster.check(job)
    assert cluster.quit is not None
    assert cluster.quit.exit_status == 0


def test_with_nothing_running_the_first_signal_is_enough() -> None:
    cluster = Cluster(workers=1)
    cluster.run_for(1.0)
    cluster.interrupt()
    cluster.run(lambda: has_quit(cluster), limit_s=0.5)
    assert cluster.workers["w1"].quit is not None


def test_a_signal_that_comes_after_the_end_changes_nothing() -> None:
    cluster = Cluster(workers=2, settings=ONE_JOB)
    cluster.network.drop(m.Exit, worker="w2")
    job = cluster.submit(maps=2, reduces=1)
    cluster.run(lambda: job in cluster.outcomes)
    assert not has_quit(cluster)
    cluster.interrupt()
    cluster.run(lambda: has_quit(cluster))
    assert cluster.quit is not None
    assert cluster.quit.exit_status == 0


def test_a_cancel_that_comes_when_the_output_stands_is_too_late() -> None:
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run(lambda: cluster.core.jobs[job].is_complete)
    cluster.ask(m.CancelJob(job, "too late"))
    cluster.run_until_over()
    cluster.check(job)
    cluster.ask(m.CancelJob(job, "much too late"))
    cluster.run_for(1.0)
    complete = m.Refused(f"the output of {job} is complete already")
    assert cluster.replies == [complete, m.Refused(f"{job} is done already")]


def test_an_output_that_can_not_be_completed_fails_the_job() -> None:
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run(lambda: cluster.core.jobs[job].is_complete)
    cluster.tell_master(OutputCompleted(job, "can't write _SUCCESS: disk full"))
    assert cluster.outcomes[job].state is JobState.FAILED
    assert cluster.outcomes[job].reason == "can't write _SUCCESS: disk full"
    cluster.tell_master(OutputCompleted(job))  # late: changes nothing
    assert cluster.job_states(job) == ["queued", "map", "reduce", "failed"]


# --- what is left of ended jobs ----------------------------------------------------------------


def test_of_ended_jobs_the_status_is_kept_and_of_many_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zmr.core.phases._ENDED_JOBS_KEPT", 10)
    cluster = Cluster(workers=2)
    jobs = [cluster.submit(maps=2, reduces=1) for _ in range(15)]
    cluster.run_until_over()

    told, _ = cluster.core.rows()

    assert [status.job_id for status in told] == jobs[5:]
    assert {(status.state, status.maps_done, status.n_map) for status in told} == {("done", 2, 2)}
    for job in cluster.core.jobs.values():
        assert not job.maps.tasks
        assert not job.reduces.tasks
