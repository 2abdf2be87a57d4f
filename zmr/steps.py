"""What all rooms know of the steps of a job: where their files are, and what each has done.

A job that is no pipeline is its only step.
"""

from __future__ import annotations

from dataclasses import dataclass

from zmr.messages import Counters


def temporary_folder(folder: str, job_id: str) -> str:
    """Where a job keeps, within its output folder, what is not committed yet."""
    return f"{folder.rstrip('/')}/.zmr-{job_id}"


def whole_output(folder: str) -> str:
    """The output folder of the whole, for that of any step."""
    above, mark, rest = folder.rpartition("/.zmr-")
    return above if mark and rest.count("/") == 1 else folder


@dataclass(frozen=True, slots=True)
class Totals:
    """What all tasks of a job did, each counted once."""

    records_in: int = 0
    bytes_in: int = 0
    records_out: int = 0
    bytes_out: int = 0
    map_s: float = 0.0  # from the first hand-out to the last completion of the phase
    reduce_s: float = 0.0


NO_TOTALS = Totals()


@dataclass(frozen=True, slots=True)
class StepDone:
    """What a step of a pipeline has done."""

    name: str
    counters: Counters
    totals: Totals
