"""The owner of the master's state: facts keep every index in step; `validate` sees if not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.story import Cluster as Story
from support.story import Work

from zmr import messages as m
from zmr.core.cluster import Cluster
from zmr.core.jobs import Ending, JobRun
from zmr.core.journal import (
    AttemptFailed,
    CommitGranted,
    Completed,
    EpochBegun,
    HandedOut,
    JobForgotten,
    JobSubmitted,
    OutputLost,
    Record,
    StepBegun,
    WorkerGone,
    WorkerJoined,
)
from zmr.core.settings import MasterSettings
from zmr.core.states import AttemptState, IllegalMove, JobState, TaskState
from zmr.core.tasks import Attempt, TaskRecord
from zmr.core.workers import Worker
from zmr.messages import TaskKind

JOB = "job"
W1, W2 = b"w1", b"w2"


def cluster_of(
    *peers: bytes, maps: int = 2, reduces: int = 1, steps: tuple[m.Step, ...] = ()
) -> tuple[Cluster, list[Record]]:
    """A cluster of these workers, each with two slots, and a job; and what is recorded of it."""
    recorded: list[Record] = []
    cluster = Cluster(7, MasterSettings(), recorded.append)
    for peer in peers:
        name = peer.decode()
        cluster.commit(WorkerJoined(peer, m.Register(f"{name}:1", name, 1, 2)), 0.0)
        cluster.set_credit(cluster.workers.workers[peer], 2)
    spec = m.JobSpec(JOB, "test", "test", b"source", "", (), reduces, "/out", steps=steps)
    inputs = tuple(m.InputFile(f"/in/{n}", 10, splittable=True) for n in range(maps))
    cluster.commit(JobSubmitted(m.Submit(spec, inputs), 1000, ""), 0.0)
    return cluster, recorded


def hand_out(cluster: Cluster, kind: TaskKind, task: int, peer: bytes, now: float = 0.0) -> Attempt:
    attempt_id = cluster.next_attempt
    cluster.commit(HandedOut(JOB, kind, task, attempt_id, peer), now)
    return cluster.jobs[JOB].attempts[attempt_id]


def map_done(attempt: Attempt, elapsed_s: float = 1.0) -> Completed:
    stats = m.Stats(1, 1, 1, 1, elapsed_s)
    return Completed(m.MapDone(JOB, attempt.task.index, attempt.id, "/disk/file", stats))


# --- facts -------------------------------------------------------------------------------------


def test_a_hand_out_starts_its_job_and_takes_room_on_its_worker() -> None:
    cluster, recorded = cluster_of(W1)
    attempt = hand_out(cluster, TaskKind.MAP, 1, W1)

    assert cluster.jobs[JOB].state is JobState.MAP
    assert [*cluster.active] == [JOB]
    assert not cluster.queued
    assert attempt.task.state is TaskState.IN_PROGRESS
    assert cluster.workers.workers[W1].attempts == {attempt.id: attempt}
    assert cluster.running == 1
    assert isinstance(recorded[-1], HandedOut)
    cluster.validate()


def test_a_result_ends_the_other_attempts_and_leads_to_the_reduces() -> None:
    cluster, _ = cluster_of(W1, W2, maps=1)
    first, second = (hand_out(cluster, TaskKind.MAP, 0, peer) for peer in (W1, W2))

    over = cluster.commit(map_done(first), 1.0)

    assert over == (second,)
    assert second.state is AttemptState.CANCELLED
    assert cluster.jobs[JOB].state is JobState.REDUCE
    assert cluster.workers.workers[W1].outputs == {JOB: {first.id: 0}}
    assert cluster.running == 0
    cluster.validate()


def test_an_output_that_is_lost_is_no_longer_its_workers() -> None:
    cluster, _ = cluster_of(W1, maps=1)
    attempt = hand_out(cluster, TaskKind.MAP, 0, W1)
    cluster.commit(map_done(attempt), 1.0)

    (lost,) = cluster.commit(OutputLost(JOB, 0, may_return=False), 2.0)

    assert (lost.id, lost.state) == (attempt.id, AttemptState.LOST)
    assert cluster.jobs[JOB].maps.tasks[0].state is TaskState.IDLE
    assert not cluster.workers.workers[W1].outputs
    assert not cluster.jobs[JOB].attempts
    cluster.validate()


def test_a_question_about_outputs_ends_with_the_step_that_reads_them() -> None:
    cluster, _ = cluster_of(W1, maps=1, steps=(m.Step("One", (), 1), m.Step("Two", (), 1)))
    mapped = hand_out(cluster, TaskKind.MAP, 0, W1)
    cluster.commit(map_done(mapped), 1.0)
    job, worker = cluster.jobs[JOB], cluster.workers.workers[W1]
    first, second = (hand_out(cluster, TaskKind.REDUCE, 0, W1) for _ in range(2))
    cluster.failed_to_read(job, worker, first.task)
    cluster.ask_for_outputs(job, worker, {mapped.id: 0}, answer_by=9.0)
    assert job.output_checks.awaited

    # The other attempt at the reduce could read them.
    file = m.OutputFile("mr-out-0", 1, "")
    cluster.commit(Completed(m.ReduceDone(JOB, 0, second.id, file, m.Stats())), 2.0)
    cluster.commit(StepBegun(JOB), 2.0)

    assert not job.output_checks
    assert not job.is_held
    cluster.validate()


def test_the_leave_to_publish_passes_on_only_as_the_one_that_had_it_is_lost() -> None:
    cluster, _ = cluster_of(W1, W2, maps=0)
    first, second = (hand_out(cluster, TaskKind.REDUCE, 0, peer) for peer in (W1, W2))
    cluster.commit(CommitGranted(JOB, first.id), 1.0)
    assert first.task.committer is first

    cluster.commit(CommitGranted(JOB, second.id), 2.0)

    assert first.task.committer is second
    assert first.state is AttemptState.LOST
    cluster.validate()


def test_a_failed_attempt_is_counted_and_its_task_is_idle() -> None:
    cluster, _ = cluster_of(W1)
    attempt = hand_out(cluster, TaskKind.MAP, 0, W1)

    cluster.commit(AttemptFailed(JOB, attempt.id, lost_input=False), 1.0)

    assert attempt.task.state is TaskState.IDLE
    assert (attempt.task.failures, attempt.task.failed_on) == (1, frozenset({W1}))
    assert cluster.running == 0
    cluster.validate()


def test_a_lost_worker_comes_back_with_its_attempt() -> None:
    cluster, _ = cluster_of(W1)
    attempt = hand_out(cluster, TaskKind.MAP, 0, W1)
    attempts, outputs = cluster.lose_worker(cluster.workers.workers[W1])
    assert (attempts, outputs) == ((attempt,), {})
    assert cluster.running == 0
    cluster.validate()

    cluster.commit(WorkerJoined(W1, m.Register("w1:1", "w1", 1, 2)), 9.0)
    cluster.take_back(attempt, 9.0)

    assert attempt.state is AttemptState.RUNNING
    assert cluster.running == 1
    cluster.validate()


def test_the_end_of_a_job_leaves_nothing_of_it_with_anything() -> None:
    cluster, _ = cluster_of(W1)
    attempt = hand_out(cluster, TaskKind.MAP, 0, W1)
    cluster.sent_spec(cluster.workers.workers[W1], JOB)
    job = cluster.jobs[JOB]

    over = cluster.commit(job.closing(Ending(JobState.CANCELLED, "a reason")), 1.0)

    assert over == (attempt,)
    assert (job.state, job.reason, len(job.maps)) == (JobState.CANCELLED, "a reason", 0)
    assert job.status().n_map == 2
    worker = cluster.workers.workers[W1]
    assert (worker.attempts, worker.outputs) == ({}, {})
    assert (worker.knows_of, worker.has_spec_of) == (set(), set())
    cluster.validate()
    cluster.commit(JobForgotten(JOB), 2.0)
    assert not cluster.jobs
    cluster.validate()


def test_a_fact_that_can_not_be_is_a_bug() -> None:
    cluster, _ = cluster_of(W1, maps=1)
    attempt = hand_out(cluster, TaskKind.MAP, 0, W1)
    cluster.commit(map_done(attempt), 1.0)
    with pytest.raises(IllegalMove):
        hand_out(cluster, TaskKind.MAP, 0, W1)
    with pytest.raises(KeyError):
        cluster.commit(map_done(attempt), 2.0)


# --- what only a restart meets -----------------------------------------------------------------


def test_an_attempt_of_a_worker_whose_records_are_deleted_is_lost() -> None:
    cluster, _ = cluster_of(W1)
    attempt = hand_out(cluster, TaskKind.MAP, 0, W2)  # of which nothing is known
    assert attempt.state is AttemptState.LOST
    assert attempt.task.state is TaskState.IDLE
    cluster.commit(CommitGranted(JOB, attempt.id), 0.0)
    assert attempt.task.committer is None
    cluster.validate()


def test_a_worker_that_joins_again_has_been_lost_in_between() -> None:
    cluster, _ = cluster_of(W1)

    cluster.apply(WorkerJoined(W1, m.Register("w1:1", "w1", 1, 4)), 1.0)

    assert cluster.workers.workers[W1].slots == 4
    cluster.validate()


def test_a_worker_that_is_gone_is_forgotten() -> None:
    cluster, _ = cluster_of(W1)
    attempt = hand_out(cluster, TaskKind.MAP, 0, W1)
    cluster.leave(cluster.workers.workers[W1])
    assert cluster.commit(WorkerGone(W1), 1.0) == ()
    assert attempt.state is AttemptState.CANCELLED
    assert not cluster.workers.workers
    cluster.validate()


def test_an_attempt_of_an_earlier_start_took_as_long_as_its_worker_says() -> None:
    cluster, _ = cluster_of(W1)
    old = 6 << 32 | 1
    cluster.apply(HandedOut(JOB, TaskKind.MAP, 0, old, W1), 100.0)
    cluster.apply(map_done(cluster.jobs[JOB].attempts[old], elapsed_s=42.0), 100.0)
    assert cluster.jobs[JOB].maps.pace.median_s() == 42.0
    own = hand_out(cluster, TaskKind.MAP, 1, W1, now=101.0)
    cluster.commit(map_done(own, elapsed_s=3.0), 201.0)
    assert cluster.jobs[JOB].maps.pace.median_s() == 100.0
    assert own.number == 2  # numbers go on


def test_a_job_of_which_the_end_alone_is_known() -> None:
    known, _ = cluster_of(W1)
    record = known.jobs[JOB].closing(Ending(JobState.DONE))
    cluster = Cluster(8, MasterSettings(), lambda record: None)
    cluster.apply(record, 0.0)
    assert cluster.jobs[JOB].state is JobState.DONE
    assert cluster.jobs[JOB].status() == record.status
    assert record.spec == replace(known.jobs[JOB].spec, source=b"")
    cluster.validate()


def test_an_epoch_is_never_used_again() -> None:
    cluster = Cluster(7, MasterSettings(), lambda record: None)
    cluster.apply(EpochBegun(6), 0.0)
    cluster.commit(EpochBegun(7), 0.0)
    with pytest.raises(ValueError, match="epoch 7 has been before"):
        cluster.commit(EpochBegun(7), 0.0)


# --- validate ----------------------------------------------------------------------------------


def busy() -> Story:
    """A cluster in the midst of reduces, with some of everything."""
    story = Story(workers=3, slots=2)
    story.plan(Work(takes_s=50.0), TaskKind.REDUCE)
    job = story.submit(maps=6, reduces=12)
    story.run(lambda: len(story.attempts("running", TaskKind.REDUCE)) >= 6)
    story.submit(maps=1, reduces=1)
    cluster = story.core.cluster
    cluster.quarantine(cluster.workers.workers[b"w3"], story.now)
    run = cluster.jobs[job]
    reader, owner = run.reduces.tasks[0], cluster.workers.workers[b"w2"]
    cluster.failed_to_read(run, owner, reader)
    cluster.ask_for_outputs(run, owner, dict(owner.outputs[job]), story.now + 100.0)
    straggler = next(iter(run.attempts.values()))
    cluster.want_backup(straggler, is_wanted=True)
    cluster.validate()
    return story


def active(cluster: Cluster) -> JobRun:
    return next(iter(cluster.active.values()))


def _any(cluster: Cluster) -> Attempt:
    return next(iter(active(cluster).attempts.values()))


def _copy(attempt: Attempt) -> Attempt:
    return Attempt(attempt.id, attempt.job_id, attempt.task, attempt.peer, 0.0)


def _done(cluster: Cluster) -> TaskRecord:
    return active(cluster).maps.tasks[0]


def _worker_of(cluster: Cluster) -> Worker:
    return cluster.workers.workers[_any(cluster).peer]


def _other(cluster: Cluster) -> Worker:
    return next(w for w in cluster.workers.present if w.peer != _any(cluster).peer)


def _add_an_attempt(cluster: Cluster) -> None:
    """A second one, beside one that wants a backup."""
    job, attempt = active(cluster), _any(cluster)
    number = cluster.next_attempt - 1 - 6  # of a map's, which is over
    other = Attempt(number, attempt.job_id, attempt.task, attempt.peer, 0.0)
    attempt.task.attempts += (other,)
    job.attempts[other.id] = other


# What each breaks, and a word of what `validate` says.
_BREAKS: list[tuple[str, Callable[[Cluster], object]]] = [
    ("active", lambda c: c.active.clear()),
    ("queued", lambda c: c.queued.clear()),
    ("ended", lambda c: c.ended.append("job-1")),
    ("one is in two indexes", lambda c: c.ended.append("gone")),
    ("under another id", lambda c: c.jobs.update(other=active(c))),
    ("running", lambda c: setattr(c, "running", c.running + 1)),
    ("alive workers", lambda c: c.workers._alive.popitem()),
    ("suspect workers", lambda c: c.workers._suspect.update(c.workers._alive)),
    ("lost workers", lambda c: c.workers._lost.update(c.workers._alive)),
    ("quarantined workers", lambda c: c.workers.quarantined.clear()),
    ("under another peer", lambda c: c.workers.workers.update({b"w0": _other(c)})),
    ("free slot", lambda c: c.scheduler._free.update(c.workers._alive)),
    ("room in reserve", lambda c: c.scheduler._reserve.update(c.workers._alive)),
    ("take tasks", lambda c: c.scheduler._takers.popitem()),
    ("slots by worker", lambda c: c.scheduler._slots.popitem()),
    ("total slots", lambda c: setattr(c.scheduler, "_total_slots", 1)),
    ("map: completed", lambda c: setattr(active(c).maps, "completed", 1)),
    ("reduce: idle", lambda c: setattr(active(c).reduces, "idle", 1)),
    ("is not queued", lambda c: setattr(active(c).reduces, "_unqueued", 9)),
    ("attempts", lambda c: active(c).attempts.popitem()),
    ("gone, and wants a backup", lambda c: active(c).backups_wanted.update({1: _any(c)})),
    ("wants a backup beside", _add_an_attempt),
    ("awaited answers", lambda c: active(c).output_checks.awaited.clear()),
    ("never numbered", lambda c: setattr(c, "_attempts_numbered", 3)),
    ("not at its worker", lambda c: _worker_of(c).attempts.update({_any(c).id: _copy(_any(c))})),
    ("is another worker's", lambda c: _other(c).attempts.update({_any(c).id: _any(c)})),
    ("not at its owner", lambda c: c.workers.workers[b"w1"].outputs.clear()),
    ("does not count", lambda c: c.workers.workers[b"w1"].outputs["job-1"].update({99: 0})),
    ("knows of a job", lambda c: c.workers.workers[b"w1"].knows_of.add("job-0")),
    ("spec of an unknown job", lambda c: c.workers.workers[b"w1"].has_spec_of.add("job-0")),
    ("the committer is not live", lambda c: setattr(_done(c), "committer", _any(c))),
    ("the committer's state", lambda c: setattr(_any(c).task, "committer", _any(c))),
    ("complete by no attempt", lambda c: setattr(_done(c), "winner", 0)),
    ("state", lambda c: setattr(_any(c).task, "attempts", ())),
    ("failures", lambda c: setattr(_any(c).task, "failures", 99)),
]


@pytest.mark.parametrize(("says", "breaks"), _BREAKS, ids=[says for says, _ in _BREAKS])
def test_validate_sees_a_broken_index(says: str, breaks: Callable[[Cluster], object]) -> None:
    cluster = busy().core.cluster
    breaks(cluster)
    with pytest.raises(AssertionError, match=says):
        cluster.validate()
