"""What a master must not forget: the records of its journal.

A journal is the records of all turns, in order. A turn's records are written before anything that
the turn decided leaves the master (write-ahead), all of them or none. A record is also the way in
which the fact comes about: the turn that decides it gives the record to `Cluster.commit`, and a
restart gives it to `Cluster.apply`, which is the same without the writing.

What is recorded: whatever others act upon because the master said it. That a job was taken on, that
a task was handed out, that an attempt may publish, that a result counts and may be forgotten by
its worker, how a job ended. What workers report again by themselves after a restart is not: whether
they are there, how far their attempts are, which are queued. Nor is what becomes of attempts that
a worker drops, since its next heartbeat shows it; only failures are, as they count. Records know
a pipeline by the id of the whole, whichever step they are of.
"""

from __future__ import annotations

from typing import NamedTuple

from zmr import messages as m

# What Python's objects take, besides the texts in them.
_JOB_BYTES = 3_000
_INPUT_BYTES = 150
_TEXT_BYTES = 60


class EpochBegun(NamedTuple):
    """A master has started. Its epoch is that of no other start."""

    epoch: int


class WorkerJoined(NamedTuple):
    """A worker is new. `register` is without what it runs and holds."""

    peer: bytes
    register: m.Register


class WorkerGone(NamedTuple):
    """It has left, or was lost for too long: nothing of it is waited for."""

    peer: bytes


class JobSubmitted(NamedTuple):
    """A job is queued. Its tasks follow from its inputs and the split size."""

    submit: m.Submit
    split_bytes: int
    fingerprint: str  # see `JobGiven`

    @property
    def size_bytes(self) -> int:
        """What a master needs for the job until its end, about, without its tasks."""
        inputs = sum(_INPUT_BYTES + len(file.path) for file in self.submit.inputs)
        return _JOB_BYTES + _spec_bytes(self.submit.spec) + inputs


class StepBegun(NamedTuple):
    """A step of a pipeline is complete, and the next one has begun."""

    job_id: str


class HandedOut(NamedTuple):
    """An attempt began; with the first one, its job. `peer` is the worker's."""

    job_id: str
    kind: m.TaskKind
    task: int  # its index
    attempt: int
    peer: bytes


class CommitGranted(NamedTuple):
    """The attempt may publish. If another one might until now, its worker has been lost."""

    job_id: str
    attempt: int


class Completed(NamedTuple):
    """The task is complete by this attempt; its other attempts are over."""

    done: m.MapDone | m.ReduceDone  # of a pipeline, with the `job_id` of the whole


class AttemptFailed(NamedTuple):
    """The attempt is over, and counts as one of the task's failures."""

    job_id: str
    attempt: int
    lost_input: bool  # it could not read its input, which counts apart
    record: int = -1  # of which the slot died, where such are skipped
    error: str = ""  # what the job's own code raised, and at which record


class OutputLost(NamedTuple):
    """The output of a complete map can't be had: the map runs again."""

    job_id: str
    task: int  # the map's index
    may_return: bool  # with its worker


class JobClosed(NamedTuple):
    """A job is done, failed or cancelled. All that is known of it from now on."""

    spec: m.JobSpec  # without source and bounds
    status: m.JobStatus
    traceback: str
    out_of_workers: bool
    fingerprint: str
    failed_task: str = ""  # by which it failed: "map-17"

    @property
    def size_bytes(self) -> int:
        """What a master needs for it, about."""
        texts = len(self.status.reason) + len(self.traceback) + len(self.fingerprint)
        return _JOB_BYTES + _spec_bytes(self.spec) + texts


class JobForgotten(NamedTuple):
    """So many jobs have ended since that this one is of no interest any more."""

    job_id: str


Record = (
    EpochBegun
    | WorkerJoined
    | WorkerGone
    | JobSubmitted
    | StepBegun
    | HandedOut
    | CommitGranted
    | Completed
    | AttemptFailed
    | OutputLost
    | JobClosed
    | JobForgotten
)

# Records after which all earlier ones about the same thing are of no more use ...
CLEARS = (EpochBegun, WorkerGone, JobClosed, JobForgotten)
# ... and those of them that are of no use themselves then.
CLEARS_ITSELF = (WorkerGone, JobForgotten)


def reading_order(what: str, seq: int) -> tuple[bool, int]:
    """Where a restart reads the records about this, the first of which has that number.

    Those about workers come before those about jobs: an attempt is handed out to a worker.
    """
    return not what.startswith("worker "), seq


def about(record: Record) -> str:
    """What the record is about: a job, a worker, or the epoch."""
    match record:
        case EpochBegun():
            return "epoch"
        case WorkerJoined(peer) | WorkerGone(peer):
            return f"worker {peer.hex()}"
        case JobSubmitted(submit):
            return f"job {submit.spec.job_id}"
        case Completed(done):
            return f"job {done.job_id}"
        case JobClosed(spec):
            return f"job {spec.job_id}"
        case HandedOut(job_id) | CommitGranted(job_id) | AttemptFailed(job_id):
            return f"job {job_id}"
        case OutputLost(job_id) | StepBegun(job_id) | JobForgotten(job_id):
            return f"job {job_id}"


def _spec_bytes(spec: m.JobSpec) -> int:
    texts = [spec.name, spec.reference, spec.search_path, spec.output]
    for params in (spec.params, *(step.params for step in spec.steps)):
        for name, value in params:
            texts += (name, value)
    texts += (step.name for step in spec.steps)
    return len(spec.source) + len(spec.bounds) + sum(_TEXT_BYTES + len(text) for text in texts)
