"""What goes wrong, and when: all drawn from the seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from zmr import messages as m

from .draw import Scenario
from .network import MASTER

if TYPE_CHECKING:
    from .worker import WorkerMachine
    from .world import World

# No attempt takes longer than so many heartbeats, however slow its machine.
_LONGEST_BEATS = 15.0


@dataclass(frozen=True, slots=True)
class Fate:
    """How an attempt goes."""

    takes_s: float
    end: str  # "well", "raise", "die", "die late": when its work is done, "hang"

    @property
    def text(self) -> str:
        return f"takes {self.takes_s:.3f} s" + (f", will {self.end}" if self.end != "well" else "")


class Faults:
    def __init__(self, world: World, scenario: Scenario) -> None:
        self.world = world
        self.draw = scenario.faults
        self.is_quiet = False
        self.rng = Random(f"faults {scenario.seed}")
        self._fates = Random(f"fates {scenario.seed}")
        self._longest_s = _LONGEST_BEATS * scenario.settings.heartbeat_interval_s
        self._leaving: set[str] = set()  # processes that were asked to end
        self._kinds: list[Callable[[WorkerMachine], None]] = [
            self._kill,
            self._kill,
            self._stop,
            self._freeze,
            self._cut,
            self._cut_workers,
            self._leave,
            self._fill_disk,
            self._spoil_files,
            self._kill_slot,
            self._slow_down,
            self._go_bad,
        ]

    def begin(self) -> None:
        """Plan the accidents, and their end."""
        clock, draw = self.world.clock, self.draw
        for _ in range(draw.accidents):
            clock.at(draw.last_s * self.rng.random() ** 1.5, self._accident)
        clock.at(draw.last_s, self.quiet)

    def quiet(self) -> None:
        """Nothing goes wrong from now on, and who stood still goes on."""
        if self.is_quiet:
            return
        world = self.world
        world.trace.say(world.clock.now, "faults", "end here")
        self.is_quiet = True
        world.quiet_since = world.clock.now
        world.network.heal()
        for worker in world.workers:
            worker.slow_factor, worker.is_bad = 1.0, False
            worker.disk.is_full = False
            worker.disk.room_records = 1_000_000_000
            worker.resume()
        world.master.calm()
        if not world.master.is_up and not world.has_ended:
            self._start_master()
        self._have_a_worker()
        # Who was cut off for long may be about to give up.
        world.clock.later(world.scenario.death_timeout_s + 1.0, self._have_a_worker)

    def _have_a_worker(self) -> None:
        """There is somebody to do the work."""
        if self.world.is_over:
            return
        if all(not w.is_up or w.process in self._leaving for w in self.world.workers):
            worker = self.world.workers[0]
            if worker.is_up:
                worker.crash()
            worker.start(keep_disk=False)

    # --- attempts ---

    def fate(self, task: m.Task, worker: WorkerMachine) -> Fate:
        """How this attempt goes, on this worker."""
        step, rng = self.world.answers[task.job_id].step, self._fates
        durations_s = step.maps_s if task.kind is m.TaskKind.MAP else step.reduces_s
        takes_s = durations_s[task.index]
        if step.poisoned == (task.kind.label, task.index):
            return Fate(takes_s, "raise")
        if self.is_quiet:
            return Fate(takes_s, "well")
        takes_s = self._slowed(takes_s, worker.slow_factor)
        if worker.is_bad:
            return Fate(takes_s, "die")
        if rng.random() < self.draw.slow:
            takes_s = self._slowed(takes_s, 30.0)
        if rng.random() < self.draw.failing:
            return Fate(takes_s, rng.choice(["raise", "raise", "die", "die late", "hang"]))
        return Fate(takes_s, "well")

    def _slowed(self, takes_s: float, factor: float) -> float:
        return max(takes_s, min(takes_s * factor, self._longest_s))

    def busy_s(self) -> float:
        """For how long a machine is busy after a turn."""
        if self.is_quiet or not self.draw.busy or self.rng.random() >= self.draw.busy:
            return 0.0
        return self.rng.choice([0.001, 0.01, 0.3])

    def publish_s(self, longest_s: float) -> float:
        """How long it takes to publish a file; some disks are very slow."""
        slow = not self.is_quiet and self._fates.random() < self.draw.slow_disk
        return self._fates.random() * (self._longest_s / 3 if slow else longest_s)

    # --- accidents ---

    def _accident(self) -> None:
        world, rng = self.world, self.rng
        if self.is_quiet:
            return
        if rng.random() < 0.08:
            self._stop_master()
            return
        if world.scenario.has_journal and rng.random() < 0.3:
            world.master.die_after(rng.choice([0, rng.randint(0, 10), rng.randint(0, 60)]))
            return
        up = [worker for worker in world.workers if worker.is_up]
        if up:
            rng.choice(self._kinds)(rng.choice(up))

    def _for_a_while(self, undo: Callable[[], None]) -> None:
        self.world.clock.later(self.draw.longest_s * self.rng.random(), undo)

    def master_is_down(self) -> None:
        """Somebody starts it again."""
        world = self.world
        if not world.has_ended:
            delay_s = 0.1 if self.is_quiet else self.draw.longest_s * self.rng.random() ** 2
            world.clock.later(delay_s, self._start_master)

    def _start_master(self) -> None:
        if not self.world.master.is_up:
            self.world.master.start()

    def _stop_master(self) -> None:
        self.world.master.stop()
        self._for_a_while(self.world.master.resume)

    def _kill(self, worker: WorkerMachine) -> None:
        """Most come back, some as if nothing had been there."""
        worker.crash()
        if self.rng.random() < 0.7:
            keep_disk = self.rng.random() < 0.5
            self._for_a_while(lambda: None if worker.is_up else worker.start(keep_disk))

    def _stop(self, worker: WorkerMachine) -> None:
        worker.stop()
        self._for_a_while(worker.resume)

    def _freeze(self, worker: WorkerMachine) -> None:
        worker.freeze()
        self._for_a_while(worker.resume)

    def _cut(self, worker: WorkerMachine) -> None:
        """Between a worker and the master, in both directions or in one."""
        links = [(worker.name, MASTER), (MASTER, worker.name)]
        if self.rng.random() < 0.4:
            links = [self.rng.choice(links)]
        self._cut_links(links)

    def _cut_workers(self, worker: WorkerMachine) -> None:
        """Between two workers."""
        self._cut_links([(worker.name, self.rng.choice(self.world.workers).name)])

    def _cut_links(self, links: list[tuple[str, str]]) -> None:
        network = self.world.network
        network.cut.update(links)
        text = ", ".join(f"{one} to {other}" for one, other in links)
        self.world.trace.say(self.world.clock.now, "network", f"cut: {text}")
        self._for_a_while(lambda: network.cut.difference_update(links))

    def _leave(self, worker: WorkerMachine) -> None:
        process = worker.process
        self._leaving.add(process)
        worker.interrupt()
        if self.rng.random() < 0.3:
            self._for_a_while(lambda: self._leave_at_once(worker, process))

    def _leave_at_once(self, worker: WorkerMachine, process: str) -> None:
        if worker.process == process and not self.is_quiet:
            worker.interrupt()

    def _fill_disk(self, worker: WorkerMachine) -> None:
        worker.say("its disk is full")
        worker.disk.is_full = True
        self._for_a_while(lambda: setattr(worker.disk, "is_full", False))

    def _spoil_files(self, worker: WorkerMachine) -> None:
        """Some of its map outputs can't be read any more."""
        disk = worker.disk
        for path in list(disk.files):
            if self.rng.random() < 0.5:
                worker.say(f"{path} is lost")
                if self.rng.random() < 0.5:
                    disk.corrupt.add(path)
                else:
                    disk.remove(path)

    def _kill_slot(self, worker: WorkerMachine) -> None:
        if worker.slots:
            number = self.rng.choice(sorted(worker.slots))
            worker.say(f"slot {number} is killed")
            worker.slots[number].end(None, 9)

    def _slow_down(self, worker: WorkerMachine) -> None:
        worker.say("is slow")
        worker.slow_factor = self.rng.choice([3.0, 10.0, 30.0])

    def _go_bad(self, worker: WorkerMachine) -> None:
        worker.say("kills its slots")
        worker.is_bad = True
        self._for_a_while(lambda: setattr(worker, "is_bad", False))
