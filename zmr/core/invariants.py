"""What must hold between the tables of a cluster, for `Cluster.validate`.

What must hold within a table is said there: `TaskTable.validate`, `WorkerTable.validate`, ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zmr.core.jobs import JobRun
from zmr.core.states import JobState, WorkerState
from zmr.core.workers import Worker, WorkerTable


def validate_jobs(
    jobs: Mapping[str, JobRun],
    active: Mapping[str, JobRun],
    queued: Mapping[str, JobRun],
    ended: Sequence[str],
) -> None:
    """Fail if a job is not in exactly the index of its state."""
    for job_id, job in jobs.items():
        assert job.public_id == job_id, f"job {job.public_id}: under another id"
        assert (active.get(job.id) is job) == job.is_active, f"job {job_id}: active"
        is_queued = job.state is JobState.QUEUED
        assert (queued.get(job.id) is job) == is_queued, f"job {job_id}: queued"
        assert (job_id in ended) == job.has_ended, f"job {job_id}: ended"
    assert len(active) + len(queued) + len(ended) == len(jobs), "jobs: one is in two indexes"


def validate_held(job: JobRun, workers: WorkerTable) -> None:
    """Fail if something of an active job is not with the worker that should have it."""
    for attempt_id, attempt in job.attempts.items():
        assert attempt.id == attempt_id, f"{attempt}: under another id"
        assert attempt.job_id == job.id, f"{attempt}: of another job"
        if attempt.is_live:
            worker = workers.get(attempt.peer)
            assert worker is not None, f"{attempt}: live, and its worker is gone"
            assert worker.attempts.get(attempt_id) is attempt, f"{attempt}: not at its worker"
    for peer in job.output_checks.awaited:
        assert workers.get(peer), f"job {job.id}: waits for an answer of a worker that is gone"
    for task in job.maps.tasks.made():
        if job.needs_output_of(task):
            owner = workers.get(task.owner)
            assert owner is not None, f"{task}: the owner of its output is gone"
            held = owner.outputs.get(job.id, {})
            assert held.get(task.winner) == task.index, f"{task}: its output is not at its owner"


def validate_holdings(worker: Worker, active: Mapping[str, JobRun]) -> None:
    """Fail if a worker has something that is of no use."""
    name = f"worker {worker.name}"
    if worker.state is WorkerState.LOST:
        assert not worker.attempts, f"{name}: lost, and has attempts"
        assert not worker.outputs, f"{name}: lost, and has outputs"
        return
    assert worker.has_spec_of <= worker.knows_of, f"{name}: has the spec of an unknown job"
    assert worker.knows_of <= active.keys(), f"{name}: knows of a job that has ended"
    for attempt_id, attempt in worker.attempts.items():
        assert attempt.is_live, f"{name}: {attempt} is over"
        assert attempt.peer == worker.peer, f"{name}: {attempt} is another worker's"
        job = active.get(attempt.job_id)
        assert job is not None, f"{name}: {attempt} is of a job that has ended"
        assert job.attempts.get(attempt_id) is attempt, f"{name}: {attempt} is not the job's"
    for job_id, outputs in worker.outputs.items():
        assert job_id in worker.knows_of, f"{name}: holds outputs of an unknown job"
        for attempt_id, index in outputs.items():
            task = active[job_id].maps.tasks[index]
            assert task.is_result(attempt_id), f"{name}: an output of {task} that does not count"
