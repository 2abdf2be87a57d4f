"""What is still to do, and why it is not done: for whoever has to find out."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from zmr.core.jobs import JobRun
from zmr.core.states import TaskState

from .machines.master import MasterMachine
from .machines.worker import WorkerMachine

_MOST_TASKS = 20


def pending(
    master: MasterMachine,
    workers: Sequence[WorkerMachine],
    has_ended: bool,
    unfinished: Sequence[str],
    begun: Container[int],
) -> str:
    """What has not ended, a line each: jobs, and what `leftovers` finds.

    `begun` are attempts.
    """
    jobs = _jobs(master, unfinished, begun)
    return "\n".join([*jobs, *leftovers(master, workers, has_ended)])


def leftovers(
    master: MasterMachine, workers: Sequence[WorkerMachine], has_ended: bool
) -> list[str]:
    """What is left in the cluster, when there should be nothing.

    `has_ended`: the master has quit for good.
    """
    found = []
    if not master.is_up and not has_ended:
        found.append("the master is down")
    if master.is_up and master.core.cluster.running:
        found.append(f"the master has {master.core.cluster.running} running attempts")
    if master.is_up and master.core.life.is_exiting:
        found.append("the master waits for its workers to leave")
    for worker in workers:
        if worker.is_up:
            found += [f"{worker.process}: {what}" for what in _of_worker(worker, not has_ended)]
    return found


def _of_worker(worker: WorkerMachine, has_master: bool) -> Iterator[str]:
    core = worker.core
    if not has_master:
        yield "up, without a master"
        return
    if not core.is_registered:
        yield "is not registered"
    if core.attempts:
        yield f"runs attempts {core.attempts}"
    if core.unacknowledged:
        yield f"repeats its results: {list(core.unacknowledged.values())}"
    if core.commits:
        yield f"asks to commit: {list(core.commits)}"
    if worker.slots:
        yield f"has slot processes: {sorted(worker.slots)}"
    if files := [path for path in worker.disk.files if path.startswith(worker.folder + "/")]:
        yield f"keeps files: {files}"


def _jobs(master: MasterMachine, unfinished: Sequence[str], begun: Container[int]) -> Iterator[str]:
    if not master.is_up:
        yield "the master is gone"
        return
    for job_id in unfinished:
        job = master.core.jobs.get(job_id)
        if job is None:
            yield f"{job_id}: the master has not heard of it"
        else:
            yield from _job(job, begun)
    for peer in master.core.cluster.workers.present:
        yield f"worker {peer.name}: {peer.state.value}, credit {peer.credit}, {len(peer.attempts)}"


def _job(job: JobRun, begun: Container[int]) -> Iterator[str]:
    yield f"{job.id} is in {job.state.value}"
    tasks = [t for table in (job.maps, job.reduces) for t in table.tasks]
    for task in [task for task in tasks if task.state is not TaskState.COMPLETED][:_MOST_TASKS]:
        attempts = ", ".join(
            f"attempt {a.number} {a.state.value} on {a.peer.decode()}"
            f" ({'begun' if a.id in begun else 'never begun'})"
            for a in task.attempts
        )
        yield f"  {task} {task.state.value}, {task.failures} failures: {attempts}"
