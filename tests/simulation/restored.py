"""What a master restored from the journal knows: all that the one that went on knows.

At some moment of a run, a second master is made from what is in the journal, beside the one that
runs; the two are compared. Nothing else ever hears of it.
"""

from __future__ import annotations

from typing import Any

from zmr.core.jobs import JobRun
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.states import MasterState, TaskState

from .machines.invariants import validate
from .machines.journal import Journal

# The epoch of no master of a simulation.
_EPOCH = 100_000


def check_restored(
    original: Master, settings: MasterSettings, journal: Journal, now: float
) -> None:
    """Fail if a master that is started on this journal does not know what the original knows."""
    restored = Master(_EPOCH, settings)
    restored.restore(journal.read(), now)
    validate(restored)
    _compare(original, restored)


def _compare(original: Master, restored: Master) -> None:
    assert restored.jobs.keys() == original.jobs.keys()
    assert restored.cluster.ended == original.cluster.ended
    for job in original.jobs.values():
        again = restored.jobs[job.public_id]
        if not job.maps and not job.reduces and not job.has_ended:
            continue  # it begins with its first attempt, but has none
        if job.is_complete and original.life.state is MasterState.OVER:
            continue  # one that is over lets the next one go on
        if job.has_ended:
            assert again.status() == job.status(), f"{job.public_id}: the end is another one"
        else:
            assert _essence(again) == _essence(job), f"{job.public_id}: it is another one"
            _compare_attempts(job, again)
    known = {worker.peer for worker in restored.cluster.workers.present}
    assert known == set(original.cluster.workers.workers), "other workers are expected"


def _essence(job: JobRun) -> dict[str, Any]:
    """What the result of the job depends on."""
    return {
        "state": job.state,
        "counters": job._counters,
        "sums": job._sums,
        "splits": list(job._splits),
        "tasks": [
            (
                *(task.kind, task.index, task.winner, task.owner, task.path),
                *(task.state is TaskState.COMPLETED, task.file),
                *(task.failures, task.lost_inputs, task.failed_on, task.errors),
            )
            for table in (job.maps, job.reduces)
            for task in table.tasks
        ],
    }


def _compare_attempts(original: JobRun, restored: JobRun) -> None:
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
            for attempt in task.lost:  # if it comes back, it may publish still
                assert restored.attempts[attempt.id].was_granted == attempt.was_granted
