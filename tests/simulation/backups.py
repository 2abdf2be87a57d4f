"""What backup tasks cost and save: many drawn jobs, on the master's core and nothing else.

python -m tests.simulation.backups --jobs 1000

Ten workers of one slot run each job twice: once with all workers alike, where no backup task is of
any use, and once with one worker ten times slower. A worker sends a heartbeat a second, a slot says
once a second how far it is, and neither knows of the other's clock, as in reality.
"""

from __future__ import annotations

import argparse
import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from statistics import median

from zmr import messages as m
from zmr.core.actions import Send
from zmr.core.events import FrameReceived, JobGiven, MasterInput
from zmr.core.master import Master
from zmr.core.states import JobState

WORKERS = 10
SLOWNESS = 10.0
_LONGEST_S = 100_000.0

SPREADS = ("even", "normal", "log-normal")
# What of a map is told: nothing but that it moves; or its records, of which there are more, or each
# of which takes longer, the longer it takes.
TELLS = ("nothing", "many records", "long records")


@dataclass(frozen=True)
class DrawnJob:
    """How long its maps take on a worker that is not slow, and of how many records they are."""

    spread: str
    tells: str
    maps_s: tuple[float, ...]
    records: tuple[int, ...]


def drawn_job(seed: int) -> DrawnJob:
    """The job of this seed."""
    rng = Random(f"backups {seed}")
    spread, tells = rng.choice(SPREADS), rng.choice(TELLS)
    mean_s = 2.0 ** rng.uniform(-1.0, 5.0)
    n = rng.randint(60, 240)
    deviation = rng.uniform(0.1, 0.5)
    shares: list[float] = []
    for _ in range(n):
        if spread == "even":
            shares.append(rng.uniform(1.0 - deviation, 1.0 + deviation))
        elif spread == "normal":
            shares.append(max(0.1, rng.gauss(1.0, deviation)))
        else:
            shares.append(rng.lognormvariate(0.0, deviation))
    records = rng.choice([10, 100, 10_000])
    by_size = tells == "many records"
    return DrawnJob(
        spread,
        tells,
        tuple(mean_s * share for share in shares),
        tuple(max(1, round(records * share)) if by_size else records for share in shares),
    )


def sleepers(seed: int) -> DrawnJob:
    """Eight maps that sleep one to three seconds, and say nothing meanwhile."""
    rng = Random(f"sleepers {seed}")
    return DrawnJob("even", "nothing", tuple(rng.uniform(1.0, 3.0) for _ in range(8)), (1,) * 8)


@dataclass
class _Run:
    task: m.Task
    began_at: float
    takes_s: float


@dataclass
class _Worker:
    peer: bytes
    slowness: float
    says_at: float  # the part of a second at which its slot says how far it is
    held: dict[int, _Run] = field(default_factory=dict)


class Trial:
    """One run of a job, to the end of its maps."""

    def __init__(self, job: DrawnJob, seed: int, workers: int = WORKERS, slow: int = 0) -> None:
        self.job = job
        self.begun = 0  # attempts at maps
        self.now = 0.0
        self._order = count()
        self._heap: list[tuple[float, int, _Worker, int]] = []
        self._master = Master(1)
        rng = Random(f"trial {seed}")
        self._workers = {
            b"%d" % n: _Worker(b"%d" % n, SLOWNESS if n < slow else 1.0, rng.random())
            for n in range(workers)
        }
        spec = m.JobSpec("job", "test", "test", b"", "", (), 1, "/out")
        inputs = tuple(
            m.InputFile(f"/in/{n}", 5_000_000, splittable=False) for n in range(len(job.maps_s))
        )
        self._tell(JobGiven(m.Submit(spec, inputs)))
        for worker in self._workers.values():
            name = worker.peer.decode()
            self._hears(worker, m.Register(name, "host", 1, 1))
            self._later(rng.random(), worker)

    def run(self) -> float:
        """Returns how many seconds the maps took."""
        job = self._master.jobs["job"]
        while job.state in (JobState.QUEUED, JobState.MAP):
            self.now, _, worker, attempt = heapq.heappop(self._heap)
            assert self.now < _LONGEST_S, "it never ends"
            if not attempt:
                self._heartbeat(worker)
            elif (run := worker.held.pop(attempt, None)) is not None:
                self._done(worker, run)
        return self.now

    def _heartbeat(self, worker: _Worker) -> None:
        rows = tuple(self._progress(worker, run) for run in worker.held.values())
        self._hears(worker, m.Heartbeat(1, rows, ("job",)))
        self._later(1.0, worker)

    def _progress(self, worker: _Worker, run: _Run) -> m.Progress:
        """What the slot has said last of the attempt."""
        said_at = int(self.now - worker.says_at) + worker.says_at
        n, attempt = self.job.records[run.task.index], run.task.attempt
        done = int(n * min(1.0, max(0.0, said_at - run.began_at) / run.takes_s))
        if self.job.tells == "nothing":
            return m.Progress(attempt, 1, int(1000 * (self.now - run.began_at)))
        return m.Progress(attempt, done, 100 * done, fraction=done / n)

    def _done(self, worker: _Worker, run: _Run) -> None:
        task = run.task
        stats = m.Stats(self.job.records[task.index], 5_000_000, 1, 1, run.takes_s)
        self._hears(
            worker,
            m.MapDone(
                "job",
                task.index,
                task.attempt,
                "/path",
                stats,
                input_bytes=sum(split.size_bytes for split in task.splits),
            ),
        )

    def _hears(self, worker: _Worker, message: m.FromWorker) -> None:
        self._tell(FrameReceived(worker.peer, m.Frame(1, (message,))))

    def _tell(self, event: MasterInput) -> None:
        for action in self._master.handle(event, self.now):
            match action:
                case Send(peer, m.TaskResponse(tasks)):
                    for task in tasks:
                        self._begin(self._workers[peer], task)
                case Send(peer, m.Cancel(attempts)):
                    for attempt in attempts:
                        self._workers[peer].held.pop(attempt, None)

    def _begin(self, worker: _Worker, task: m.Task) -> None:
        if task.kind is m.TaskKind.MAP:
            self.begun += 1
            takes_s = self.job.maps_s[task.index] * worker.slowness
            worker.held[task.attempt] = _Run(task, self.now, takes_s)
            self._later(takes_s, worker, task.attempt)

    def _later(self, delay_s: float, worker: _Worker, attempt: int = 0) -> None:
        heapq.heappush(self._heap, (self.now + delay_s, next(self._order), worker, attempt))


@dataclass
class Sums:
    """What came of several jobs."""

    jobs: int = 0
    tasks: int = 0
    begun: int = 0  # attempts, all workers alike
    alike_s: float = 0.0
    slow_s: float = 0.0
    longer: list[float] = field(default_factory=list)  # with a slow worker, as a part

    def add(self, seed: int) -> None:
        """Run the job of this seed."""
        job = drawn_job(seed)
        trial, slow = Trial(job, seed), Trial(job, seed, slow=1)
        alike_s, slow_s = trial.run(), slow.run()
        self.jobs += 1
        self.tasks += len(job.maps_s)
        self.begun += trial.begun
        self.alike_s += alike_s
        self.slow_s += slow_s
        self.longer.append(slow_s / alike_s - 1.0)

    def add_sums(self, other: Sums) -> None:
        """Take in what came of other jobs."""
        self.jobs += other.jobs
        self.tasks += other.tasks
        self.begun += other.begun
        self.alike_s += other.alike_s
        self.slow_s += other.slow_s
        self.longer += other.longer

    @property
    def too_many(self) -> float:
        """Attempts beyond one a task, as a part of the tasks."""
        return self.begun / self.tasks - 1.0

    @property
    def longer_in_all(self) -> float:
        """How much longer all jobs together take with a slow worker, as a part."""
        return self.slow_s / self.alike_s - 1.0

    def __str__(self) -> str:
        ordered = sorted(self.longer)
        return (
            f"{self.jobs:5} jobs, {self.too_many:7.2%} too many attempts; one slow worker: "
            f"{self.longer_in_all:+.1%} in all, {median(ordered):+.1%} half of the jobs, "
            f"{ordered[9 * len(ordered) // 10]:+.1%} nine of ten"
        )


def measure(seeds: range) -> Iterator[tuple[str, Sums]]:
    """Of all the jobs, and of each kind of them."""
    kinds: dict[str, Sums] = defaultdict(Sums)
    for seed in seeds:
        job = drawn_job(seed)
        one = Sums()
        one.add(seed)
        for kind in ("all", f"{job.spread}, {job.tells}", f"tells {job.tells}"):
            kinds[kind].add_sums(one)
    yield from sorted(kinds.items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.backups", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, metavar="N", help="how many are drawn")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed")
    given = parser.parse_args()
    for kind, sums in measure(range(given.first, given.first + given.jobs)):
        print(f"{kind:28} {sums}")


if __name__ == "__main__":
    main()
