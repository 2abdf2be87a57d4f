"""A story that a test tells of a few simulated machines: those of the seeded simulation.

Time passes from one event to the next, so a job of an hour takes milliseconds. Every frame is
encoded and decoded on its way. After every step all machines are checked by `validate`.
"""

from simulation.machines.invariants import validate, validate_worker
from simulation.machines.work import Work

from support.story.cluster import Cluster
from support.story.network import LATENCY_S, StoryNetwork

__all__ = ["LATENCY_S", "Cluster", "StoryNetwork", "Work", "validate", "validate_worker"]
