"""A master dies and is started again on its journal: everything goes on where it was."""

from __future__ import annotations

from typing import Any

import pytest
from support.simulated import Chaos, validate

from zmr.core.jobs import JobRun
from zmr.core.master import Master
from zmr.core.states import TaskState

SEEDS = 40


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
        if len(cluster.journal) != seen:
            seen = len(cluster.journal)
            restored = Master(1000, cluster.settings)
            restored.restore(cluster.records, cluster.now)
            validate(restored)
            compare(cluster.master, restored)
    assert seen
    assert {job, other} == cluster.outcomes.keys()


def compare(original: Master, restored: Master) -> None:
    """Fail if the restored master does not know what the original knows."""
    assert [*restored.jobs] == [*original.jobs]
    assert restored.ended == original.ended
    for job in original.jobs.values():
        again = restored.jobs[job.id]
        if not job.maps and not job.reduces and not job.has_ended:
            continue  # it begins with its first attempt, but has none
        if job.has_ended:
            assert again.status() == job.status()
        else:
            assert essence(again) == essence(job)
            compare_attempts(job, again)
    assert {worker.peer for worker in restored.workers.present} == set(original.workers.workers)


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
            elif same.committer is not None:  # it is lost, or was cancelled
                known = original.attempts.get(same.committer.id)
                assert known is None or not known.is_live
