"""Any message may be lost, late or doubled: the job is done all the same, mostly at no cost."""

from __future__ import annotations

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core.states import TaskState
from zmr.messages import TaskKind

# Every message of an undisturbed job.
KINDS = [
    m.Register, m.Registered, m.Heartbeat, m.HeartbeatReply, m.TaskResponse, m.MapDone,
    m.ReduceDone, m.CommitRequest, m.CommitReply, m.Ack, m.ForgetJob,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_message_costs_a_moment_and_no_work(kind: type, times: int) -> None:
    cluster = Cluster(workers=2)
    fault = cluster.network.drop(kind, times)
    job = cluster.submit(maps=4, reduces=2, backup_after_s=100.0)

    cluster.run_until_over()

    cluster.check(job)
    cluster.run_for(0.5)
    assert fault.times < times, "nothing was lost"
    assert set(cluster.times_begun(job).values()) == {1}
    assert not cluster.attempts("failed")
    assert cluster.now < 4.0 + 5.0 * times


@pytest.mark.parametrize("kind", [*KINDS, m.TaskFailed, m.Cancel], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("after_s", [0.0, 0.7, 3.0])
def test_a_doubled_message_changes_nothing(kind: type, after_s: float) -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(fails="once"), TaskKind.MAP, index=0, times=1)
    # A straggler and its backup, so that there is something to cancel.
    cluster.plan(Work(takes_s=30.0), TaskKind.MAP, index=3, times=1)
    cluster.network.double(kind, times=100, after_s=after_s)
    job = cluster.submit(maps=4, reduces=2, backup_after_s=3.0)

    cluster.run_until_over()

    cluster.check(job)
    assert cluster.times_begun(job).total() == 6 + 2
    assert len(cluster.attempts("failed")) == 1
    assert len(cluster.attempts("succeeded")) == 6


@pytest.mark.parametrize("kind", [*KINDS, m.Cancel], ids=lambda kind: kind.__name__)
def test_a_late_message_is_as_good_as_a_lost_one(kind: type) -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=30.0), TaskKind.MAP, index=3, times=1)
    cluster.network.delay(kind, by_s=4.5, times=3)
    job = cluster.submit(maps=4, reduces=2, backup_after_s=3.0)
    cluster.run_until_over()
    cluster.check(job)
    cluster.run_for(10.0)
    for worker in cluster.workers.values():
        assert not worker.core.attempts


def test_a_late_registration_does_not_cost_the_outputs_made_since() -> None:
    # Given a worker that registers again in the middle of a map, and a network that holds a copy.
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_for(0.3)
    cluster.network.double(m.Register, after_s=1.2)
    cluster.workers["w1"].tell(m.RegisterAgain())
    cluster.run(lambda: bool(cluster.attempts("succeeded")))
    (output,) = cluster.workers["w1"].disk.files

    # When the copy comes, which says that the map is still running.
    cluster.run_for(0.8)

    assert len(cluster.network.messages(m.Register)) == 2
    assert output in cluster.workers["w1"].disk.files
    cluster.run_until_over()
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


def test_a_worker_that_registers_again_without_need_is_told_of_the_job_again() -> None:
    # Given a worker that has nothing of the job at the moment, and drops it as it registers.
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=0.5, fails="once"), TaskKind.MAP, times=1)
    cluster.network.delay(m.TaskFailed, by_s=0.1)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run(lambda: bool(cluster.network.messages(m.TaskFailed)))
    cluster.workers["w1"].tell(m.RegisterAgain())
    cluster.run_until_over()
    cluster.check(job)
    assert cluster.worker_states("w1") == ["alive"]
    assert not cluster.attempts("lost")


def test_a_lost_cancel_of_a_task_that_hangs_is_repeated() -> None:
    # Given a single slot, which would hang for ever.
    cluster = Cluster(workers=1)
    cluster.plan(Work(hangs=True), TaskKind.MAP, times=1)
    cluster.network.drop(m.Cancel, times=2)
    job = cluster.submit(maps=1, reduces=1, setup_timeout_s=5.0)
    cluster.run_until_over(limit_s=30.0)
    cluster.check(job)
    assert cluster.said("slot 0: map 0 stopped: of no use any more")


def test_a_lost_request_for_more_is_made_good_by_the_next_heartbeat() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=0.004))
    fault = cluster.network.drop(m.GetTask, times=3)
    job = cluster.submit(maps=1000, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    assert fault.times < 3
    assert cluster.now < 8.0


@pytest.mark.parametrize("first", ["w1", "w2"])
def test_a_task_that_arrives_after_it_was_given_up_goes_on(first: str) -> None:
    # Given a grant that is on its way for so long that the task is given to somebody else.
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=2.0 if first == "w1" else 10.0), worker="w1")
    cluster.plan(Work(takes_s=4.0), worker="w2")
    cluster.network.delay(m.TaskResponse, by_s=5.0, worker="w1")
    job = cluster.submit(maps=1, reduces=1)
    cluster.run(lambda: cluster.said("attempt 1 never reached w1"))

    cluster.run(lambda: cluster.said("attempt 1 is back with worker w1"))
    cluster.run_until_over()

    cluster.check(job)
    assert cluster.attempts("succeeded", TaskKind.MAP)[0].worker == first
    assert len(cluster.attempts("cancelled", TaskKind.MAP)) == 1


def test_a_lost_goodbye_is_noticed_as_silence() -> None:
    cluster = Cluster(workers=2, drain_timeout_s=0.0)
    job = cluster.submit(maps=8, reduces=1)
    cluster.run_for(0.5)
    cluster.network.drop(m.Leave)
    cluster.workers["w1"].interrupt()
    cluster.run_until_over()
    cluster.check(job)
    assert cluster.worker_states("w1") == ["alive", "suspect", "lost"]


def test_a_frame_of_another_epoch_changes_nothing_and_is_told_to_register() -> None:
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_for(0.5)
    (attempt,) = cluster.core.cluster.active[job].attempts.values()
    stats = m.Stats()
    done = m.MapDone(job, 0, attempt.id, "/somewhere", stats, input_bytes=10)

    cluster.to_master("w1", m.Frame(6, (done, m.GetTask(100))))
    cluster.to_master("a stranger", m.Frame(7, (done,)))
    cluster.run_for(0.01)

    assert attempt.is_live
    assert cluster.core.ignored["not registered"] == 2
    assert len(cluster.network.messages(m.RegisterAgain, "w1")) == 1
    cluster.run_until_over()
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


def test_a_worker_can_not_speak_of_anothers_attempts() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_for(0.5)
    attempt = next(a for a in cluster.core.cluster.active[job].attempts.values() if a.peer == b"w1")
    done = m.MapDone(job, attempt.task.index, attempt.id, "/somewhere", m.Stats(), input_bytes=10)
    cluster.to_master("w2", m.Frame(cluster.core.epoch, (done,)))
    cluster.run_for(0.1)
    assert attempt.is_live
    assert cluster.core.ignored["attempt is not the sender's"] == 1


def test_a_result_of_another_kind_of_job_is_of_no_use() -> None:
    file = m.OutputFile("job-1-mr-out-0", 1, "crc32:0")
    other = m.OutputFile("mr-out-7", 1, "crc32:0")  # of another task
    cases = ((1, "/somewhere", file), (1, "", file), (0, "", None), (0, "", file), (0, "", other))
    for reduces, path, its_file in cases:
        cluster = Cluster(workers=1)
        job = cluster.submit(maps=1, reduces=reduces)
        cluster.run_for(0.5)
        (attempt,) = cluster.core.cluster.active[job].attempts
        done = m.MapDone(job, 0, attempt, path, m.Stats(), file=its_file, input_bytes=10)
        cluster.to_master("w1", m.Frame(cluster.core.epoch, (done,)))
        cluster.run_until_over()
        cluster.check(job)
        assert cluster.core.ignored["result of another kind of job"] == 1
        assert any(attempt in told.attempts for told in cluster.network.messages(m.Cancel))


def test_a_map_that_put_out_nothing_has_no_output_to_lose() -> None:
    # Given a map whose result names no output, of two
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_for(0.5)
    attempt, *_ = cluster.core.cluster.active[job].attempts
    task = cluster.core.cluster.active[job].attempts[attempt].task
    nothing = m.MapDone(job, task.index, attempt, "", m.Stats(), input_bytes=10)
    cluster.to_master("w1", m.Frame(cluster.core.epoch, (nothing,)))
    cluster.run(lambda: task.state is TaskState.COMPLETED)
    # Then it is no source of the reduce, and nobody expects its worker to have it
    assert not cluster.core.cluster.active[job].needs_output_of(task)
    assert not cluster.core.cluster.workers.workers[b"w1"].holds(attempt)
    cluster.run(lambda: not cluster.core.cluster.active[job].maps.remaining)
    (reduce,) = cluster.core.cluster.active[job].reduces.tasks
    known = cluster.core.cluster
    message = known.active[job].task_message(reduce, 1, known.workers)
    assert [source.index for source in message.sources] == [1 - task.index]


def test_a_worker_goes_over_to_a_master_that_was_started_again() -> None:
    # Given a worker that holds outputs for an old master, of which the new one knows nothing.
    old = Cluster(workers=1)
    old.plan(Work(takes_s=10.0), TaskKind.MAP, index=1)
    old.submit(maps=2, reduces=1)
    old.run(lambda: len(old.attempts("succeeded")) == 1)
    worker = old.workers["w1"]
    assert worker.disk.files
    old.crash_master()
    old.restart_master()

    old.run(lambda: worker.core.epoch == 8)
    old.run_for(0.1)

    assert not worker.disk.files
    assert not worker.core.attempts
    job = old.submit(maps=2, reduces=1)
    old.plan(Work())
    old.run_until_over()
    old.check(job)
