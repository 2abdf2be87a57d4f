"""Tasks and their results to protobuf and back.

Made from proto/zmr.proto and zmr/messages.py by `tox -e proto -- --write`. Do not edit.

A function `write_...` fills a message of protobuf (`p`) from a value (`v`); `read_...` makes the
value, or raises `BadFrame` for one that breaks a check.
"""

from __future__ import annotations

from typing import Any

from zmr import messages as m
from zmr.wire import checks as c

_FAILURE_REASON = {int(member): member for member in m.FailureReason}
_TASK_KIND = {int(member): member for member in m.TaskKind}


def write_task_response(p: Any, v: m.TaskResponse) -> None:
    if v.tasks:
        c.fill(p.tasks.add, write_task, v.tasks)
    if v.jobs:
        c.fill(p.jobs.add, write_job_spec, v.jobs)


def read_task_response(p: Any) -> m.TaskResponse:
    return m.TaskResponse(
        tuple(map(read_task, c.several(p.tasks, "TaskResponse.tasks"))),
        tuple(map(read_job_spec, c.several(p.jobs, "TaskResponse.jobs"))),
    )


def write_task(p: Any, v: m.Task) -> None:
    p.job_id = c.text(v.job_id)
    p.kind = v.kind
    p.index = v.index
    p.attempt = v.attempt
    p.n_reduce = v.n_reduce
    p.output = c.path_bytes(v.output)
    if v.splits:
        c.fill(p.splits.add, write_split, v.splits)
    if v.sources:
        c.fill(p.sources.add, write_map_output, v.sources)
    if v.failures:
        p.failures = v.failures
    if v.is_last:
        p.is_last = v.is_last
    if v.skips:
        p.skips.extend(v.skips)


def read_task(p: Any) -> m.Task:
    return m.Task(
        c.name(p.job_id, "job id"),
        c.member(p.kind, _TASK_KIND, "task kind"),
        p.index,
        p.attempt,
        c.at_most(p.n_reduce, 1000000, "reduce tasks"),
        c.read_path(p.output),
        tuple(map(read_split, c.several(p.splits, "Task.splits"))),
        tuple(map(read_map_output, c.several(p.sources, "Task.sources"))),
        p.failures,
        p.is_last,
        tuple(c.several(p.skips, "Task.skips")),
    )


def write_split(p: Any, v: m.Split) -> None:
    p.path = c.path_bytes(v.path)
    if v.offset:
        p.offset = v.offset
    p.length = v.length
    if v.file_bytes != -1:
        p.file_bytes = v.file_bytes
    if v.input:
        p.input = v.input
    if v.lines_before != -1:
        p.lines_before = v.lines_before


def read_split(p: Any) -> m.Split:
    return m.Split(
        c.read_path(p.path),
        p.offset,
        p.length,
        p.file_bytes if p.HasField("file_bytes") else -1,
        c.at_most(p.input, 1000, "inputs"),
        p.lines_before if p.HasField("lines_before") else -1,
    )


def write_map_output(p: Any, v: m.MapOutput) -> None:
    p.index = v.index
    p.attempt = v.attempt
    p.host = c.text(v.host)
    p.path = c.path_bytes(v.path)
    if v.shuffle_address:
        p.shuffle_address = c.text(v.shuffle_address)


def read_map_output(p: Any) -> m.MapOutput:
    return m.MapOutput(p.index, p.attempt, p.host, c.read_path(p.path), p.shuffle_address)


def write_job_spec(p: Any, v: m.JobSpec) -> None:
    p.job_id = c.text(v.job_id)
    p.name = c.text(v.name)
    p.reference = c.path_bytes(v.reference)
    p.source = v.source
    p.search_path = c.path_bytes(v.search_path)
    if v.params:
        c.fill(p.params.add, write_param, v.params)
    p.n_reduce = v.n_reduce
    p.output = c.path_bytes(v.output)
    p.max_attempts = v.max_attempts
    p.task_timeout_s = v.task_timeout_s
    p.backup_after_s = v.backup_after_s
    if v.bounds:
        p.bounds = v.bounds
    if v.steps:
        c.fill(p.steps.add, write_step, v.steps)
    if v.step:
        p.step = v.step
    if v.skip_bad_records:
        p.skip_bad_records = v.skip_bad_records
    if v.skip_bad_files:
        p.skip_bad_files = v.skip_bad_files
    if v.setup_timeout_s != 600.0:
        p.setup_timeout_s = v.setup_timeout_s


def read_job_spec(p: Any) -> m.JobSpec:
    value = m.JobSpec(
        c.name(p.job_id, "job id"),
        c.beginning(p.name, 1000),
        c.read_path(p.reference),
        p.source,
        c.read_path(p.search_path),
        tuple(map(read_param, c.several(p.params, "JobSpec.params"))),
        c.at_most(p.n_reduce, 1000000, "reduce tasks"),
        c.read_path(p.output),
        p.max_attempts,
        p.task_timeout_s,
        p.backup_after_s,
        p.bounds,
        tuple(map(read_step, c.several(p.steps, "JobSpec.steps", 1000))),
        p.step,
        p.skip_bad_records,
        p.skip_bad_files,
        p.setup_timeout_s if p.HasField("setup_timeout_s") else 600.0,
    )
    return c.sound(value, value.flaw())


def write_param(p: Any, v: Any) -> None:
    p.name = c.text(v[0])
    p.value = c.text(v[1])


def read_param(p: Any) -> Any:
    return (p.name, p.value)


def write_step(p: Any, v: m.Step) -> None:
    p.name = c.text(v.name)
    if v.params:
        c.fill(p.params.add, write_param, v.params)
    p.n_reduce = v.n_reduce
    if v.counters:
        c.fill(p.counters.add, write_counter, v.counters)


def read_step(p: Any) -> m.Step:
    return m.Step(
        c.beginning(p.name, 1000),
        tuple(map(read_param, c.several(p.params, "Step.params"))),
        c.at_most(p.n_reduce, 1000000, "reduce tasks"),
        tuple(map(read_counter, c.several(p.counters, "Step.counters"))),
    )


def write_counter(p: Any, v: Any) -> None:
    p.name = c.text(v[0])
    p.value = v[1]


def read_counter(p: Any) -> Any:
    return (p.name, p.value)


def write_heartbeat(p: Any, v: m.Heartbeat) -> None:
    p.credit = v.credit
    if v.progress:
        c.fill(p.progress.add, write_progress, v.progress)
    if v.jobs:
        p.jobs.extend([c.text(e) for e in v.jobs])


def read_heartbeat(p: Any) -> m.Heartbeat:
    return m.Heartbeat(
        c.at_most(p.credit, 1000000, "credits"),
        tuple(map(read_progress, c.several(p.progress, "Heartbeat.progress"))),
        tuple([c.name(e, "job id") for e in c.several(p.jobs, "Heartbeat.jobs")]),
    )


def write_progress(p: Any, v: m.Progress) -> None:
    p.attempt = v.attempt
    if v.records:
        p.records = v.records
    if v.bytes:
        p.bytes = v.bytes
    if v.queued:
        p.queued = v.queued
    p.fraction = v.fraction
    if v.starting:
        p.starting = v.starting


def read_progress(p: Any) -> m.Progress:
    return m.Progress(p.attempt, p.records, p.bytes, p.queued, c.fraction(p.fraction), p.starting)


def write_commit_request(p: Any, v: m.CommitRequest) -> None:
    p.job_id = c.text(v.job_id)
    p.kind = v.kind
    p.index = v.index
    p.attempt = v.attempt


def read_commit_request(p: Any) -> m.CommitRequest:
    return m.CommitRequest(p.job_id, c.member(p.kind, _TASK_KIND, "task kind"), p.index, p.attempt)


def write_map_done(p: Any, v: m.MapDone) -> None:
    p.job_id = c.text(v.job_id)
    p.index = v.index
    p.attempt = v.attempt
    p.path = c.path_bytes(v.path)
    p.stats.SetInParent()
    write_stats(p.stats, v.stats)
    if v.counters:
        c.fill(p.counters.add, write_counter, v.counters)
    if v.file is not None:
        p.file.SetInParent()
        write_output_file(p.file, v.file)
    if v.skipped:
        p.skipped = v.skipped
    if v.last_skipped:
        p.last_skipped = c.text(v.last_skipped)
    if v.skipped_files:
        p.skipped_files = v.skipped_files
    if v.input_bytes:
        p.input_bytes = v.input_bytes


def read_map_done(p: Any) -> m.MapDone:
    return m.MapDone(
        p.job_id,
        p.index,
        p.attempt,
        c.read_path(p.path),
        read_stats(p.stats),
        tuple(map(read_counter, c.several(p.counters, "MapDone.counters"))),
        read_output_file(p.file) if p.HasField("file") else None,
        p.skipped,
        c.beginning(p.last_skipped, 1000),
        p.skipped_files,
        p.input_bytes,
    )


def write_stats(p: Any, v: m.Stats) -> None:
    if v.records_in:
        p.records_in = v.records_in
    if v.bytes_in:
        p.bytes_in = v.bytes_in
    if v.records_out:
        p.records_out = v.records_out
    if v.bytes_out:
        p.bytes_out = v.bytes_out
    p.elapsed_s = v.elapsed_s


def read_stats(p: Any) -> m.Stats:
    return m.Stats(p.records_in, p.bytes_in, p.records_out, p.bytes_out, p.elapsed_s)


def write_output_file(p: Any, v: m.OutputFile) -> None:
    p.name = c.text(v.name)
    p.size_bytes = v.size_bytes
    p.checksum = c.text(v.checksum)
    if v.format:
        p.format = c.text(v.format)
    if v.key_type:
        p.key_type = c.text(v.key_type)
    if v.value_type:
        p.value_type = c.text(v.value_type)


def read_output_file(p: Any) -> m.OutputFile:
    return m.OutputFile(
        c.name(p.name, "file name"),
        p.size_bytes,
        c.beginning(p.checksum, 1000),
        c.type_name(p.format),
        c.type_name(p.key_type),
        c.type_name(p.value_type),
    )


def write_reduce_done(p: Any, v: m.ReduceDone) -> None:
    p.job_id = c.text(v.job_id)
    p.index = v.index
    p.attempt = v.attempt
    p.file.SetInParent()
    write_output_file(p.file, v.file)
    p.stats.SetInParent()
    write_stats(p.stats, v.stats)
    if v.counters:
        c.fill(p.counters.add, write_counter, v.counters)


def read_reduce_done(p: Any) -> m.ReduceDone:
    return m.ReduceDone(
        p.job_id,
        p.index,
        p.attempt,
        read_output_file(p.file),
        read_stats(p.stats),
        tuple(map(read_counter, c.several(p.counters, "ReduceDone.counters"))),
    )


def write_task_failed(p: Any, v: m.TaskFailed) -> None:
    p.job_id = c.text(v.job_id)
    p.kind = v.kind
    p.index = v.index
    p.attempt = v.attempt
    p.reason = v.reason
    p.message = c.text(v.message)
    if v.traceback:
        p.traceback = c.text(v.traceback)
    if v.lost:
        c.fill(p.lost.add, write_lost_output, v.lost)
    p.circumstances.SetInParent()
    write_circumstances(p.circumstances, v.circumstances)


def read_task_failed(p: Any) -> m.TaskFailed:
    return m.TaskFailed(
        p.job_id,
        c.member(p.kind, _TASK_KIND, "task kind"),
        p.index,
        p.attempt,
        c.member(p.reason, _FAILURE_REASON, "failure reason"),
        c.beginning(p.message, 1000),
        c.end(p.traceback, 30000),
        tuple(map(read_lost_output, c.several(p.lost, "TaskFailed.lost"))),
        read_circumstances(p.circumstances),
    )


def write_lost_output(p: Any, v: Any) -> None:
    p.index = v[0]
    p.attempt = v[1]


def read_lost_output(p: Any) -> Any:
    return (p.index, p.attempt)


def write_circumstances(p: Any, v: m.Circumstances) -> None:
    if v.exit_status is not None:
        p.exit_status = v.exit_status
    if v.signal is not None:
        p.signal = v.signal
    if v.peak_bytes:
        p.peak_bytes = v.peak_bytes
    if v.record != -1:
        p.record = v.record


def read_circumstances(p: Any) -> m.Circumstances:
    return m.Circumstances(
        p.exit_status if p.HasField("exit_status") else None,
        p.signal if p.HasField("signal") else None,
        p.peak_bytes,
        p.record if p.HasField("record") else -1,
    )


def write_check_outputs(p: Any, v: m.CheckOutputs) -> None:
    p.job_id = c.text(v.job_id)
    if v.attempts:
        p.attempts.extend(v.attempts)


def read_check_outputs(p: Any) -> m.CheckOutputs:
    return m.CheckOutputs(p.job_id, tuple(c.several(p.attempts, "CheckOutputs.attempts")))
