"""What a user can choose about a job, and about this machine's part in it."""

from __future__ import annotations

from dataclasses import dataclass

from zmr.errors import UsageError
from zmr.job_loader import JobSource


@dataclass(frozen=True, slots=True)
class JobSettings:
    """A job's parameters, as the user wrote them, and the limits that it runs under."""

    params: tuple[tuple[str, str], ...] = ()
    overwrite: bool = False
    max_attempts: int = 4
    task_timeout_s: float = 30.0
    setup_timeout_s: float = 600.0
    backup_after_s: float = 2.0  # infinite: no backup tasks
    skip_bad_records: int = 0
    skip_bad_files: int = 0
    hidden_files: bool = False  # whether they are read, too


@dataclass(frozen=True, slots=True)
class JobOptions:
    """A job as the user asks for it."""

    job: str
    inputs: tuple[str, ...]
    output: str
    n_reduce: int
    settings: JobSettings = JobSettings()
    given: JobSource | None = None  # the job, where it is given as an object


@dataclass(frozen=True, slots=True)
class SlotOptions:
    """The slots of this machine: how many, what a task in one may use (0: no limit), where
    temporary files are kept (None: in the system's folder for temporary files), and whether their
    reduces fetch map outputs over the network even from this machine.
    """

    slots: int
    memory_bytes: int = 0
    local_dir: str | None = None
    no_direct_read: bool = False


LEAST_MEMORY_BYTES = 40 << 20  # even a trivial task needs that much


def size_of(text: int | str) -> int:
    """The bytes of a size as people write it: 512M, 2G. Raises `UsageError`."""
    if isinstance(text, int):
        size_bytes = text
    else:
        number = text.strip().upper().removesuffix("B").removesuffix("I")
        factor = 1024 ** ("KMGT".index(number[-1]) + 1) if number[-1:] in tuple("KMGT") else 1
        try:
            size_bytes = int(float(number.rstrip("KMGT")) * factor)
        except (ValueError, OverflowError):
            size_bytes = -1
    if not 0 <= size_bytes < 1 << 63:
        raise UsageError(f"{text!r} is no size: write something like 512M or 2G")
    return size_bytes
