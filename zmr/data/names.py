"""What files are called by which several parts of zmr know them."""

from __future__ import annotations


def map_output_name(job_id: str, index: int, attempt: int) -> str:
    """The map output of this attempt, in the folder of its job."""
    return f"{job_id}-map-{index}-{attempt}"
