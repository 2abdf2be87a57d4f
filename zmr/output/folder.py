"""The output folder: made ready before a job, declared complete after it, and read again.

It holds:

    OUT/mr-out-<partition>     one text file a partition, each appearing whole or not at all
    OUT/_SUCCESS               JSON, written last: when it is there, all of the files are
    OUT/_skipped/              bad records that were left out (`zmr.output.skipped`)
    OUT/_failed/<task>/        of a job that failed: what it takes to run that task again
    OUT/.zmr-<job>/            unfinished files of running attempts; of a pipeline, also what
                               goes from one step to the next; gone when the job is
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zmr.errors import OutputError
from zmr.messages import Counters, OutputFile, Stats
from zmr.output.locks import is_locked, lock
from zmr.steps import temporary_folder

if TYPE_CHECKING:
    from zmr.steps import StepDone

SUCCESS = "_SUCCESS"
SKIPPED = "_skipped"
FAILED = "_failed"
NO_INPUT = frozenset({SUCCESS, SKIPPED, FAILED})  # what is in an output folder beside the output
_CLAIM = os.path.basename(temporary_folder("", ""))
_OURS = re.compile(r"mr-out-\d+|_SUCCESS|_SUCCESS\.part|_skipped|_failed|\.zmr-.*")


def output_name(index: int) -> str:
    """The name of a partition's file, or of a map's in a map-only job."""
    return f"mr-out-{index}"


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
        if set(names) - {FAILED, SKIPPED} and not overwrite:
            raise OutputError(
                f"output folder {folder} {_why_not(names)}: name another, or give --overwrite"
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
    """Have the prepared folder be this job's, until `clean_temporary`.

    Raises `OutputError` if another job has claimed it meanwhile.
    """
    claim = temporary_folder(os.path.abspath(folder), job_id)
    try:
        os.makedirs(claim)
        names = [name for name in os.listdir(folder) if name != os.path.basename(claim)]
    except OSError as error:
        raise OutputError(f"can't use {folder} as output folder: {error.strerror}") from None
    if any(name.startswith(_CLAIM) for name in names):
        with suppress(OSError):
            os.rmdir(claim)
        raise OutputError(f"output folder {folder} {_why_not(names)}: name another")


def hold_claim(folder: str, job_id: str) -> int | None:
    """Show others that the job runs, as long as the returned descriptor is open, or this process
    lives. None where that can't be shown, as on a disk without locks.
    """
    try:
        return lock(temporary_folder(folder, job_id))
    except OSError:
        return None


def _why_not(names: Iterable[str]) -> str:
    for name in names:
        if name.startswith(_CLAIM):
            job = name.removeprefix(_CLAIM)
            return f"is that of {job}, which runs now or was killed"
    return "is not empty"


def success_manifest(
    job: str,
    params: Iterable[tuple[str, str]],
    files: Iterable[OutputFile],
    counters: Counters,
    stats: Stats,
    steps: Sequence[StepDone] = (),
) -> dict[str, Any]:
    """What `_SUCCESS` says of a job: its files with sizes and checksums, counters and totals.

    Of a pipeline, these are the sums, and those of each step follow.
    """
    manifest: dict[str, Any] = {
        "job": job,
        "params": dict(params),
        "files": [
            {"name": file.name, "size_bytes": file.size_bytes, "checksum": file.checksum}
            for file in sorted(files, key=lambda file: int(file.name.rpartition("-")[2]))
        ],
        "counters": dict(counters),
        "stats": _told(stats),
    }
    if steps:
        manifest["steps"] = [
            {"job": step.name, "counters": dict(step.counters), "stats": _told(stats_of(step))}
            for step in steps
        ]
    return manifest


def stats_of(done: StepDone) -> Stats:
    """The totals, with the time that map and reduce have taken together."""
    totals = done.totals
    return Stats(
        totals.records_in,
        totals.bytes_in,
        totals.records_out,
        totals.bytes_out,
        totals.map_s + totals.reduce_s,
    )


def _told(stats: Stats) -> dict[str, float]:
    return {
        "records_in": stats.records_in,
        "bytes_in": stats.bytes_in,
        "records_out": stats.records_out,
        "bytes_out": stats.bytes_out,
        "elapsed_s": round(stats.elapsed_s, 3),
    }


def require_files(folder: str, files: Iterable[OutputFile]) -> None:
    """Raise `OutputError` if one of the files isn't in the folder any more, or has another size."""
    for file in files:
        try:
            size_bytes = os.stat(os.path.join(folder, file.name)).st_size
        except OSError as error:
            found = error.strerror
        else:
            if size_bytes == file.size_bytes:
                continue
            found = f"{size_bytes:,} bytes, not {file.size_bytes:,}"
        raise OutputError(
            f"the output folder {folder} was changed while the job ran: {file.name}: {found}"
        )


def write_success(folder: str, manifest: Mapping[str, Any]) -> None:
    """Declare the output complete. `_SUCCESS` is there whole or not at all."""
    path = os.path.join(folder, SUCCESS)
    try:
        with open(path + ".part", "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(manifest, file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".part", path)
    except OSError:
        with suppress(OSError):
            os.unlink(path + ".part")
        raise
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    """Have the names in the folder on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean_temporary(folder: str, job_id: str) -> None:
    """Remove what the job's attempts left unfinished, as far as that is possible.

    Of a pipeline, that of the last step too, and with the folder of the whole what went from one
    step to the next.
    """
    from shutil import rmtree

    own = os.path.basename(temporary_folder(folder, job_id))
    with suppress(OSError):
        for name in os.listdir(folder):
            if name == own or name.startswith(own + "."):
                rmtree(os.path.join(folder, name), ignore_errors=True)


def capsule_part(folder: str, job_id: str, name: str, attempt: int) -> str:
    """Where an attempt at the task `name` ("map-17") leaves its capsule."""
    return os.path.join(temporary_folder(folder, job_id), f"failed-{name}.{attempt}")


def keep_capsule(folder: str, job_id: str, name: str, told: str) -> None:
    """Of the capsules of the task by which a job failed, keep the last, with what is `told` of it.

    There need not be any, and nothing depends on it: errors are ignored.
    """
    temporary = temporary_folder(folder, job_id)
    try:
        parts = [part for part in os.listdir(temporary) if _is_capsule(part, name)]
        if not parts:
            return
        last = max(parts, key=lambda part: int(part.rpartition(".")[2]))
        final = os.path.join(folder, FAILED, name)
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(os.path.join(temporary, last), final)
        path = os.path.join(final, "failure.txt")
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(told)
    except OSError:
        pass


def _is_capsule(part: str, name: str) -> bool:
    begin, _, attempt = part.rpartition(".")
    return begin == f"failed-{name}" and attempt.isdecimal()


def capsules(folder: str) -> list[str]:
    """The capsules in an output folder."""
    failed = os.path.join(folder, FAILED)
    try:
        return [os.path.join(failed, name) for name in sorted(os.listdir(failed))]
    except OSError:
        return []


def output_files(folder: str | os.PathLike[str]) -> list[str]:
    """The paths of a finished job's files, in the order of the partitions.

    Raises `OutputError` if the folder holds no finished output.
    """
    try:
        with open(os.path.join(folder, SUCCESS), encoding="utf-8") as file:
            names = [entry["name"] for entry in json.load(file)["files"]]
    except (OSError, ValueError, LookupError, TypeError):
        raise OutputError(f"{os.fspath(folder)} holds no finished output (no {SUCCESS})") from None
    return [os.path.join(folder, name) for name in names]


def read_output(folder: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """The (key, value) pairs of a finished job's output, as text, in the order of the partitions.

    Raises `OutputError` if the folder holds no finished output.
    """
    from zmr.formats.text import decode_lines

    for path in output_files(folder):
        with open(path, "rb") as lines:
            yield from decode_lines(lines)


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
