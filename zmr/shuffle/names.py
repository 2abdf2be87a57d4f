"""The names of files of which more than one part of zmr must know."""

from __future__ import annotations


def map_output_name(job_id: str, index: int, attempt: int) -> str:
    """The map output of this attempt, in the folder of its job."""
    return f"{job_id}-map-{index}-{attempt}"


def current_record_name(attempt: int) -> str:
    """Where a map that skips bad records notes its current one, in the folder of its job."""
    return f"current-record-{attempt}"
