"""A cluster in one process and on a fake clock: the production cores and codec, the rest simulated.

Time passes from one event, or one deadline of a machine, to the next, so a job of an hour takes
milliseconds. Every frame is encoded and decoded on its way. After every step all machines are
checked by `validate`.
"""

from simulation.invariants import validate, validate_worker

from support.simulated.chaos import Chaos
from support.simulated.cluster import Cluster
from support.simulated.network import LATENCY_S, Network
from support.simulated.slot import Work
from support.simulated.worker import SimulatedWorker

__all__ = [
    "LATENCY_S",
    "Chaos",
    "Cluster",
    "Network",
    "SimulatedWorker",
    "Work",
    "validate",
    "validate_worker",
]
