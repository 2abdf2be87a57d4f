"""What a client submits, to protobuf and back: jobs, their steps, their inputs.

As in `zmr.wire.records`, of which this is a part.
"""

from __future__ import annotations

from typing import Any

from zmr import messages as m
from zmr.wire import zmr_pb2 as pb
from zmr.wire.records import MAX_REDUCE, BadFrame, bounded, name, path, read_path, several, text

MAX_STEPS = 1_000


def params(params: tuple[tuple[str, str], ...]) -> list[pb.Param]:
    return [pb.Param(name=text(name), value=text(value)) for name, value in params]


def read_params(params: Any) -> tuple[tuple[str, str], ...]:
    return tuple((param.name, param.value) for param in params)


def step(step: m.Step) -> pb.Step:
    return pb.Step(name=text(step.name), params=params(step.params), n_reduce=step.n_reduce)


def read_step(step: pb.Step) -> m.Step:
    n_reduce = bounded(step.n_reduce, MAX_REDUCE, "reduce tasks")
    return m.Step(step.name, read_params(step.params), n_reduce)


def spec(spec: m.JobSpec) -> pb.JobSpec:
    return pb.JobSpec(
        job_id=spec.job_id,
        name=text(spec.name),
        reference=path(spec.reference),
        source=spec.source,
        search_path=path(spec.search_path),
        params=params(spec.params),
        n_reduce=spec.n_reduce,
        output=path(spec.output),
        max_attempts=spec.max_attempts,
        task_timeout_s=spec.task_timeout_s,
        backup_after_s=spec.backup_after_s,
        bounds=spec.bounds,
        steps=[step(each) for each in spec.steps],
        step=spec.step,
        skip_bad_records=spec.skip_bad_records,
    )


def read_spec(spec: pb.JobSpec) -> m.JobSpec:
    if spec.max_attempts < 1 or not spec.task_timeout_s > 0 or not spec.backup_after_s >= 0:
        raise BadFrame("a job with limits that make no sense")
    steps = bounded(len(spec.steps), MAX_STEPS, "steps")
    if steps and spec.skip_bad_records:
        raise BadFrame("a pipeline that leaves out bad records")
    if steps and not spec.step:
        name(f"{spec.job_id}.{steps}", "job id")  # of the last step
    return m.JobSpec(
        job_id=name(spec.job_id, "job id"),
        name=spec.name,
        reference=read_path(spec.reference),
        source=spec.source,
        search_path=read_path(spec.search_path),
        params=read_params(spec.params),
        n_reduce=bounded(spec.n_reduce, MAX_REDUCE, "reduce tasks"),
        output=read_path(spec.output),
        max_attempts=spec.max_attempts,
        task_timeout_s=spec.task_timeout_s,
        backup_after_s=spec.backup_after_s,
        bounds=spec.bounds,
        steps=tuple(map(read_step, spec.steps)),
        step=bounded(spec.step, steps, "as the number of a step"),
        skip_bad_records=spec.skip_bad_records,
    )


def submit(submit: m.Submit) -> pb.Submit:
    return pb.Submit(
        spec=spec(submit.spec),
        inputs=[
            pb.InputFile(
                path=path(file.path), size_bytes=file.size_bytes, splittable=file.splittable
            )
            for file in submit.inputs
        ],
    )


def read_submit(submit: pb.Submit) -> m.Submit:
    return m.Submit(read_spec(submit.spec), read_inputs(several(submit.inputs, "input files")))


def read_inputs(inputs: Any) -> tuple[m.InputFile, ...]:
    return tuple(
        m.InputFile(read_path(file.path), file.size_bytes, file.splittable) for file in inputs
    )
