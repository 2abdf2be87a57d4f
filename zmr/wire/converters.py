"""Messages to protobuf and back.

Made from proto/zmr.proto and zmr/messages.py by `tox -e proto -- --write`. Do not edit.

A function `write_...` fills a message of protobuf (`p`) from a value (`v`); `read_...` makes the
value, or raises `BadFrame` for one that breaks a check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zmr import messages as m
from zmr.wire import checks as c
from zmr.wire.task_converters import (
    read_check_outputs,
    read_circumstances,
    read_commit_request,
    read_heartbeat,
    read_job_spec,
    read_map_done,
    read_progress,
    read_reduce_done,
    read_task,
    read_task_failed,
    read_task_response,
    write_check_outputs,
    write_circumstances,
    write_commit_request,
    write_heartbeat,
    write_job_spec,
    write_map_done,
    write_progress,
    write_reduce_done,
    write_task,
    write_task_failed,
    write_task_response,
)

_FAILURE_REASON = {int(member): member for member in m.FailureReason}
_TASK_KIND = {int(member): member for member in m.TaskKind}


def write_job_event(p: Any, v: m.JobEvent) -> None:
    p.job_id = c.text(v.job_id)
    p.state = c.text(v.state)
    if v.text:
        p.text = c.text(v.text)


def read_job_event(p: Any) -> m.JobEvent:
    return m.JobEvent(p.job_id, p.state, p.text)


def write_task_event(p: Any, v: m.TaskEvent) -> None:
    p.job_id = c.text(v.job_id)
    p.kind = v.kind
    p.index = v.index
    p.attempt = v.attempt
    p.state = c.text(v.state)
    p.worker = c.text(v.worker)
    if v.text:
        p.text = c.text(v.text)
    if v.reason is not None:
        p.reason = v.reason
    p.circumstances.SetInParent()
    write_circumstances(p.circumstances, v.circumstances)


def read_task_event(p: Any) -> m.TaskEvent:
    return m.TaskEvent(
        p.job_id,
        c.member(p.kind, _TASK_KIND, "task kind"),
        p.index,
        p.attempt,
        p.state,
        p.worker,
        p.text,
        c.member(p.reason, _FAILURE_REASON, "failure reason") if p.reason else None,
        read_circumstances(p.circumstances),
    )


def write_worker_event(p: Any, v: m.WorkerEvent) -> None:
    p.worker = c.text(v.worker)
    p.state = c.text(v.state)
    if v.text:
        p.text = c.text(v.text)


def read_worker_event(p: Any) -> m.WorkerEvent:
    return m.WorkerEvent(p.worker, p.state, p.text)


def write_master_event(p: Any, v: m.MasterEvent) -> None:
    p.state = c.text(v.state)
    if v.text:
        p.text = c.text(v.text)


def read_master_event(p: Any) -> m.MasterEvent:
    return m.MasterEvent(p.state, p.text)


def write_published(p: Any, v: m.Published) -> None:
    p.seq = v.seq
    p.time_s = v.time_s
    write_event(p, v.event)


def read_published(p: Any) -> m.Published:
    return m.Published(p.seq, p.time_s, read_event(p))


def write_register(p: Any, v: m.Register) -> None:
    p.name = c.text(v.name)
    p.host = c.text(v.host)
    p.pid = v.pid
    p.slots = v.slots
    if v.running:
        p.running.extend(v.running)
    if v.held:
        c.fill(p.held.add, write_map_done, v.held)
    if v.shuffle_address:
        p.shuffle_address = c.text(v.shuffle_address)


def read_register(p: Any) -> m.Register:
    return m.Register(
        c.label(p.name),
        c.label(p.host),
        p.pid,
        c.slots(p.slots, 10000),
        tuple(c.several(p.running, "Register.running")),
        tuple(map(read_map_done, c.several(p.held, "Register.held"))),
        c.endpoint(p.shuffle_address),
    )


def write_get_task(p: Any, v: m.GetTask) -> None:
    p.credit = v.credit


def read_get_task(p: Any) -> m.GetTask:
    return m.GetTask(c.at_most(p.credit, 1000000, "credits"))


def write_leave(p: Any, v: m.Leave) -> None:
    p.reason = c.text(v.reason)


def read_leave(p: Any) -> m.Leave:
    return m.Leave(c.beginning(p.reason, 1000))


def write_outputs_checked(p: Any, v: m.OutputsChecked) -> None:
    p.job_id = c.text(v.job_id)
    if v.whole:
        p.whole.extend(v.whole)
    if v.damaged:
        p.damaged.extend(v.damaged)


def read_outputs_checked(p: Any) -> m.OutputsChecked:
    return m.OutputsChecked(
        p.job_id,
        tuple(c.several(p.whole, "OutputsChecked.whole")),
        tuple(c.several(p.damaged, "OutputsChecked.damaged")),
    )


def write_registered(p: Any, v: m.Registered) -> None:
    p.heartbeat_interval_s = v.heartbeat_interval_s
    p.lost_after_s = v.lost_after_s


def read_registered(p: Any) -> m.Registered:
    return m.Registered(c.seconds(p.heartbeat_interval_s), c.seconds(p.lost_after_s))


def write_cancel(p: Any, v: m.Cancel) -> None:
    if v.attempts:
        p.attempts.extend(v.attempts)
    if v.reason:
        p.reason = c.text(v.reason)


def read_cancel(p: Any) -> m.Cancel:
    return m.Cancel(tuple(c.several(p.attempts, "Cancel.attempts")), p.reason)


def write_commit_reply(p: Any, v: m.CommitReply) -> None:
    p.attempt = v.attempt
    p.granted = v.granted


def read_commit_reply(p: Any) -> m.CommitReply:
    return m.CommitReply(p.attempt, p.granted)


def write_ack(p: Any, v: m.Ack) -> None:
    if v.attempts:
        p.attempts.extend(v.attempts)


def read_ack(p: Any) -> m.Ack:
    return m.Ack(tuple(c.several(p.attempts, "Ack.attempts")))


def write_heartbeat_reply(p: Any, v: m.HeartbeatReply) -> None:
    pass


def read_heartbeat_reply(p: Any) -> m.HeartbeatReply:
    return m.HeartbeatReply()


def write_register_again(p: Any, v: m.RegisterAgain) -> None:
    pass


def read_register_again(p: Any) -> m.RegisterAgain:
    return m.RegisterAgain()


def write_forget_job(p: Any, v: m.ForgetJob) -> None:
    p.job_id = c.text(v.job_id)


def read_forget_job(p: Any) -> m.ForgetJob:
    return m.ForgetJob(c.name(p.job_id, "job id"))


def write_exit(p: Any, v: m.Exit) -> None:
    p.reason = c.text(v.reason)


def read_exit(p: Any) -> m.Exit:
    return m.Exit(p.reason)


def write_refused(p: Any, v: m.Refused) -> None:
    p.reason = c.text(v.reason)


def read_refused(p: Any) -> m.Refused:
    return m.Refused(p.reason)


def write_submit(p: Any, v: m.Submit) -> None:
    p.spec.SetInParent()
    write_job_spec(p.spec, v.spec)
    if v.inputs:
        c.fill(p.inputs.add, write_input_file, v.inputs)


def read_submit(p: Any) -> m.Submit:
    return m.Submit(read_job_spec(p.spec), tuple(map(read_input_file, p.inputs)))


def write_input_file(p: Any, v: m.InputFile) -> None:
    p.path = c.path_bytes(v.path)
    p.size_bytes = v.size_bytes
    p.splittable = v.splittable
    if v.input:
        p.input = v.input


def read_input_file(p: Any) -> m.InputFile:
    return m.InputFile(
        c.read_path(p.path),
        p.size_bytes,
        p.splittable,
        c.at_most(p.input, 1000, "inputs"),
    )


def write_cancel_job(p: Any, v: m.CancelJob) -> None:
    p.job_id = c.text(v.job_id)
    p.reason = c.text(v.reason)


def read_cancel_job(p: Any) -> m.CancelJob:
    return m.CancelJob(p.job_id, c.beginning(p.reason, 1000))


def write_get_snapshot(p: Any, v: m.GetSnapshot) -> None:
    p.after_seq = v.after_seq


def read_get_snapshot(p: Any) -> m.GetSnapshot:
    return m.GetSnapshot(p.after_seq)


def write_submitted(p: Any, v: m.Submitted) -> None:
    p.job_id = c.text(v.job_id)


def read_submitted(p: Any) -> m.Submitted:
    return m.Submitted(p.job_id)


def write_snapshot(p: Any, v: m.Snapshot) -> None:
    p.seq = v.seq
    p.events_address = c.text(v.events_address)
    if v.jobs:
        c.fill(p.jobs.add, write_job_status, v.jobs)
    if v.workers:
        c.fill(p.workers.add, write_worker_status, v.workers)
    if v.events:
        c.fill(p.events.add, write_published, v.events)


def read_snapshot(p: Any) -> m.Snapshot:
    return m.Snapshot(
        p.seq,
        p.events_address,
        tuple(map(read_job_status, c.several(p.jobs, "Snapshot.jobs"))),
        tuple(map(read_worker_status, c.several(p.workers, "Snapshot.workers"))),
        tuple(map(read_published, c.several(p.events, "Snapshot.events"))),
    )


def write_job_status(p: Any, v: m.JobStatus) -> None:
    p.job_id = c.text(v.job_id)
    p.name = c.text(v.name)
    p.state = c.text(v.state)
    p.maps_done = v.maps_done
    p.n_map = v.n_map
    p.reduces_done = v.reduces_done
    p.n_reduce = v.n_reduce
    if v.reason:
        p.reason = c.text(v.reason)
    if v.step:
        p.step = v.step
    if v.n_steps:
        p.n_steps = v.n_steps


def read_job_status(p: Any) -> m.JobStatus:
    return m.JobStatus(
        p.job_id,
        p.name,
        p.state,
        p.maps_done,
        p.n_map,
        p.reduces_done,
        p.n_reduce,
        p.reason,
        p.step,
        p.n_steps,
    )


def write_worker_status(p: Any, v: m.WorkerStatus) -> None:
    p.name = c.text(v.name)
    p.state = c.text(v.state)
    p.slots = v.slots
    p.running = v.running


def read_worker_status(p: Any) -> m.WorkerStatus:
    return m.WorkerStatus(p.name, p.state, p.slots, p.running)


def write_start_job(p: Any, v: m.StartJob) -> None:
    p.spec.SetInParent()
    write_job_spec(p.spec, v.spec)
    p.folder = c.path_bytes(v.folder)
    p.memory_bytes = v.memory_bytes
    p.progress_interval_s = v.progress_interval_s
    if v.no_direct_read:
        p.no_direct_read = v.no_direct_read
    if v.syncs_late:
        p.syncs_late = v.syncs_late


def read_start_job(p: Any) -> m.StartJob:
    return m.StartJob(
        read_job_spec(p.spec),
        c.read_path(p.folder),
        p.memory_bytes,
        p.progress_interval_s,
        p.no_direct_read,
        p.syncs_late,
    )


_WRITE_EVENT: dict[type, tuple[str, Callable[[Any, Any], None]]] = {
    m.JobEvent: ("job", write_job_event),
    m.TaskEvent: ("task", write_task_event),
    m.WorkerEvent: ("worker", write_worker_event),
    m.MasterEvent: ("master", write_master_event),
}

_READ_EVENT: dict[str, Callable[[Any], m.Event]] = {
    "job": read_job_event,
    "task": read_task_event,
    "worker": read_worker_event,
    "master": read_master_event,
}


def write_event(p: Any, v: m.Event) -> None:
    name, write = _WRITE_EVENT[type(v)]
    message = getattr(p, name)
    message.SetInParent()
    write(message, v)


def read_event(p: Any) -> m.Event:
    name = p.WhichOneof("event")
    if name is None:
        raise c.BadFrame("an event of an unknown kind")
    return _READ_EVENT[name](getattr(p, name))


_WRITE_KIND: dict[type, tuple[str, Callable[[Any, Any], None]]] = {
    m.Register: ("register", write_register),
    m.GetTask: ("get_task", write_get_task),
    m.Heartbeat: ("heartbeat", write_heartbeat),
    m.MapDone: ("map_done", write_map_done),
    m.ReduceDone: ("reduce_done", write_reduce_done),
    m.TaskFailed: ("task_failed", write_task_failed),
    m.CommitRequest: ("commit_request", write_commit_request),
    m.Leave: ("leave", write_leave),
    m.OutputsChecked: ("outputs_checked", write_outputs_checked),
    m.Registered: ("registered", write_registered),
    m.TaskResponse: ("task_response", write_task_response),
    m.Cancel: ("cancel", write_cancel),
    m.CommitReply: ("commit_reply", write_commit_reply),
    m.Ack: ("ack", write_ack),
    m.HeartbeatReply: ("heartbeat_reply", write_heartbeat_reply),
    m.RegisterAgain: ("register_again", write_register_again),
    m.ForgetJob: ("forget_job", write_forget_job),
    m.Exit: ("exit", write_exit),
    m.Refused: ("refused", write_refused),
    m.CheckOutputs: ("check_outputs", write_check_outputs),
    m.Submit: ("submit", write_submit),
    m.CancelJob: ("cancel_job", write_cancel_job),
    m.GetSnapshot: ("get_snapshot", write_get_snapshot),
    m.Submitted: ("submitted", write_submitted),
    m.Snapshot: ("snapshot", write_snapshot),
    m.StartJob: ("start_job", write_start_job),
    m.Task: ("task", write_task),
    m.Progress: ("progress", write_progress),
}

_READ_KIND: dict[str, Callable[[Any], m.Message]] = {
    "register": read_register,
    "get_task": read_get_task,
    "heartbeat": read_heartbeat,
    "map_done": read_map_done,
    "reduce_done": read_reduce_done,
    "task_failed": read_task_failed,
    "commit_request": read_commit_request,
    "leave": read_leave,
    "outputs_checked": read_outputs_checked,
    "registered": read_registered,
    "task_response": read_task_response,
    "cancel": read_cancel,
    "commit_reply": read_commit_reply,
    "ack": read_ack,
    "heartbeat_reply": read_heartbeat_reply,
    "register_again": read_register_again,
    "forget_job": read_forget_job,
    "exit": read_exit,
    "refused": read_refused,
    "check_outputs": read_check_outputs,
    "submit": read_submit,
    "cancel_job": read_cancel_job,
    "get_snapshot": read_get_snapshot,
    "submitted": read_submitted,
    "snapshot": read_snapshot,
    "start_job": read_start_job,
    "task": read_task,
    "progress": read_progress,
}


def write_kind(p: Any, v: m.Message) -> None:
    name, write = _WRITE_KIND[type(v)]
    message = getattr(p, name)
    message.SetInParent()
    write(message, v)


def read_kind(p: Any) -> m.Message:
    name = p.WhichOneof("kind")
    if name is None:
        raise c.BadFrame("a message of an unknown kind")
    return _READ_KIND[name](getattr(p, name))
