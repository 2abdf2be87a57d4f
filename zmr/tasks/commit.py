"""Writing one file of the job's output and committing it: what reduce and map-only tasks share."""

from __future__ import annotations

from collections.abc import Iterator
from socket import gethostname
from typing import Any

from zmr.formats.output_writer import OutputWriter
from zmr.messages import FailureReason, OutputFile, Task
from zmr.output.durable_file import MANY_FILES
from zmr.output.folder import is_claimed, output_name
from zmr.output.partition_file import PartitionFile
from zmr.pipeline_steps import whole_output
from zmr.tasks.context import TaskContext
from zmr.tasks.errors import TaskError, worker_error


def require_output_folder(task: Task) -> None:
    """Raise `TaskError` if this machine does not see the output folder as the submitter did.

    Otherwise all of the work would be done, and its result be on another disk.
    """
    if not is_claimed(task.output, task.job_id):
        raise TaskError(
            FailureReason.WORKER_ERROR,
            f"the output folder {whole_output(task.output)} is not on a disk that {gethostname()} "
            "shares with where the job was submitted, or somebody has emptied it",
        )


def write_and_commit(
    task: Task,
    pieces: Iterator[tuple[Any, int]],
    writer: OutputWriter,
    context: TaskContext,
) -> tuple[OutputFile, int] | None:
    """Write the pieces, ask, and publish: the file and the number of its records.

    A piece is some bytes and how many records they hold. None if the commit is refused: another
    attempt has it, and nothing of this one is left. Raises `TaskError`.
    """
    doing = f"writing the output to {task.output}"
    try:
        file = PartitionFile(task.output, task.job_id, output_name(task.index), task.attempt)
    except OSError as error:
        raise worker_error(error, doing) from error
    n_records = 0
    try:
        for data, n in pieces:
            n_records += n
            context.progress.advance_bytes(len(data))
            try:
                file.write(data)
            except OSError as error:
                raise worker_error(error, doing) from error
            del data  # it makes room for the next
        try:
            file.write(writer.footer(file.name))
            is_synced = not context.syncs_late or task.n_reduce <= MANY_FILES
            file.finish(is_synced and writer.output.is_durable)
        except OSError as error:
            raise worker_error(error, doing) from error
        if not context.commit():
            return None
        try:
            published = file.publish()
        except OSError as error:
            raise worker_error(error, doing) from error
        # Where another attempt's file is there already, its pairs may be others.
        return writer.described(published, is_own=published == file.written()), n_records
    finally:
        file.discard()
