"""The output folder: made ready before a job, claimed while it runs, and tidied up after it.

It holds:

    OUT/mr-out-<partition>     one text file a partition, each appearing whole or not at all
    OUT/_SUCCESS               the manifest (`zmr.output.manifest`), written last
    OUT/_skipped/              bad records that were left out (`zmr.output.skipped`)
    OUT/_failed/<task>/        of a job that failed: the capsule (`zmr.output.capsules`)
    OUT/_logs/                 what tasks printed: map-<n>.<attempt>.txt
    OUT/.zmr-<job>/            unfinished files of running attempts; of a pipeline, also what
                               goes from one step to the next; gone when the job is
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress

from zmr.errors import OutputError
from zmr.output.locks import is_locked, lock
from zmr.pipeline_steps import temporary_folder, whole_output

SUCCESS = "_SUCCESS"
SKIPPED = "_skipped"
FAILED = "_failed"
LOGS = "_logs"
NOT_OUTPUT = frozenset({SUCCESS, SKIPPED, FAILED, LOGS})  # what stands beside the output files
_CLAIM = os.path.basename(temporary_folder("", ""))
_held: dict[str, int] = {}  # claims that this process has locked before its job began
_OURS = re.compile(r"mr-out-\d+|_SUCCESS|_SUCCESS\.part|_skipped|_failed|_logs|\.zmr-.*")


def output_name(index: int) -> str:
    """The name of a partition's file, or of a map's in a map-only job."""
    return f"mr-out-{index}"


def log_path(folder: str, job_id: str, name: str, attempt: int) -> str:
    """Where what an attempt at the task `name` ("map-17") prints is kept.

    Of a step of a pipeline, `folder` and `job_id` are the step's.
    """
    _, _, step = job_id.partition(".")
    name = f"step-{step}-{name}" if step else name
    return os.path.join(whole_output(folder), LOGS, f"{name}.{attempt}.txt")


def prepare_output(folder: str, overwrite: bool, inputs: Iterable[str]) -> None:
    """Make the folder exist, writable, and free of earlier output.

    `inputs` are the paths that the user named. With `overwrite`, what an earlier job left is
    removed and other files stay; so is, in any case, what a job left that failed, if that is all.
    Raises `OutputError` if the folder holds anything else and `overwrite` is not given, if it is
    that of a job that runs, if it can't be written to, or if it and an input lie within one
    another.
    """
    folder = os.path.abspath(folder)
    _refuse_overlap(folder, inputs)
    try:
        os.makedirs(folder, exist_ok=True)
        names = os.listdir(folder)
        if set(names) - {FAILED, SKIPPED, LOGS} and not overwrite:
            raise OutputError(
                f"output folder {folder} {_occupied(names)}: name another, or give --overwrite"
            )
        for name in names:
            if name.startswith(_CLAIM) and is_locked(os.path.join(folder, name)):
                job = name.removeprefix(_CLAIM)
                why = f"is that of {job}, which runs"
                raise OutputError(f"output folder {folder} {why}: name another")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"can't write to the output folder {folder}: Permission denied")
        for name in filter(_OURS.fullmatch, names):
            _remove(os.path.join(folder, name))
    except FileExistsError:
        raise OutputError(f"output folder {folder} is a file: name another") from None
    except OSError as error:
        raise OutputError(f"can't use {folder} as output folder: {error.strerror}") from None


def claim_output(folder: str, job_id: str) -> None:
    """Make the prepared folder this job's, until `clean_temporary`.

    The claim is locked from the start: an unlocked one is removed by the next job with
    `--overwrite`. Raises `OutputError` if another job has claimed the folder meanwhile.
    """
    claim = temporary_folder(os.path.abspath(folder), job_id)
    try:
        os.makedirs(claim)
        held = hold_claim(os.path.abspath(folder), job_id)
        if held is not None:
            _held[claim] = held
        names = [name for name in os.listdir(folder) if name != os.path.basename(claim)]
    except OSError as error:
        raise OutputError(f"can't use {folder} as output folder: {error.strerror}") from None
    is_gone = not os.path.isdir(claim)  # removed before it was locked
    if is_gone or any(name.startswith(_CLAIM) for name in names):
        _let_go(claim)
        with suppress(OSError):
            os.rmdir(claim)
        if is_gone:
            raise OutputError(f"output folder {folder} was taken by another job: name another")
        raise OutputError(f"output folder {folder} {_occupied(names)}: name another")


def claim_of(folder: str, job_id: str) -> str:
    """The job's temporary folder, for the output folder and the id of it or of any of its steps."""
    return temporary_folder(whole_output(folder), job_id.partition(".")[0])


def is_claimed(folder: str, job_id: str) -> bool:
    """Whether this is the output folder of the job that runs, as whoever submitted it sees it.

    Of a step of a pipeline, `folder` and `job_id` are the step's.
    """
    claim = claim_of(folder, job_id)
    if os.path.isdir(claim):
        return True
    with suppress(OSError):  # a network's file system may remember that it was not there
        os.listdir(whole_output(folder))
    return os.path.isdir(claim)


def hold_claim(folder: str, job_id: str) -> int | None:
    """Lock the job's claim, by which other processes see that the job runs.

    The lock holds as long as the returned descriptor is open and this process lives. None on a disk
    without locks.
    """
    try:
        return lock(temporary_folder(folder, job_id), is_shared=True)
    except (OSError, ValueError):  # also a name that no folder can have, of a client's own making
        return None


def _let_go(claim: str) -> None:
    held = _held.pop(claim, None)
    if held is not None:
        os.close(held)


def _occupied(names: Iterable[str]) -> str:
    for name in names:
        if name.startswith(_CLAIM):
            job = name.removeprefix(_CLAIM)
            return f"is that of {job}, which runs now or was killed"
    return "is not empty"


def clean_temporary(folder: str, job_id: str) -> None:
    """Remove the unfinished files of the job's attempts, as far as that is possible.

    Of a pipeline, also those of the last step, and all that one step wrote for the next.
    """
    from shutil import rmtree

    own = os.path.basename(temporary_folder(folder, job_id))
    _let_go(temporary_folder(os.path.abspath(folder), job_id))
    with suppress(OSError):
        for name in os.listdir(folder):
            if name == own or name.startswith(own + "."):
                rmtree(os.path.join(folder, name), ignore_errors=True)


def _refuse_overlap(folder: str, inputs: Iterable[str]) -> None:
    real = os.path.realpath(folder)
    for name in inputs:
        path = os.path.realpath(name)
        if path == real or path.startswith(os.path.join(real, "")):
            raise OutputError(f"output folder {folder} holds the input {name}: name another")
        if real.startswith(os.path.join(path, "")):
            raise OutputError(
                f"output folder {folder} lies in the input {name}, "
                f"where the next run would read it: name another"
            )


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        from shutil import rmtree

        rmtree(path)
    else:
        os.unlink(path)


def sync_folder(folder: str) -> None:
    """Have the names in the folder on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
