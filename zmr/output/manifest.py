"""The manifest of a finished job, `OUT/_SUCCESS`: written last, and read to find the output.

It is JSON: the job and its parameters, the output files with sizes and checksums, their format and
the types of keys and values, counters and totals; of a pipeline also those of each step. It is
there whole or not at all; when it is there, so are all of the files that it names.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from typing import Any, NamedTuple

from zmr.errors import OutputError
from zmr.formats.written_types import TEXT, common
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
    """The content of `_SUCCESS`: files with sizes and checksums, of which types the pairs in them
    are, counters and totals.

    Of a pipeline, counters and totals are the sums, and those of each step follow.
    """
    files = tuple(files)
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
    if output := _output_entry(files):
        manifest["output"] = output
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


def _output_entry(files: Sequence[OutputFile]) -> dict[str, str]:
    """The format of the files, and of text the types of all keys and of all values; empty if what
    a file holds is not known.
    """
    formats = {file.format for file in files}
    if len(formats) != 1 or "" in formats:
        return {}
    key_type = reduce(common, (file.key_type for file in files))
    value_type = reduce(common, (file.value_type for file in files))
    return {"format": formats.pop(), "key": key_type, "value": value_type}


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


class Manifest(NamedTuple):
    """What `_SUCCESS` says of a finished job, as far as readers of its output need it."""

    folder: str
    job: str
    files: tuple[OutputFile, ...]  # in the order of the partitions
    format: str  # the class of the job's output; "": not known, as of older outputs, which are text
    key_type: str  # of text (`zmr.formats.written_types`)
    value_type: str
    counters: dict[str, int]
    stats: Stats

    def paths(self) -> list[str]:
        """The paths of the files."""
        return [os.path.join(self.folder, file.name) for file in self.files]


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """The manifest of a finished job.

    Raises `OutputError` if the folder holds no finished output, or if what says so names files that
    no job writes. What is wrong about counters and totals alone is left out.
    """
    folder = os.fspath(folder)
    path = os.path.join(folder, SUCCESS)
    try:
        with open(path, encoding="utf-8") as success:
            manifest = json.load(success)
        files = tuple(
            OutputFile(entry["name"], int(entry["size_bytes"]), str(entry["checksum"]))
            for entry in manifest["files"]
        )
        output = {name: str(text) for name, text in manifest.get("output", {}).items()}
        job = str(manifest.get("job", ""))
    except FileNotFoundError:
        raise OutputError(f"{folder} holds no finished output (no {SUCCESS})") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or not zmr's"
        raise OutputError(f"can't read {path}: {reason}") from None
    for file in files:
        if not _is_file_name(file.name):
            raise OutputError(f"{path} names a file that no job writes: {file.name!r:.80}")
    format_name, *types = (output.get(name, "") for name in ("format", "key", "value"))
    key_type, value_type = types if format_name else (TEXT, TEXT)
    counters, stats = _counters_in(manifest), _stats_in(manifest)
    return Manifest(folder, job, files, format_name, key_type, value_type, counters, stats)


def _is_file_name(name: object) -> bool:
    return isinstance(name, str) and bool(_FILE_NAME.fullmatch(name))


def _counters_in(manifest: Any) -> dict[str, int]:
    try:
        return {str(name): int(value) for name, value in manifest["counters"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _stats_in(manifest: Any) -> Stats:
    try:
        stats = Stats(**{name: manifest["stats"][name] for name in Stats._fields})
    except (LookupError, TypeError):
        return Stats()
    return stats if all(isinstance(figure, (int, float)) for figure in stats) else Stats()
