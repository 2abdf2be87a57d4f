"""What must hold of a core after every step, whatever happened: it is checked from scratch.

`validate` looks at everything, so that no test has to think of where a mistake would show.
"""

from __future__ import annotations

from zmr import messages as m
from zmr.core.cluster import Cluster
from zmr.core.jobs import JobRun
from zmr.core.master import Master
from zmr.core.states import MasterState, SlotState, TaskState, WorkerState
from zmr.core.worker import WorkerCore


def validate(master: Master) -> None:
    """Fail if what the master knows contradicts itself, or it leaves undone what it can do."""
    cluster = master.cluster
    cluster.validate()
    if master.life.state is not MasterState.OVER:
        _validate_takers(cluster)
    has_handed_out = master._hand_outs.next_deadline() is None
    if master.life.state is MasterState.RUNNING and has_handed_out:
        _validate_hand_outs(cluster)


def _validate_takers(cluster: Cluster) -> None:
    """Fail if all workers that could take tasks are quarantined."""
    present = cluster.workers.present
    able = [w for w in present if w.state is WorkerState.ALIVE and w.credit]
    assert not able or any(not w.health.is_quarantined for w in able), "no worker takes tasks"


def _validate_hand_outs(cluster: Cluster) -> None:
    """Fail if something waits while a slot is free."""
    alive = {
        worker.peer: worker
        for worker in cluster.workers.present
        if worker.state is WorkerState.ALIVE and not worker.health.is_quarantined
    }
    free = {peer for peer, worker in alive.items() if worker.room(prefetch=False) > 0}
    if free:
        assert not cluster.queued, "a job waits while a slot is free"
        for job in cluster.active.values():
            if not job.is_complete and not job.is_held:
                _validate_waiting(job, free, {p for p, worker in alive.items() if worker.credit})


def _validate_waiting(job: JobRun, free: set[bytes], takers: set[bytes]) -> None:
    """Fail if a task waits while a slot is free, but for its last time in good hands."""
    for task in job.ready.tasks:
        if task.state is TaskState.IDLE:
            is_last = bool(task.errors) or task.failures == job.spec.max_attempts - 1
            assert is_last, f"{task} waits, a slot is free"
            assert free <= task.failed_on
            assert not takers <= task.failed_on


def validate_worker(core: WorkerCore) -> None:
    """Fail if the worker contradicts itself."""
    attempts = core.attempts
    assert len(attempts) == len(set(attempts))
    running = {task.attempt for task in core.slots.running}
    assert core.commits.keys() <= running
    assert core.progress.keys() <= set(attempts)
    assert not core.unacknowledged.keys() & set(attempts)
    for task in core.slots.tasks:
        assert task.job_id in core.jobs
    for slot in core.slots.slots:
        assert slot.state is not SlotState.EMPTY or not (slot.tasks or slot.job_id)
        assert all(task.job_id == slot.job_id for task in slot.tasks)


def validate_heard(core: WorkerCore, frame: m.Frame, epoch: int) -> None:
    """Fail if a worker that has handled a frame goes on with what this has ended.

    `epoch` is the one that the worker was in before: what comes ahead of the `Registered` of
    another one is not for it.
    """
    if frame.epoch != epoch:
        return
    for message in frame.messages:
        if isinstance(message, m.Cancel):
            left = set(message.attempts) & set(core.attempts)
            assert not left, f"attempts {left} go on after they were cancelled"
            held = set(message.attempts) & core.held.keys()
            assert not held, f"the outputs of attempts {held} are kept after a cancel"
        elif isinstance(message, m.Ack):
            assert not set(message.attempts) & core.unacknowledged.keys()
