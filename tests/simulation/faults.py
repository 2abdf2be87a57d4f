"""What goes wrong, and when: all drawn from the seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from zmr import messages as m
from zmr.wire import codec

from .draw import Scenario
from .drawn_network import DrawnNetwork
from .machines.jobs import HANGS, KILLS, OUTGROWS, RAISES
from .machines.master import MasterMachine
from .machines.network import MASTER
from .machines.oracle import Answer
from .machines.work import Work
from .machines.worker import WorkerMachine

# No attempt takes longer than so many heartbeats, however slow its machine.
_LONGEST_BEATS = 15.0

# Between the leave to publish and the file, at most; between the order to kill a slot and its end.
PUBLISH_S = 0.005
_KILL_S = 0.02

# An attempt may tell nothing of its progress for this part of the task timeout; so many do. More
# do, and for longer, where all machines are to stand still.
_SILENT, _SILENT_SHARE = 0.4, 0.2
_SILENT_BEFORE_STANDSTILL, _SHARE_BEFORE_STANDSTILL = 0.65, 0.8

# Within so long the leave to publish comes, in all likelihood.
_GRANTED_S = 0.05

# What of its input a task says is done, of what is: some can't tell, and some are wrong, so that a
# backup task begins while they are about to be complete.
_TOLD = (0.1, 1.0, 0.1, 1.0, 0.0)

# Code that never yields, a system that swaps: so often at most is told how far a task is.
_MOST_PULSES = 100

# Where jobs fail without workers: so often all of them die, once, and while a slow manifest is
# written.
_DESERTED = 0.6

# In so many seeds all machines with workers stand still at once, longer than tasks may.
_STANDSTILLS = 0.2

# What part of its time a reduce reads its input, before which nothing of it is done.
_FETCHES = (0.1, 0.6, 0.1)

# How an attempt may go wrong.
_ENDS: tuple[dict[str, Any], ...] = (
    {"fails": "ValueError: another one each time, now {}"},
    {"fails": "ValueError: another one each time, now {}"},
    {"dies": 11},
    {"exits": 1, "is_late": True},
    {"dies": 9, "outgrows": True},
    {"hangs": True},
)

# How often a worker dies when a job ends.
_DIES_WITH_THE_JOB = 0.1

# By which signal a process ends that does so by itself: SIGSEGV, SIGABRT, SIGKILL, ...
_SIGNALS = (11, 6, 9, 11, 4, 8, 9, 15, 1, 2, 3, 13, 14)

# What a bad record does to its slot.
_DEADLY: dict[str, dict[str, Any]] = {
    KILLS: {"dies": 11},
    OUTGROWS: {"dies": 9, "outgrows": True},
    HANGS: {"hangs": True},
}


class Faults:
    """What goes wrong with the machines of a scenario, which come to `workers` as they start."""

    def __init__(
        self, scenario: Scenario, network: DrawnNetwork, say: Callable[[str, str], None]
    ) -> None:
        self.network = network
        self.clock = network.clock
        self.workers: list[WorkerMachine] = []
        self.quiet_since: float | None = None
        self._deserted_until = 0.0  # all workers are gone
        self._say = say
        self._scenario = scenario
        self.draw = scenario.faults
        self.is_quiet = False
        self.rng = Random(f"faults {scenario.seed}")
        self._fates = Random(f"fates {scenario.seed}")
        self._silent, self._silent_share = _SILENT, _SILENT_SHARE
        self._partings = Random(f"partings {scenario.seed}")
        self._readings = Random(f"readings {scenario.seed}")
        self._desertions = Random(f"desertions {scenario.seed}")
        self._late = Random(f"late {scenario.seed}")
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

    def begin(self, master: MasterMachine, is_over: Callable[[], bool]) -> None:
        """Plan the accidents, and their end. `is_over`: whether nothing is left to be done."""
        self._master, self._is_over = master, is_over
        clock, draw = self.clock, self.draw
        for _ in range(draw.accidents):
            clock.at(draw.last_s * self.rng.random() ** 1.5, self._accident)
        if draw.accidents:
            for _ in range(self._late.choice([0, 0, 1, 5])):
                clock.at(draw.last_s * self._late.random(), self._speak_late)
        ends_at = draw.last_s
        standstill = Random(f"standstill {self._scenario.seed}")
        if draw.accidents and standstill.random() < _STANDSTILLS:
            at, away_s = draw.last_s * standstill.random() / 2, self._away_s(standstill)
            clock.at(at, self._stand_still, away_s)
            self._silent = _SILENT_BEFORE_STANDSTILL
            self._silent_share = _SHARE_BEFORE_STANDSTILL
            ends_at = max(ends_at, at + 1.1 * away_s)
        clock.at(ends_at, self.quiet)
        if draw.bad_for_long:
            clock.at(0.01, lambda: setattr(self.workers[0], "is_bad", True))
        if self._scenario.settings.worker_timeout_s and self._desertions.random() < _DESERTED:
            clock.at(draw.last_s * self._desertions.random(), self._desert)

    def _away_s(self, rng: Random) -> float:
        """Longer than tasks may stand still, or so long that workers are given up, or both."""
        scenario = self._scenario
        lost_after_s = scenario.settings.lost_after_s
        timeout_s = min(job.task_timeout_s for job in scenario.jobs)
        if timeout_s < 0.9 * lost_after_s and rng.random() < 0.7:
            # Its next heartbeat comes when it is due by the worker's own clock.
            return (timeout_s + lost_after_s - scenario.settings.heartbeat_interval_s) / 2
        is_short = timeout_s < 3 * lost_after_s
        return 1.1 * max(lost_after_s, timeout_s if is_short else 0.0)

    def quiet(self) -> None:
        """Nothing goes wrong from now on, and what stood still goes on."""
        if self.is_quiet:
            return
        self._say("faults", "end here")
        self.is_quiet = True
        self.quiet_since = self.clock.now
        self.network.heal()
        for worker in self.workers:
            worker.slow_factor, worker.is_bad = 1.0, False
            worker.disk.is_full = False
            worker.disk.room_records = 1_000_000_000
            worker.resume()
        self._master.calm()
        if not self._master.is_up and not self._is_over():
            self._start_master()
        self._have_a_worker()
        # Who was cut off for long may be about to give up, also after a last word that was late.
        silent_s = self._scenario.death_timeout_s + 2 * self._scenario.network.latest_s + 1.0
        self.clock.later(silent_s, self._have_a_worker)

    def _have_a_worker(self) -> None:
        """There is one that does the work, unless there is none to be done."""
        if self.clock.now < self._deserted_until:
            self.clock.at(self._deserted_until, self._have_a_worker)
            return
        if self._is_over():
            return
        if all(not w.is_up or w.process in self._leaving for w in self.workers):
            worker = self.workers[0]
            if worker.is_up:
                worker.crash()
            worker.start(keep_disk=False)

    # --- attempts ---

    def work(self, task: m.Task, name: str, answer: Answer) -> Work:
        """How this attempt goes, on this machine."""
        step, rng = answer.step, self._fates
        durations_s = step.maps_s if task.kind is m.TaskKind.MAP else step.reduces_s
        told: dict[str, Any] = {
            "pulses": _MOST_PULSES,
            "tells": _TOLD[task.index % len(_TOLD)],
            "fetches": _FETCHES[task.index % len(_FETCHES)],
            # Where records may be left out, no slow one is to seem bad.
            "counts": not answer.job.skip_bad_records,
            "publishes_s": self._publish_s(),
            "renames_s": self._publish_s(),
        }
        takes_s = durations_s[task.index]
        if self._readings.random() < self.draw.unreadable:
            self._make_unreadable(task, name)
        if step.poisoned == (task.kind.label, task.index):
            # What raises the same again ends its job; other errors count up to the limit.
            fails = "ValueError: {}" if task.index % 3 else "ValueError: the same"
            return Work(takes_s, fails=fails, **told)
        end = self._of_record(task, answer)
        if not self.is_quiet:
            worker = self._machine(name)
            takes_s = self._slowed(takes_s, worker.slow_factor)
            if worker.is_bad:
                return Work(takes_s, dies=11, **told)
            if rng.random() < self.draw.slow:
                takes_s = self._slowed(takes_s, 30.0)
            if rng.random() < self.draw.failing:
                drawn = rng.choice(_ENDS)
                # Of a bad record it dies before it comes to an end of its work.
                end = end if end and drawn.get("is_late") else drawn
        if end.get("dies") == 11:
            end = end | {"dies": _SIGNALS[task.attempt % len(_SIGNALS)]}
        return self._parted(task, name, Work(takes_s, **end, **told), answer)

    def _parted(self, task: m.Task, name: str, work: Work, answer: Answer) -> Work:
        """Sometimes a worker is given up while it publishes, and is back before it is done."""
        publishes = task.kind is m.TaskKind.REDUCE or not task.n_reduce
        if self.is_quiet or not publishes or self._partings.random() >= self.draw.slow_disk:
            return self._with_silence(work, answer)
        settings = self._scenario.settings
        away_s = settings.lost_after_s + 0.3 * settings.heartbeat_interval_s
        self.clock.later(work.takes_s + _GRANTED_S, self._part, name, away_s)
        left_s = 2 * settings.heartbeat_interval_s + min(work.takes_s, self._longest_s / 3)
        return replace(work, publishes_s=away_s + left_s)

    def _with_silence(self, work: Work, answer: Answer) -> Work:
        """Some attempts are at one record for long, though not for too long."""
        is_short = work.takes_s + work.publishes_s < self._silent * min(
            answer.job.task_timeout_s, answer.job.setup_timeout_s
        )
        is_silent = is_short and not self.is_quiet and self._partings.random() < self._silent_share
        return replace(work, pulses=0) if is_silent else work

    def _part(self, name: str, away_s: float) -> None:
        """Cut a worker off the master for so long."""
        links = [(name, MASTER), (MASTER, name)]
        if not self.is_quiet and self.network.cut.isdisjoint(links):
            self.network.cut.update(links)
            self._say("network", f"cut: {name} from the master, for {away_s:.1f} s")
            self.clock.later(away_s, self.network.cut.difference_update, links)

    def _of_record(self, task: m.Task, answer: Answer) -> dict[str, Any]:
        """What the first bad record does that is not left out."""
        if task.kind is m.TaskKind.REDUCE:
            return {}
        limit, left_out = answer.job.skip_bad_records, 0
        for number, does in answer.step.bad_of(task.index).items():
            if does == RAISES or number in task.skips:
                left_out += 1
            else:
                return {"record": number, **_DEADLY[does]}
            if left_out > limit:
                return {"fails": "too many bad records", "reason": m.FailureReason.BAD_RECORDS}
        return {}

    def _machine(self, name: str) -> WorkerMachine:
        return next(worker for worker in self.workers if worker.name == name)

    def _slowed(self, takes_s: float, factor: float) -> float:
        return max(takes_s, min(takes_s * factor, self._longest_s))

    def busy_s(self) -> float:
        """For how long a machine is busy after a turn."""
        if self.is_quiet or not self.draw.busy or self.rng.random() >= self.draw.busy:
            return 0.0
        return self.rng.choice([0.001, 0.01, 0.3])

    def kill_s(self) -> float:
        """Between the order to kill a slot and its end."""
        return _KILL_S * self.rng.random()

    def manifest(self) -> tuple[float, str]:
        """How long it takes to write a manifest, and why it can't be written."""
        if self.is_quiet:
            return 0.0, ""
        error = "drawn" if self._fates.random() < self.draw.manifest_failing else ""
        is_watched = self._scenario.settings.worker_timeout_s is not None
        takes_s = self.draw.manifest_s * self._fates.random()
        if self.draw.manifest_s and is_watched and self._fates.random() < _DESERTED:
            self._deserted_until = self.clock.now + takes_s
            for worker in self.workers:
                worker.crash()
        return takes_s, error

    def _publish_s(self) -> float:
        """How long it takes to publish a file; some disks are very slow."""
        slow = not self.is_quiet and self._fates.random() < self.draw.slow_disk
        return self._fates.random() * (self._longest_s / 3 if slow else PUBLISH_S)

    def job_ended(self, is_last: bool) -> None:
        """Now and then a worker dies of it: it says no good-bye to a master that ends."""
        up = [worker for worker in self.workers if worker.is_up]
        may_die = not self.is_quiet or (is_last and self._scenario.settings.one_job)
        is_faulty = self.draw.accidents > 0
        if up and is_faulty and may_die and self._partings.random() < _DIES_WITH_THE_JOB:
            self._partings.choice(up).crash()

    # --- accidents ---

    def _accident(self) -> None:
        rng = self.rng
        if self.is_quiet:
            return
        if rng.random() < 0.08:
            self._stop_master()
            return
        if self._scenario.has_journal and rng.random() < 0.3:
            self._master.die_after(rng.choice([0, rng.randint(0, 10), rng.randint(0, 60)]))
            return
        up = [worker for worker in self.workers if worker.is_up]
        if up:
            rng.choice(self._kinds)(rng.choice(up))

    def _for_a_while(self, undo: Callable[[], None]) -> None:
        self.clock.later(self.draw.longest_s * self.rng.random(), undo)

    def _for_long(self, undo: Callable[[], None]) -> None:
        """For a while, or until all faults are over."""
        if self.rng.random() < 0.5:
            self._for_a_while(undo)

    def master_is_down(self) -> None:
        """It is started again."""
        delay_s = 0.1 if self.is_quiet else self.draw.longest_s * self.rng.random() ** 2
        self.clock.later(delay_s, self._start_master)

    def _start_master(self) -> None:
        if not self._master.is_up:
            self._master.start()

    def _stop_master(self) -> None:
        self._master.stop()
        self._for_a_while(self._master.resume)

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
        lost_after_s = self._scenario.settings.lost_after_s
        timeout_s = min(job.task_timeout_s for job in self._scenario.jobs)
        drawn = self._partings.random()
        if drawn < 0.2:
            self._for_a_while(worker.resume)
        elif drawn < 0.8 and timeout_s < 0.9 * lost_after_s:
            # Longer than tasks may stand still, and not so long that the worker is given up.
            away_s = timeout_s + (lost_after_s - timeout_s) * (0.3 + 0.6 * self._partings.random())
            self.clock.later(away_s, worker.resume)
        else:  # longer than a worker is waited for, and perhaps than tasks may stand still
            self.clock.later(lost_after_s * (1.1 + 2 * self._partings.random()), worker.resume)

    def _stand_still(self, away_s: float) -> None:
        """All are given up, and come back with attempts that others could not do meanwhile."""
        for worker in self.workers:
            if worker.is_up and not self.is_quiet:
                worker.freeze()
                self.clock.later(away_s, worker.resume)

    def _cut(self, worker: WorkerMachine) -> None:
        """Between a worker and the master, in both directions or in one."""
        links = [(worker.name, MASTER), (MASTER, worker.name)]
        if self.rng.random() < 0.4:
            links = [self.rng.choice(links)]
        self._cut_links(links)

    def _cut_workers(self, worker: WorkerMachine) -> None:
        """Between two workers."""
        self._cut_links([(worker.name, self.rng.choice(self.workers).name)])

    def _cut_links(self, links: list[tuple[str, str]]) -> None:
        network = self.network
        network.cut.update(links)
        text = ", ".join(f"{one} to {other}" for one, other in links)
        self._say("network", f"cut: {text}")
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
        self._for_long(lambda: setattr(worker.disk, "is_full", False))

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

    def _speak_late(self) -> None:
        """A word of the master comes so late that it is of no use, or of another start of it."""
        rng, own = self._late, self._master.epoch
        up = [worker for worker in self.workers if worker.is_up]
        if not up or self.is_quiet:
            return
        worker = rng.choice(up)
        attempts = tuple(own << 32 | n for n in rng.sample(range(1, 13), 3))
        question = m.CheckOutputs("job-1", attempts)
        orders = (
            question,
            m.Cancel(attempts),
            m.ForgetJob("job-1"),
            m.Exit("drawn"),
            m.Ack(attempts),
        )
        epoch, message = rng.choice(
            (
                (own, question),
                (own, question),
                (own, m.RegisterAgain()),
                (own, m.Refused("drawn")),
                (own - 1 or own + 1, rng.choice(orders)),
                (own + 1, rng.choice(orders)),
            )
        )
        worker.receive(worker.process, codec.encode(m.Frame(epoch, (message,))))

    def _slow_down(self, worker: WorkerMachine) -> None:
        worker.say("is slow")
        worker.slow_factor = self.rng.choice([3.0, 10.0, 30.0])

    def _desert(self) -> None:
        """All workers are gone, for about as long as jobs wait for one."""
        settings = self._scenario.settings
        assert settings.worker_timeout_s is not None
        if not self.is_quiet:
            wait_s = settings.worker_timeout_s * (0.5 + self._desertions.random())
            self._deserted_until = self.clock.now + settings.lost_after_s + wait_s
            for worker in self.workers:
                worker.crash()

    def _make_unreadable(self, task: m.Task, reader: str) -> None:
        """A reduce, and perhaps others, can't read some outputs of another worker."""
        rng = self._readings
        others = [source for source in task.sources if source.host != reader]
        if self.is_quiet or not others:
            return
        owner = self._machine(rng.choice(others).host)
        if rng.random() < 0.5:
            links = [(owner.name, other.name) for other in self.workers if other is not owner]
            self.network.cut.update(links)
            self._say("network", f"cut: {owner.name} from all other workers")
            for_s = 2 * self._scenario.settings.lost_after_s * rng.random()
            self.clock.later(for_s, self.network.cut.difference_update, links)
            return
        for source in others:
            if source.host == owner.name and rng.random() < 0.5:
                owner.say(f"{source.path} is lost")
                owner.disk.remove(source.path)

    def _go_bad(self, worker: WorkerMachine) -> None:
        worker.say("kills its slots")
        worker.is_bad = True
        self._for_long(lambda: setattr(worker, "is_bad", False))
