"""What must hold of a core after every step, whatever happened: it is checked from scratch.

`validate` looks at everything, so that no test has to think of where a mistake would show.
"""

from __future__ import annotations

from zmr import messages as m
from zmr.core.jobs import JobRun
from zmr.core.master import Master
from zmr.core.states import AttemptState, JobState, SlotState, TaskState, WorkerState
from zmr.core.tasks import TaskRecord, TaskTable
from zmr.core.worker import WorkerCore
from zmr.messages import TaskKind


def validate(master: Master) -> None:
    """Fail if the master contradicts itself."""
    _validate_workers(master)
    for job in master.active.values():
        assert job.is_active
        for table in (job.maps, job.reduces):
            _validate_table(master, job, table)
        _validate_attempts(master, job)
        _validate_outputs(master, job)
    for job in master.jobs.values():
        assert (job.id in master.active) == job.is_active
        assert (job.id in master.queued) == (job.state is JobState.QUEUED)
        assert not job.has_ended or not job.attempts
    _validate_scheduler(master)
    _validate_doubts(master)
    _validate_care(master)


def _validate_workers(master: Master) -> None:
    present = {worker.peer for worker in master.workers.present}
    for peer, worker in master.workers.workers.items():
        assert worker.peer == peer
        assert worker.is_present == (peer in present)
        assert worker.state is not WorkerState.LEFT
        if worker.is_present:
            assert worker.outputs.keys() <= master.active.keys()
            assert worker.has_spec_of <= worker.knows_of <= master.active.keys()
            for id, attempt in worker.attempts.items():
                assert attempt.id == id
                assert attempt.is_live
                assert attempt.peer == peer
                assert master.active[attempt.job_id].attempts[id] is attempt
        else:
            assert not worker.attempts
            assert not worker.outputs
    assert master.running == sum(len(worker.attempts) for worker in master.workers.present)


def _validate_table(master: Master, job: JobRun, table: TaskTable) -> None:
    queued = {id(task) for task in table._queue}
    for task in table.tasks:
        _validate_task(master, job, task)
        assert task.state is not TaskState.IDLE or id(task) in queued, f"{task} is stranded"
    states = [task.state for task in table.tasks]
    assert table.completed == states.count(TaskState.COMPLETED)
    assert table.idle == states.count(TaskState.IDLE)
    if table.kind is TaskKind.REDUCE and job.state is JobState.MAP:
        assert table.idle == len(table), "a reduce began before the maps were complete"


def _validate_task(master: Master, job: JobRun, task: TaskRecord) -> None:
    assert task.state is not TaskState.COMPLETED or task.winner
    assert (task.state is TaskState.IN_PROGRESS) == bool(task.attempts)
    assert task.committer is None or task.committer in task.attempts
    assert task.state is not TaskState.COMPLETED or not task.lost
    assert all(attempt.is_live for attempt in task.attempts)
    assert all(attempt.state is AttemptState.LOST for attempt in task.lost)
    for attempt in (*task.attempts, *task.lost):
        assert attempt.task is task
        assert job.attempts[attempt.id] is attempt
    for attempt in task.attempts:
        worker = master.workers.get(attempt.peer)
        assert worker is not None
        assert worker.attempts[attempt.id] is attempt
    assert task.failures < job.spec.max_attempts


def _validate_attempts(master: Master, job: JobRun) -> None:
    listed = {
        attempt.id
        for table in (job.maps, job.reduces)
        for task in table.tasks
        for attempt in (*task.attempts, *task.lost)
    }
    assert listed == job.attempts.keys()
    for attempt in job.backups_wanted.values():
        assert attempt.task.attempts == (attempt,)
    assert job.backups_wanted.keys() <= listed


def _validate_outputs(master: Master, job: JobRun) -> None:
    for task in job.maps.tasks:
        if job.needs_output_of(task):
            owner = master.workers.get(task.owner)
            assert owner is not None, f"the output of {task} is with nobody"
            assert owner.outputs[job.id][task.winner] == task.index


def _validate_scheduler(master: Master) -> None:
    scheduler = master.scheduler
    alive = {
        worker.peer: worker
        for worker in master.workers.present
        if worker.state is WorkerState.ALIVE and not worker.health.is_paused
    }
    free = {peer for peer, worker in alive.items() if worker.room(prefetch=False) > 0}
    reserve = {peer for peer, worker in alive.items() if worker.room(prefetch=True) > 0} - free
    assert scheduler._free.keys() == free
    assert scheduler._reserve.keys() == reserve
    assert scheduler._total_slots == sum(worker.slots for worker in master.workers.present)
    is_ending = master._stopping is not None or master.is_exiting or master._has_quit
    if free and not is_ending:
        assert not master.queued, "a job waits while a slot is free"
        for job in master.active.values():
            if not job.is_complete and not job.is_held:
                _validate_waiting(job, free, {p for p, worker in alive.items() if worker.credit})


def _validate_doubts(master: Master) -> None:
    """Reduces are held exactly as long as a worker that is there owes an answer."""
    asked = {key for key, doubt in master.doubts._doubts.items() if doubt.asked}
    assert asked == {(peer, job.id) for job in master.active.values() for peer in job.in_doubt}
    assert all(master.workers.get(peer) for peer, _ in asked)


def _validate_care(master: Master) -> None:
    paused = {worker.peer for worker in master.workers.present if worker.health.is_paused}
    assert master.care._paused.keys() == paused
    if not master._has_quit:
        able = [w for w in master.workers.present if w.state is WorkerState.ALIVE and w.credit]
        assert not able or any(not w.health.is_paused for w in able), "nobody takes tasks"


def _validate_waiting(job: JobRun, free: set[bytes], takers: set[bytes]) -> None:
    """Fail if a task waits while a slot is free, but for its last time in good hands."""
    for task in job.ready.tasks:
        if task.state is TaskState.IDLE:
            assert task.failures == job.spec.max_attempts - 1, f"{task} waits, a slot is free"
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


def validate_heard(core: WorkerCore, frame: m.Frame) -> None:
    """Fail if a worker that has handled a frame goes on with what this has ended."""
    if frame.epoch != core.epoch:
        return
    for message in frame.messages:
        if isinstance(message, m.Cancel):
            left = set(message.attempts) & set(core.attempts)
            assert not left, f"attempts {left} go on after they were cancelled"
            held = set(message.attempts) & core.held.keys()
            assert not held, f"the outputs of attempts {held} are kept after a cancel"
        elif isinstance(message, m.Ack):
            assert not set(message.attempts) & core.unacknowledged.keys()
