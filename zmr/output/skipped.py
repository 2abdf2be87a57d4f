"""Records and input files that a job skipped, as files beside its output:
`OUT/_skipped/map-<n>.jsonl`.

An attempt at a map task writes those of its task, a JSON object a line, among the job's unfinished
files. When the job is done, the files of the attempts that counted move to `OUT/_skipped/`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO

from zmr.output.folder import SKIPPED
from zmr.pipeline_steps import temporary_folder

SKIPPED_COUNTER = "records skipped"
SKIPPED_FILES_COUNTER = "files skipped"

_RECORD_CHARS = 1 << 20


class SkippedFile:
    """What one attempt skips. The file is made when there is a first record or input file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: TextIO | None = None

    @staticmethod
    def of_attempt(output: str, job_id: str, index: int, attempt: int) -> SkippedFile:
        """The file of an attempt at the map task `index`."""
        return SkippedFile(_path_of_attempt(output, job_id, index, attempt))

    def add(self, place: str, record: Any, error: str, traceback: str) -> None:
        """Append a record; `place` is where it stands in the input. Raises OSError."""
        row = {"place": place, "error": error, "record": _as_text(record), "traceback": traceback}
        self._append(row)

    def add_file(self, path: str, error: str) -> None:
        """Append an input file. Raises OSError."""
        self._append({"file": path, "error": error})

    def finish(self) -> None:
        """Flush the file to the disk and close it, if that is not done yet. Raises OSError."""
        if self._file is not None and not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _append(self, row: dict[str, str]) -> None:
        if self._file is None:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._file = open(  # noqa: SIM115  # until `finish`
                self._path, "w", encoding="utf-8", errors="backslashreplace"
            )
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def discard(self) -> None:
        """Remove the file: the attempt does not count."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                os.unlink(self._path)


def skipped_name(index: int) -> str:
    """The name of the file with the records that the map task `index` skipped."""
    return f"map-{index}.jsonl"


def keep_skipped(output: str, job_id: str, winners: Iterable[tuple[int, int]]) -> None:
    """Move what the attempts `winners`, as (map, attempt), skipped to `OUT/_skipped/`.

    May be repeated, as by a master that was restarted. Raises OSError.
    """
    for index, attempt in winners:
        os.makedirs(os.path.join(output, SKIPPED), exist_ok=True)
        final = os.path.join(output, SKIPPED, skipped_name(index))
        try:
            os.replace(_path_of_attempt(output, job_id, index, attempt), final)
        except FileNotFoundError:
            if not os.path.exists(final):  # moved before the master crashed
                raise


def read_skipped(output: str) -> list[dict[str, str]]:
    """What the finished job skipped: place, error, record and traceback of each record; of each
    input file, file and error.
    """
    folder = os.path.join(output, SKIPPED)
    rows: list[dict[str, str]] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in sorted(os.listdir(folder), key=lambda name: (len(name), name)):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                rows += map(json.loads, file)
    return rows


def skipped_files(output: str) -> list[str]:
    """The paths of the input files that the finished job skipped."""
    return [row["file"] for row in read_skipped(output) if "file" in row]


def _path_of_attempt(output: str, job_id: str, index: int, attempt: int) -> str:
    return os.path.join(temporary_folder(output, job_id), f"skipped-{index}.{attempt}")


def _as_text(record: Any) -> str:
    try:
        return (record if isinstance(record, str) else repr(record))[:_RECORD_CHARS]
    except Exception as error:  # of the record's own repr
        return f"<{type(record).__name__}, whose repr raises {type(error).__name__}>"
