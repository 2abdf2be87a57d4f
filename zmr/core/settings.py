"""How a master works: limits, times, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass

from zmr.core.plan import SPLIT_BYTES
from zmr.core.scheduler import BACKUP_FRACTION


@dataclass(frozen=True, slots=True)
class MasterSettings:
    heartbeat_interval_s: float = 1.0
    suspect_after_s: float = 2.5
    lost_after_s: float = 5.0
    backup_fraction: float = BACKUP_FRACTION
    take_back_after_s: float = 2.0  # a task that waits in a busy worker's queue for so long
    leave_grace_s: float = 3.0  # how long it waits for workers to exit
    worker_timeout_s: float | None = None  # a job fails when it has no worker for so long
    one_job: bool = False  # end when the first job has ended
    keeps_jobs: bool = False  # StopRequested ends the master, not its jobs
    split_bytes: int = SPLIT_BYTES
