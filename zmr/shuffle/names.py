"""What files are called by which several parts of zmr know them."""

from __future__ import annotations


def map_output_name(job_id: str, index: int, attempt: int) -> str:
    """The map output of this attempt, in the folder of its job."""
    return f"{job_id}-map-{index}-{attempt}"


def under_way_name(attempt: int) -> str:
    """Where a map that skips bad records keeps which one it is at, in the folder of its job."""
    return f"under-way-{attempt}"
