"""Failure capsules in the output folder: where attempts leave them, and which one is kept.

An attempt that fails leaves a capsule (`zmr.tasks.capsule`) among the job's unfinished files. When
the job fails by that task, the capsule of its last attempt moves to `OUT/_failed/<task>/`.
"""

from __future__ import annotations

import os

from zmr.output.folder import FAILED
from zmr.pipeline_steps import temporary_folder


def capsule_path(folder: str, job_id: str, name: str, attempt: int) -> str:
    """Where an attempt at the task `name` ("map-17") leaves its capsule."""
    return os.path.join(temporary_folder(folder, job_id), f"failed-{name}.{attempt}")


def keep_capsule(folder: str, job_id: str, name: str, failure: str) -> None:
    """Keep the last capsule of the task `name`, by which a job failed; `failure` says why it did.

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
            file.write(failure)
    except OSError:
        pass


def _is_capsule(part: str, name: str) -> bool:
    begin, _, attempt = part.rpartition(".")
    return begin == f"failed-{name}" and attempt.isdecimal()


def list_capsules(folder: str) -> list[str]:
    """The paths of the capsules in an output folder."""
    failed = os.path.join(folder, FAILED)
    try:
        return [os.path.join(failed, name) for name in sorted(os.listdir(failed))]
    except OSError:
        return []
