"""How a master and a worker work: limits, times, and when they end."""

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
    reports_outcomes: bool = False  # the shell has each, and says why a job has failed
    keeps_jobs: bool = False  # StopRequested ends the master, not its jobs
    split_bytes: int = SPLIT_BYTES


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    name: str
    host: str
    pid: int
    slots: int
    folder: str  # each job's map outputs are in a folder of its own in here
    master: str  # its address, for people
    memory_bytes: int = 0  # what one task may use; 0: no limit
    death_timeout_s: float = 300.0  # the worker ends when its master is silent for so long
    drain_timeout_s: float = 20.0  # it stops so much later, if others may read its map outputs
    shuffle_address: str = ""  # where its map outputs are served
    no_direct_read: bool = False  # its reduces fetch all map outputs, also those of this host
    syncs_late: bool = False  # of many output files, the master has all on the disk at the end
