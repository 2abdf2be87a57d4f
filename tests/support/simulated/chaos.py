"""A cluster to which things happen in its first minute; after that nothing new goes wrong."""

from __future__ import annotations

import random

from support.simulated.cluster import Cluster
from support.simulated.network import LATENCY_S
from support.simulated.slot import Work
from support.simulated.worker import SimulatedWorker
from zmr import messages as m
from zmr.core.settings import MasterSettings

FAULTS_S = 60.0


class Chaos:
    """A cluster to which things happen, all drawn from one seed.

    With `restarts`, its master has a journal, and dies and is started again now and then.
    """

    def __init__(self, seed: int, *, restarts: bool = False) -> None:
        self.rng = rng = random.Random(seed)
        self.cluster = Cluster(
            workers=rng.randint(1, 4),
            slots=rng.randint(1, 3),
            settings=MasterSettings(take_back_after_s=rng.choice([0.5, 2.0])),
            death_timeout_s=1e6,
            journal=restarts,
        )
        self.loss, self.doubling, self.lateness = (rng.choice([0, 0.02, 0.2]) for _ in range(3))
        self.quiet_after = self.cluster.now + FAULTS_S
        self.cluster.network.rules.append(self.fate)
        self.cluster.work_for = self.work  # type: ignore[method-assign]
        self.quick = rng.random() < 0.3  # so that workers hold tasks in reserve
        self.maps, self.reduces = rng.randint(0, 90 if self.quick else 9), rng.randint(0, 4)
        for _ in range(rng.choice([0, 3, 12])):
            self.cluster.later(rng.random() * (1.0 if self.quick else 20.0), self.accident)
        self.deaths_left = rng.choice([1, 5, 20]) if restarts else 0
        self.deadliness = rng.choice([0.003, 0.03, 0.2])  # of each turn
        if restarts:
            self.cluster.dies_after_writing = self.master_dies  # type: ignore[method-assign]
            for _ in range(self.deaths_left):
                self.cluster.later(rng.random() * 20.0, self.kill_master)

    def kill_master(self) -> None:
        """Between two turns."""
        if self.cluster.master_is_up:
            self.cluster.crash_master()
            self.cluster.later(self.rng.choice([0.1, 2.0, 10.0]), self.cluster.restart_master)

    def master_dies(self) -> bool:
        """In the middle of a turn."""
        if not self.deaths_left or self.is_quiet or self.rng.random() > self.deadliness:
            return False
        self.deaths_left -= 1
        self.cluster.later(self.rng.choice([0.1, 2.0, 10.0]), self.cluster.restart_master)
        return True

    @property
    def is_quiet(self) -> bool:
        return self.cluster.now >= self.quiet_after

    def fate(self, peer: bytes, to_master: bool, frame: m.Frame) -> list[float] | None:
        rng = self.rng
        if self.is_quiet:
            return None
        if rng.random() < self.loss:
            return []
        late_s = rng.choice([0.01, 1.0, 8.0]) if rng.random() < self.lateness else 0.0
        delays_s = [LATENCY_S + late_s]
        return delays_s * 2 if rng.random() < self.doubling else delays_s

    def work(self, task: m.Task, worker: str) -> Work:
        rng = self.rng
        takes_s = rng.choice([0.001, 0.01]) if self.quick else rng.choice([0.1, 1.0, 12.0])
        if self.is_quiet or rng.random() < 0.8:
            return Work(takes_s)
        return rng.choice(
            [
                Work(takes_s, fails="ValueError"),
                Work(takes_s, dies=9),
                Work(takes_s, exits=3),
                Work(hangs=True),
                Work(takes_s=40.0),
            ]
        )

    def accident(self) -> None:
        """Something happens to a worker."""
        cluster, rng = self.cluster, self.rng
        up = [worker for worker in cluster.workers.values() if worker.is_up]
        worker = rng.choice(up)
        match rng.choice(["crash", "stop", "cut", "leave"]):
            case "crash":
                worker.crash()
                cluster.add_worker(rng.randint(1, 3))
            case "stop" if not worker.is_stopped:
                worker.stop()
                cluster.later(rng.choice([1.0, 4.0, 20.0]), worker.resume)
            case "cut":
                cluster.network.cut(worker.name)
                cluster.later(rng.choice([1.0, 4.0, 20.0]), lambda: self.heal(worker))
            case "leave":
                worker.interrupt()
                cluster.add_worker()

    def heal(self, worker: SimulatedWorker) -> None:
        self.cluster.network.heal(worker.name)
