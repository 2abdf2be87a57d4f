"""Mistakes in what clients and subscribers are told, each to be planted alone: see `defects`."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

from zmr import messages as m
from zmr.core import clients, jobs, master, master_life, membership, outbox, workers
from zmr.core.phases import Phases
from zmr.net import event_log, follower
from zmr.wire import codec

from .planting import defect

_ENDED = ("done", "failed", "cancelled")

# --- answers -----------------------------------------------------------------------------------


@defect("CancelJob is ignored altogether", clients.Clients, "_cancel_job")
def _(self: clients.Clients, peer: bytes, cancel: m.CancelJob, now: float) -> None:
    pass


@defect("a cancel is answered, and nothing else", clients.Clients, "_cancel_job")
def _(self: clients.Clients, peer: bytes, cancel: m.CancelJob, now: float) -> None:
    self._outbox.send(peer, m.Submitted(cancel.job_id))


@defect("a cancel ends its job, and is not answered", clients.Clients, "_cancel_job")
def _(
    self: clients.Clients,
    peer: bytes,
    cancel: m.CancelJob,
    now: float,
    right: Any = clients.Clients._cancel_job,
) -> None:
    job = self._cluster.jobs.get(cancel.job_id)
    right(self, b"nothing", cancel, now) if job and not job.has_ended else right(
        self, peer, cancel, now
    )


@defect("a cancel that is repeated is refused", clients.Clients, "_cancel_job")
def _(
    self: clients.Clients,
    peer: bytes,
    cancel: m.CancelJob,
    now: float,
    right: Any = clients.Clients._cancel_job,
) -> None:
    job = self._cluster.jobs.get(cancel.job_id)
    if job is not None and job.has_ended:
        self._outbox.send(peer, m.Refused(f"{job.public_id} has ended"))
    else:
        right(self, peer, cancel, now)


@defect("a cancel that is too late is confirmed", clients, "_too_late")
def _(job: Any) -> str:
    return ""


@defect("a cancel of what was never there is taken for done", clients.Clients, "_cancel_job")
def _(
    self: clients.Clients,
    peer: bytes,
    cancel: m.CancelJob,
    now: float,
    right: Any = clients.Clients._cancel_job,
) -> None:
    if cancel.job_id in self._cluster.jobs:
        right(self, peer, cancel, now)
    else:
        self._outbox.send(peer, m.Submitted(cancel.job_id))


@defect("a job that is submitted again is refused", clients.Clients, "_submit")
def _(
    self: clients.Clients,
    submit: m.Submit,
    fingerprint: str,
    now: float,
    right: Any = clients.Clients._submit,
) -> str:
    is_known = submit.spec.job_id in self._cluster.jobs and not fingerprint
    return "there is such a job" if is_known else str(right(self, submit, fingerprint, now))


@defect("a job with the id of a step is taken", clients.Clients, "_submit")
def _(
    self: clients.Clients,
    submit: m.Submit,
    fingerprint: str,
    now: float,
    right: Any = clients.Clients._submit,
) -> str:
    is_step = "." in submit.spec.job_id
    return "" if is_step else str(right(self, submit, fingerprint, now))


@defect("a master of one job takes another", master_life.Life, "takes_jobs")
def _(self: master_life.Life) -> bool:
    return True


@defect("a master that has got a signal answers no client", clients.Clients, "receive")
def _(
    self: clients.Clients,
    peer: bytes,
    message: Any,
    now: float,
    right: Any = clients.Clients.receive,
) -> None:
    if self._life._stop is None:
        right(self, peer, message, now)


# --- how things stand --------------------------------------------------------------------------


@defect("a job is shown as it was when it was first asked for", jobs.JobRun, "status")
def _(self: jobs.JobRun) -> m.JobStatus:
    if self._last_status is None:
        self._last_status = self._status(self.state, self.reason)
    return self._last_status


@defect("a running pipeline is shown without its step", jobs.JobRun, "status")
def _(self: jobs.JobRun, right: Any = jobs.JobRun.status) -> m.JobStatus:
    status: m.JobStatus = right(self)
    return replace(status, step=1) if status.n_steps else status


@defect("a map whose output was lost is shown as done", jobs.JobRun, "status")
def _(self: jobs.JobRun, right: Any = jobs.JobRun.status) -> m.JobStatus:
    status: m.JobStatus = right(self)
    once = sum(bool(task.winner) for task in self.maps.tasks)
    return replace(status, maps_done=max(status.maps_done, once))


@defect("a lost attempt is shown as running", workers.Worker, "status")
def _(self: workers.Worker) -> m.WorkerStatus:
    running = max(len(self.attempts), len(self.outputs))
    return m.WorkerStatus(self.name, self.condition, self.slots, running)


@defect("a quarantined worker is shown as alive", workers.Worker, "status")
def _(self: workers.Worker) -> m.WorkerStatus:
    return m.WorkerStatus(self.name, self.state.value, self.slots, len(self.attempts))


@defect("a suspect worker is not shown", master.Master, "rows")
def _(self: master.Master, right: Any = master.Master.rows) -> master.Rows:
    jobs, shown = right(self)
    return jobs, tuple(worker for worker in shown if worker.state != "suspect")


@defect("a job that has ended is not shown", master.Master, "rows")
def _(self: master.Master, right: Any = master.Master.rows) -> master.Rows:
    shown, workers = right(self)
    return tuple(job for job in shown if job.state not in _ENDED), workers


@defect("events are never sent with a snapshot", clients.Clients, "receive")
def _(
    self: clients.Clients,
    peer: bytes,
    message: Any,
    now: float,
    right: Any = clients.Clients.receive,
) -> None:
    is_asking = isinstance(message, m.GetSnapshot)
    right(self, peer, m.GetSnapshot(-1) if is_asking else message, now)


# --- events ------------------------------------------------------------------------------------


@defect("the end of a job is not published", outbox.Outbox, "publish")
def _(self: outbox.Outbox, event: m.Event, right: Any = outbox.Outbox.publish) -> None:
    if not isinstance(event, m.JobEvent) or event.state not in _ENDED:
        right(self, event)


@defect("a job that was cancelled does not say why", Phases, "end")
def _(self: Any, job: Any, ending: Any, now: float, right: Any = Phases.end) -> None:
    right(self, job, replace(ending, reason=""), now)


@defect("that a worker is heard again is not published", membership.Membership, "sign_of_life")
def _(self: Any, worker: workers.Worker, now: float) -> None:
    self._cluster.seen(worker, now)


@defect("an event that follows a snapshot is lost", event_log.EventLog, "after")
def _(
    self: event_log.EventLog, seq: int, right: Any = event_log.EventLog.after
) -> tuple[m.Published, ...]:
    events: tuple[m.Published, ...] = right(self, seq)
    return events[1:]


@defect("of many events the last are sent first", event_log.EventLog, "after")
def _(self: event_log.EventLog, seq: int) -> tuple[m.Published, ...]:
    later = codec.decode_joined_events(self._kept)
    return tuple(event for event in later if event.seq > seq >= 0)[-self._most_at_once :]


@defect("an event that is no longer kept is replaced by the next", event_log.EventLog, "after")
def _(self: event_log.EventLog, seq: int) -> tuple[m.Published, ...]:
    if seq < 0:
        return ()
    return codec.decode_joined_events(islice(self._kept, seq, seq + self._most_at_once))


@defect("events have the numbers of those that are kept", event_log.EventLog, "append")
def _(self: event_log.EventLog, event: m.Event, time_s: float) -> m.Published:
    self.seq = len(self._kept) + 1
    published = m.Published(self.seq, time_s, event)
    self._kept.append(codec.encode_event(published))
    return published


# --- followers ---------------------------------------------------------------------------------


@defect("a follower does not notice a gap", follower.Follower, "heard")
def _(self: follower.Follower, epoch: int, events: Any) -> tuple[m.Published, ...]:
    if epoch != self.epoch:
        self.is_behind = True
        return ()
    new = tuple(published for published in events if published.seq > self.seq)
    self.seq = max((published.seq for published in new), default=self.seq)
    return new


@defect("a follower takes an event twice", follower.Follower, "heard")
def _(
    self: follower.Follower, epoch: int, events: Any, right: Any = follower.Follower.heard
) -> tuple[m.Published, ...]:
    if epoch == self.epoch and events and events[0].seq == self.seq:
        self.seq -= 1
    new: tuple[m.Published, ...] = right(self, epoch, events)
    return new


@defect("a follower takes no notice of another epoch", follower.Follower, "heard")
def _(
    self: follower.Follower, epoch: int, events: Any, right: Any = follower.Follower.heard
) -> tuple[m.Published, ...]:
    new: tuple[m.Published, ...] = right(self, self.epoch, events)
    return new


@defect("a follower counts on from the number of the last start", follower.Follower, "answered")
def _(
    self: follower.Follower,
    epoch: int,
    snapshot: m.Snapshot,
    right: Any = follower.Follower.answered,
) -> tuple[m.Published, ...]:
    self.epoch = epoch
    events: tuple[m.Published, ...] = right(self, epoch, snapshot)
    return events


@defect("a follower does not ask for the rest", follower.Follower, "answered")
def _(
    self: follower.Follower,
    epoch: int,
    snapshot: m.Snapshot,
    right: Any = follower.Follower.answered,
) -> tuple[m.Published, ...]:
    events: tuple[m.Published, ...] = right(self, epoch, snapshot)
    if epoch == self.epoch and events:
        self.seq, self.is_behind = snapshot.seq, False
    return events
