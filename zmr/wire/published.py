"""Snapshots and published events, to protobuf and back. As in `zmr.wire.records`, readers check."""

from __future__ import annotations

from zmr import messages as m
from zmr.wire import zmr_pb2 as pb
from zmr.wire.records import (
    BadFrame,
    circumstances,
    enum,
    job_status,
    kind,
    read_circumstances,
    read_job_status,
    reason,
    text,
)


def snapshot(snapshot: m.Snapshot) -> pb.Snapshot:
    return pb.Snapshot(
        seq=snapshot.seq,
        events_address=snapshot.events_address,
        jobs=[job_status(job) for job in snapshot.jobs],
        workers=[
            pb.WorkerStatus(
                name=worker.name, state=worker.state, slots=worker.slots, running=worker.running
            )
            for worker in snapshot.workers
        ],
        events=[published(event) for event in snapshot.events],
    )


def read_snapshot(snapshot: pb.Snapshot) -> m.Snapshot:
    return m.Snapshot(
        seq=snapshot.seq,
        events_address=snapshot.events_address,
        jobs=tuple(read_job_status(job) for job in snapshot.jobs),
        workers=tuple(
            m.WorkerStatus(worker.name, worker.state, worker.slots, worker.running)
            for worker in snapshot.workers
        ),
        events=tuple(read_published(event) for event in snapshot.events),
    )


# --- events ------------------------------------------------------------------------------------


def published(published: m.Published) -> pb.Published:
    event = published.event
    match event:
        case m.JobEvent():
            job = pb.JobEvent(job_id=event.job_id, state=event.state, text=text(event.text))
            return pb.Published(seq=published.seq, time_s=published.time_s, job=job)
        case m.TaskEvent():
            task = pb.TaskEvent(
                job_id=event.job_id,
                type=enum(event.kind),
                id=event.index,
                attempt=event.attempt,
                state=event.state,
                worker=event.worker,
                text=text(event.text),
                reason=enum(event.reason or 0),
                circumstances=circumstances(event.circumstances),
            )
            return pb.Published(seq=published.seq, time_s=published.time_s, task=task)
        case m.WorkerEvent():
            worker = pb.WorkerEvent(worker=event.worker, state=event.state, text=text(event.text))
            return pb.Published(seq=published.seq, time_s=published.time_s, worker=worker)
        case m.MasterEvent():
            master = pb.MasterEvent(state=event.state, text=text(event.text))
            return pb.Published(seq=published.seq, time_s=published.time_s, master=master)


def read_published(published: pb.Published) -> m.Published:
    event: m.Event
    match published.WhichOneof("event"):
        case "job":
            job = published.job
            event = m.JobEvent(job.job_id, job.state, job.text)
        case "task":
            task = published.task
            event = m.TaskEvent(
                task.job_id,
                kind(task.type),
                task.id,
                task.attempt,
                task.state,
                task.worker,
                task.text,
                reason(task.reason) if task.reason else None,
                read_circumstances(task.circumstances),
            )
        case "worker":
            worker = published.worker
            event = m.WorkerEvent(worker.worker, worker.state, worker.text)
        case "master":
            event = m.MasterEvent(published.master.state, published.master.text)
        case _:
            raise BadFrame("an event of an unknown kind")
    return m.Published(published.seq, published.time_s, event)
