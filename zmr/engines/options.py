"""What a user can choose about a job, and about this machine's part in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobOptions:
    """A job as the user asks for it, with the limits that it runs under."""

    job: str
    inputs: tuple[str, ...]
    output: str
    n_reduce: int
    params: tuple[tuple[str, str], ...] = ()
    overwrite: bool = False
    max_attempts: int = 4
    task_timeout_s: float = 30.0
    backup_after_s: float = 10.0


@dataclass(frozen=True, slots=True)
class LocalOptions:
    slots: int
    memory_bytes: int = 0
    local_dir: str | None = None
