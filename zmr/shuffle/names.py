"""The names of files of which more than one part of zmr must know."""

from __future__ import annotations


def map_output_name(job_id: str, index: int, attempt: int) -> str:
    """The map output of this attempt, in the folder of its job."""
    return f"{job_id}-map-{index}-{attempt}"


def partition_name(name: str, partition: int) -> str:
    """One partition of the map output of this name, where it is by itself."""
    return f"{name}.{partition}"
