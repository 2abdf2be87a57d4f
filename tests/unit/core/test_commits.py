"""Each file of the output is published once, whoever asks to, how often, and whatever is lost."""

from __future__ import annotations

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.messages import TaskKind


def grants(cluster: Cluster) -> list[int]:
    """The attempts that were given leave, each once, in order."""
    replies = cluster.network.messages(m.CommitReply)
    return list(dict.fromkeys(reply.attempt for reply in replies if reply.granted))


def two_reduces_ready(cluster: Cluster) -> tuple[str, str]:
    """Have one reduce done by two workers, the second of which asks right after the first.

    Returns their names. The one that asks first takes long to publish.
    """
    job = cluster.submit(maps=4, reduces=4, backup_after_s=3.0)
    slow = Work(takes_s=13.2, publishes_s=10.0)
    cluster.plan(slow, TaskKind.REDUCE, index=3, times=1)
    cluster.plan(Work(takes_s=10.0), TaskKind.REDUCE, index=3, times=1)
    cluster.run(lambda: len(cluster.network.messages(m.CommitRequest)) == 4)
    first, second = cluster.attempts("running", TaskKind.REDUCE)[3:]
    assert first.index == second.index == 3
    assert cluster.job_states(job)[-1] == "reduce"
    return first.worker, second.worker


def test_of_two_that_ask_one_is_let_and_the_other_stopped() -> None:
    cluster = Cluster(workers=2)
    two_reduces_ready(cluster)
    cluster.run_until_over()
    cluster.check("job-1")
    assert len(grants(cluster)) == 4
    assert len(cluster.attempts("cancelled", TaskKind.REDUCE)) == 1


def test_when_the_one_that_was_let_dies_the_other_is_let() -> None:
    cluster = Cluster(workers=2)
    first, _ = two_reduces_ready(cluster)
    cluster.run(lambda: len(grants(cluster)) == 4)
    granted = grants(cluster)[-1]
    holder = next(w for w in cluster.workers.values() if granted in w.core.attempts)
    other = next(w for w in cluster.workers.values() if w is not holder)
    assert holder.name == first

    cluster.run(lambda: bool(other.core.commits))
    cluster.run_for(3.0)
    assert grants(cluster)[-1] == granted, "two were let at a time"
    holder.crash()
    cluster.run_until_over()

    cluster.check("job-1")
    assert len(grants(cluster)) > 4


def test_a_second_that_is_not_stuck_waits_for_the_first_however_long() -> None:
    # Given an attempt that has leave to publish and takes its time, with progress, to do so.
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=12.0, publishes_s=50.0), TaskKind.REDUCE, index=1, times=1)
    cluster.plan(Work(takes_s=10.0), TaskKind.REDUCE, index=1, times=1)
    job = cluster.submit(maps=2, reduces=2, task_timeout_s=20.0, backup_after_s=3.0)
    cluster.run_until_over()
    cluster.check(job)
    assert len(grants(cluster)) == 2
    assert not cluster.attempts("failed")
    assert len(cluster.attempts("cancelled")) == 1


@pytest.mark.parametrize("kind", [m.CommitReply, m.CommitRequest])
def test_a_lost_question_or_answer_is_repeated(kind: type) -> None:
    cluster = Cluster(workers=1)
    cluster.network.drop(kind, times=2)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    assert len(grants(cluster)) == 1
    assert cluster.now < 5.0


def test_an_attempt_that_returns_with_its_leave_and_its_substitute_make_one_file() -> None:
    # Given a worker that falls silent with leave to publish, and comes back when its substitute
    # has published.
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run(lambda: bool(grants(cluster)))
    (holder,) = [w for w in cluster.workers.values() if w.core.attempts]
    holder.stop()
    cluster.run(lambda: len(grants(cluster)) == 2)
    holder.resume()
    cluster.run_until_over()
    cluster.check(job)
    assert len(cluster.attempts("succeeded", TaskKind.REDUCE)) == 1


def test_one_that_returns_with_its_leave_keeps_it() -> None:
    # Given the holder of the leave, lost and back before anybody else has asked.
    cluster = Cluster(workers=2)
    cluster.plan(Work(publishes_s=10.0), times=1)
    cluster.plan(Work(takes_s=3.0))
    job = cluster.submit(maps=1, reduces=0)
    cluster.run(lambda: bool(grants(cluster)))
    (holder,) = [w for w in cluster.workers.values() if w.core.attempts]
    cluster.network.cut_off(holder.name)
    cluster.run(lambda: cluster.worker_states(holder.name)[-1] == "lost")
    cluster.network.heal(holder.name)
    cluster.run_until_over()
    cluster.check(job)
    assert len(cluster.network.messages(m.CommitRequest)) > 1
    assert len(grants(cluster)) == 1


def test_maps_of_a_map_only_job_ask_as_well() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=3, reduces=0)
    cluster.run_until_over()
    cluster.check(job)
    assert len(grants(cluster)) == 3


def test_a_map_output_is_nothing_to_be_published() -> None:
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=1, reduces=1)
    cluster.run_for(0.5)
    (attempt,) = cluster.core.cluster.active[job].attempts
    request = m.CommitRequest(job, TaskKind.MAP, 0, attempt)
    cluster.to_master("w1", m.Frame(cluster.core.epoch, (request,)))
    cluster.run_for(0.1)
    assert not grants(cluster)
    assert cluster.core.ignored["commit of a map output"] == 1


def test_a_question_about_an_attempt_that_is_over_is_answered_with_no() -> None:
    cluster = Cluster(workers=1)
    cluster.run_for(0.1)
    request = m.CommitRequest("job-1", TaskKind.REDUCE, 0, 99)
    cluster.to_master("w1", m.Frame(cluster.core.epoch, (request,)))
    cluster.run_for(0.1)
    assert cluster.network.messages(m.CommitReply) == [m.CommitReply(99, granted=False)]
