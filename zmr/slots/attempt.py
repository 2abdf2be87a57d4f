"""One attempt at a task, whatever process it runs in: the job loaded, and all that can go wrong
with either as the message that a master gets.
"""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

from zmr.errors import Ended, JobError
from zmr.job import Job
from zmr.job_loader import is_file, load_job, split_reference
from zmr.messages import (
    Circumstances,
    FailureReason,
    JobSpec,
    MapDone,
    ReduceDone,
    Task,
    TaskFailed,
    TaskKind,
)
from zmr.module_loader import let_others_import
from zmr.slots.current_record import CurrentRecord
from zmr.slots.linux import peak_bytes
from zmr.tasks.capsule import OpenSources, keep_capsule
from zmr.tasks.commit import require_output_folder
from zmr.tasks.context import TaskContext
from zmr.tasks.errors import TaskError, user_error, users_traceback, worker_error
from zmr.tasks.line_counts import with_line_counts
from zmr.tasks.progress import TaskProgress

# What an error may bring along: enough for any person, too little to burst a frame.
_MESSAGE_CHARS = 1000
_TRACEBACK_CHARS = 30_000
_MOST_LOST = 100_000  # map outputs that can't be read; of others the next attempt tells

# Cyclic garbage of user code is freed every so many allocated containers, looking at these only.
# That costs nothing that can be measured; with Python's own settings, building large lists and
# dicts takes several times as long, as all of them are looked through again and again.
_GC_THRESHOLDS = (100_000, 1000, 1000)

_MODULES = ".modules"  # in the job's folder

Result = MapDone | ReduceDone | TaskFailed


def load(spec: JobSpec) -> Job | TaskError:
    """The job, or what each of its tasks is answered with."""
    try:
        return load_job(spec)
    except JobError as error:
        cause = error.__cause__
        return TaskError(
            FailureReason.BAD_JOB, str(error), users_traceback(cause) if cause is not None else ""
        )
    except BaseException as error:
        return user_error(error, "loading the job")


def show_to_others(spec: JobSpec, folder: str) -> str:
    """Have processes that the job's code starts find the job's module, if it was given as a file.

    Returns the folder within `folder` that sys.path has for that, if any.
    """
    if not is_file(spec):
        return ""
    path, _ = split_reference(spec.reference)
    modules = os.path.join(folder, _MODULES)
    with suppress(OSError):  # the map that can't write there says so
        let_others_import(path, spec.source, spec.search_path, modules)
    return modules


def collect_garbage_of_tasks() -> None:
    """Set Python's garbage collection for a process that runs tasks."""
    gc.enable()
    gc.set_threshold(*_GC_THRESHOLDS)


def run_attempt(
    job: Job | TaskError,
    spec: JobSpec,
    task: Task,
    context: TaskContext,
    run: Callable[[Job, Task], MapDone | ReduceDone | None],
    open_sources: OpenSources,
) -> Result:
    """What comes of `run`, which runs the task; None is that its commit was refused.

    Raises nothing but `Ended`.
    """
    try:
        if isinstance(job, TaskError):
            raise job
        require_output_folder(task)
        task = with_line_counts(job, task)
        with keep_capsule(spec, task, context, open_sources):
            done = run(job, task)
            if done is None:
                reason = FailureReason.WORKER_ERROR
                raise TaskError(reason, "commit refused: another attempt had it")
            return done
    except TaskError as error:
        return failed(task, error, context.progress)
    except Ended:
        raise
    except Exception as error:
        return failed(task, _bug(error), context.progress)
    except BaseException as error:  # sys.exit() in user code, for one
        error = user_error(error, f"in {task.kind.label} {task.index}")
        return failed(task, error, context.progress)


@contextmanager
def keeping_record(context: TaskContext, folder: str, task: Task) -> Iterator[TaskContext]:
    """The context for a map. If bad records may be left out, a file in the folder says at which one
    it is, for whoever finds the process dead. Raises `TaskError`.
    """
    if not context.skip_bad_records:
        yield context
        return
    try:
        current_record = CurrentRecord(folder, task.attempt)
    except OSError as error:
        raise worker_error(error, f"writing to {folder}") from error
    with closing(current_record):
        yield replace(context, at_record=current_record.enter)


def failed(task: Task, error: TaskError, progress: TaskProgress) -> TaskFailed:
    """The message for an attempt that failed by this error."""
    is_of_record = task.kind is TaskKind.MAP and error.reason is FailureReason.USER_ERROR
    record = progress.read()[0] - 1 if is_of_record else -1
    return TaskFailed(
        task.job_id,
        task.kind,
        task.index,
        task.attempt,
        error.reason,
        error.message[:_MESSAGE_CHARS],
        error.traceback[-_TRACEBACK_CHARS:],
        error.lost[:_MOST_LOST],
        Circumstances(peak_bytes=peak_bytes(), record=record),
    )


def _bug(error: Exception) -> TaskError:
    lines = traceback.format_exception(error)
    return TaskError(FailureReason.WORKER_ERROR, lines[-1].strip(), "".join(lines))
