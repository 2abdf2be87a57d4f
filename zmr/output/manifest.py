"""The manifest of a finished job, `OUT/_SUCCESS`: written last, and read to find the output.

It is JSON: the job and its parameters, the output files with sizes and checksums, counters and
totals; of a pipeline also those of each step. It is there whole or not at all; when it is there, so
are all of the files that it names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from zmr.errors import OutputError
from zmr.messages import Counters, OutputFile, Stats
from zmr.output.folder import SUCCESS, sync_folder
from zmr.pipeline_steps import StepDone

_FILE_NAME = re.compile(r"[\w-][\w.-]*")


def success_manifest(
    job: str,
    params: Iterable[tuple[str, str]],
    files: Iterable[OutputFile],
    counters: Counters,
    stats: Stats,
    steps: Sequence[StepDone] = (),
) -> dict[str, Any]:
    """The content of `_SUCCESS`: files with sizes and checksums, counters and totals.

    Of a pipeline, counters and totals are the sums, and those of each step follow.
    """
    manifest: dict[str, Any] = {
        "job": job,
        "params": dict(params),
        "files": [
            {"name": file.name, "size_bytes": file.size_bytes, "checksum": file.checksum}
            for file in sorted(files, key=lambda file: int(file.name.rpartition("-")[2]))
        ],
        "counters": dict(counters),
        "stats": _stats_entry(stats),
    }
    if steps:
        manifest["steps"] = [
            {
                "job": step.name,
                "counters": dict(step.counters),
                "stats": _stats_entry(stats_of(step)),
            }
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


def _stats_entry(stats: Stats) -> dict[str, float]:
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
    """Declare the output complete. `_SUCCESS` is there whole or not at all, and after all files."""
    path = os.path.join(folder, SUCCESS)
    try:
        sync_folder(folder)  # the names of all files, which none of them has waited for
        with suppress(FileNotFoundError):  # of a master that was killed
            os.unlink(path + ".part")
        # In a folder where others may write, nobody's link of that name is followed.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path + ".part", flags, 0o666)
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
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


def output_files(folder: str | os.PathLike[str]) -> list[str]:
    """The paths of a finished job's files, in the order of the partitions.

    Raises `OutputError` if the folder holds no finished output, or if what says so names files that
    no job writes.
    """
    try:
        names = [entry["name"] for entry in _read(folder)["files"]]
    except FileNotFoundError:
        raise OutputError(f"{os.fspath(folder)} holds no finished output (no {SUCCESS})") from None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or not zmr's"
        raise OutputError(f"can't read {os.path.join(folder, SUCCESS)}: {reason}") from None
    for name in names:
        if not (isinstance(name, str) and _FILE_NAME.fullmatch(name)):
            raise OutputError(
                f"{os.path.join(folder, SUCCESS)} names a file that no job writes: {name!r:.80}"
            )
    return [os.path.join(folder, name) for name in names]


def read_counters(folder: str) -> dict[str, int]:
    """The counters of a finished job, as far as they can be read."""
    try:
        return {str(name): int(value) for name, value in _read(folder)["counters"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def read_stats(folder: str) -> Stats:
    """What a finished job has read and written, as far as that can be read."""
    try:
        return Stats(**{name: _read(folder)["stats"][name] for name in Stats._fields})
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return Stats()


def _read(folder: str | os.PathLike[str]) -> Any:
    with open(os.path.join(folder, SUCCESS), encoding="utf-8") as file:
        return json.load(file)


def read_output(folder: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """The (key, value) pairs of a finished job's output, as text, in the order of the partitions.

    Raises `OutputError` if the folder holds no finished output.
    """
    from zmr.formats.text import decode_lines

    for path in output_files(folder):
        with open(path, "rb") as lines:
            yield from decode_lines(lines)
