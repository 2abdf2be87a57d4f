"""From a seed to a scenario: the cluster, the jobs, the options, and how much goes wrong.

Most scenarios are small, so that many can be tried; few are large.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from zmr.core.plan import FILES_AS_TASKS, plan
from zmr.core.settings import MasterSettings
from zmr.messages import InputFile

from .client_draws import ClientsDraw, draw_clients
from .machines.jobs import (
    HANGS,
    KILLS,
    OUTGROWS,
    RAISES,
    SPLIT_BYTES,
    JobPlan,
    StepPlan,
    pieces,
)

# So many of the jobs are pipelines.
_PIPELINES = 0.25

# ... and so many of the masters get a signal.
_INTERRUPTED = 0.08

# In so many seeds a worker is bad for longer than its first quarantine; or quick tasks wait behind
# a slow one.
_BAD_FOR_LONG, _UNEVEN = 0.02, 0.04


@dataclass(frozen=True, slots=True)
class WorkerDraw:
    slots: int
    disk_records: int  # so much fits on its disk


@dataclass(frozen=True, slots=True)
class NetworkDraw:
    latency_s: float
    jitter_s: float
    in_order: bool
    loss: float  # the probabilities that a frame is lost, delivered twice, late
    doubling: float
    lateness: float
    latest_s: float


@dataclass(frozen=True, slots=True)
class FaultsDraw:
    last_s: float  # after so long nothing more goes wrong
    accidents: int
    failing: float  # the probability that an attempt raises, dies, hangs
    slow: float  # ... that it takes much longer
    slow_disk: float  # ... that a file takes long to be published
    busy: float  # ... that a machine is busy after a turn
    longest_s: float  # of a stop, a cut, ...
    manifest_s: float  # to write a manifest, at most
    manifest_failing: float  # the probability that one can't be written
    unreadable: float  # ... that a reduce finds outputs of another worker unreadable
    bad_for_long: bool = False  # a worker is bad all the time


@dataclass(frozen=True, slots=True)
class Scenario:
    seed: int
    settings: MasterSettings
    workers: tuple[WorkerDraw, ...]
    jobs: tuple[JobPlan, ...]
    network: NetworkDraw
    faults: FaultsDraw
    death_timeout_s: float
    drain_timeout_s: float
    shared_disk: bool  # map outputs can be read without their worker
    has_links: bool  # of the file system with the output
    interrupted_at_s: tuple[float, ...]  # signals to the master
    has_journal: bool
    is_calm: bool  # nothing goes wrong at all
    clients: ClientsDraw  # beside those that submit its jobs
    strange_at_s: tuple[float, ...]  # when a stranger speaks to the master


def draw(seed: int) -> Scenario:
    """The scenario of the seed."""
    rng = Random(f"scenario {seed}")
    has_journal = rng.random() < 0.6
    settings = _settings(rng, has_journal)
    beat_s = settings.heartbeat_interval_s
    is_calm = rng.random() < 0.1
    n_workers = _size(rng, 4, 10, 50)
    n_jobs = 1 if settings.one_job or rng.random() < 0.75 else rng.randint(2, 3)
    room = 30 if n_workers > 10 else 8
    jobs = tuple(_job(rng, number, settings, room, is_calm) for number in range(1, n_jobs + 1))
    if not is_calm:
        jobs = tuple(_with_bad_records(Random(f"bad records {seed} {job.id}"), job) for job in jobs)
        jobs = tuple(_with_bad_files(Random(f"bad files {seed} {job.id}"), job) for job in jobs)
    # Drawn apart, so that the others stay what they were.
    jobs = tuple(_with_setup_timeout(Random(f"setup {seed} {job.id}"), job) for job in jobs)
    rng_of_steps = Random(f"pipelines {seed}")
    jobs = tuple(
        _pipeline(rng_of_steps, job) if rng_of_steps.random() < _PIPELINES else job for job in jobs
    )
    jobs = _sharing_a_folder(Random(f"folders {seed}"), jobs)
    disk_records = 40 if rng.random() < 0.2 and not is_calm else 1_000_000
    slots = rng.randint(1, 4)
    workers = tuple(
        WorkerDraw(slots if rng.random() < 0.7 else rng.randint(1, 4), disk_records)
        for _ in range(n_workers)
    )
    is_interrupted = not is_calm and rng.random() < _INTERRUPTED
    network, faults = _network(rng, beat_s, is_calm), _faults(rng, beat_s, n_workers, is_calm)
    rng_of_bad = Random(f"bad workers {seed}")
    kind = rng_of_bad.random() if len(workers) > 1 and not is_calm else 1.0
    if kind < _UNEVEN:
        is_long = kind < _BAD_FOR_LONG
        jobs = (_many_maps(rng_of_bad, jobs[0], is_long), *jobs[1:])
        workers = tuple(WorkerDraw(1, 1_000_000) for _ in workers[:3])
    if kind < _BAD_FOR_LONG:
        last_s = rng_of_bad.uniform(30.0, 80.0)
        faults = replace(faults, last_s=last_s, accidents=1, failing=0.0, bad_for_long=True)
    return Scenario(
        seed,
        settings,
        workers,
        jobs,
        network,
        faults,
        death_timeout_s=_death_timeout_s(rng, Random(f"patience {seed}"), beat_s),
        drain_timeout_s=Random(f"drain {seed}").choice([0.0, 1.0, 5.0, 20.0, 60.0]),
        shared_disk=rng.random() < 0.5,
        has_links=rng.random() < 0.8,
        interrupted_at_s=_signals_at_s(Random(f"signals {seed}")) if is_interrupted else (),
        has_journal=has_journal,
        is_calm=is_calm,
        clients=draw_clients(seed, n_jobs, faults.last_s, faults.longest_s),
        strange_at_s=_strange_at_s(Random(f"strangers {seed}"), faults),
    )


def _signals_at_s(rng: Random) -> tuple[float, ...]:
    """A signal; in most cases a second one, perhaps while the master waits for tasks."""
    at_s = rng.uniform(0.0, 10.0)
    return (at_s, at_s + rng.uniform(0.0, 3.0)) if rng.random() < 0.6 else (at_s,)


def _death_timeout_s(rng: Random, own_rng: Random, beat_s: float) -> float:
    """Some workers give up when their master is away for a little longer than usual."""
    beats = rng.choice([15.0, 60.0])
    return beat_s * (6.0 if own_rng.random() < 0.15 else beats)


def _strange_at_s(rng: Random, faults: FaultsDraw) -> tuple[float, ...]:
    n = rng.choice([0, 0, 0, 3, 20])
    return tuple(sorted(rng.uniform(0.0, faults.last_s) for _ in range(n))) if faults.last_s else ()


def _size(rng: Random, small: int, medium: int, large: int) -> int:
    kind = rng.random()
    if kind < 0.75:
        return rng.randint(1, small)
    return rng.randint(1, medium) if kind < 0.96 else rng.randint(medium, large)


def _settings(rng: Random, has_journal: bool) -> MasterSettings:
    beat_s = rng.choice([0.5, 1.0, 1.0, 2.0])
    lost_after_s = beat_s * rng.choice([3.0, 5.0, 5.0, 10.0])
    return MasterSettings(
        heartbeat_interval_s=beat_s,
        suspect_after_s=beat_s * 2.5,
        lost_after_s=lost_after_s,
        backup_fraction=rng.choice([0.05, 0.05, 0.5]),
        take_back_after_s=beat_s * rng.choice([0.5, 2.0]),
        leave_grace_s=rng.choice([1.0, 3.0]),
        worker_timeout_s=lost_after_s + rng.choice([1.0, 20.0]) if rng.random() < 0.15 else None,
        one_job=rng.random() < 0.3,
        keeps_jobs=has_journal and rng.random() < 0.5,
        split_bytes=SPLIT_BYTES,
    )


def _job(rng: Random, number: int, settings: MasterSettings, room: int, is_calm: bool) -> JobPlan:
    n_map = 0 if rng.random() < 0.02 else _size(rng, room, 2 * room, 4 * room)
    inputs = _inputs(Random(f"inputs {rng.random()}"), f"job-{number}", n_map)
    n_map = len(plan(inputs, SPLIT_BYTES))
    n_reduce = 0 if rng.random() < 0.2 else _size(rng, 4, 8, 20)
    shortest_s, longest_s = rng.choice(
        [(0.001, 0.01), (0.05, 0.5), (0.05, 0.5), (0.5, 2.0), (0.5, 2.0), (0.1, 12.0)]
    )

    def takes_s() -> float:
        return rng.uniform(shortest_s, longest_s)

    poisoned = None
    if not is_calm and rng.random() < 0.06 and n_map:
        in_map = not n_reduce or rng.random() < 0.5
        poisoned = ("map", rng.randrange(n_map)) if in_map else ("reduce", rng.randrange(n_reduce))
    cancelled = not is_calm and rng.random() < 0.05
    first = StepPlan(
        f"job-{number}",
        tuple(takes_s() for _ in range(n_map)),
        tuple(takes_s() for _ in range(n_reduce)),
        tuple(rng.randint(0, 6) for _ in range(n_map)),
        poisoned,
    )
    return JobPlan(
        first.id,
        (first,),
        submitted_at_s=0.0 if settings.one_job else rng.choice([0.0, 0.0, rng.uniform(0.0, 5.0)]),
        by_client=not settings.one_job and rng.random() < 0.5,
        cancelled_after_s=rng.uniform(0.0, 8.0) if cancelled else None,
        max_attempts=rng.choice([1, 2, 4] if poisoned else [1, 2, 4, 4, 4, 50, 50]),
        task_timeout_s=settings.heartbeat_interval_s * rng.choice([4.0, 10.0, 30.0]),
        backup_after_s=rng.choice([0.0, 1.0, 1.0, 10.0]),
        inputs=inputs,
    )


def _many_maps(rng: Random, job: JobPlan, is_long: bool) -> JobPlan:
    """The job with maps that keep a few workers busy for most of a minute, or with uneven ones."""
    n_map = rng.randint(25, 40)
    maps_s = [rng.uniform(0.5, 3.0) for _ in range(n_map)]
    if not is_long:
        maps_s = [8.0 if rng.random() < 0.1 else rng.uniform(0.005, 0.05) for _ in maps_s]
    step = StepPlan(job.id, tuple(maps_s), (1.0, 1.0), (1,) * n_map)
    return replace(
        job,
        steps=(step,),
        inputs=(),
        max_attempts=50,
        cancelled_after_s=None,
        skip_bad_records=0,
        bad_files=(),
        skip_bad_files=0,
    )


def _inputs(rng: Random, job_id: str, n_map: int) -> tuple[InputFile, ...]:
    """Files that make about so many maps: one each, or some cut, or very many that share maps."""
    kind = rng.random()
    sizes = [10] * n_map
    if kind < 0.3 and n_map:
        sizes = [rng.choice([0, 10, 100, 101, 250, 420]) for _ in range(rng.randint(1, n_map))]
    elif kind < 0.32 and n_map:
        sizes = [rng.choice([0, 10, 60]) for _ in range(FILES_AS_TASKS + rng.randint(1, 60))]
    return tuple(
        InputFile(f"/in/{job_id}/{n}", size, splittable=rng.random() < 0.8)
        for n, size in enumerate(sizes)
    )


def _sharing_a_folder(rng: Random, jobs: tuple[JobPlan, ...]) -> tuple[JobPlan, ...]:
    """Sometimes the jobs with one output folder, by mistake or to replace what is in it."""
    if len(jobs) < 2 or rng.random() > 0.3:
        return jobs
    return tuple(replace(job, shares_output_of=jobs[0].id) for job in jobs)


def _pipeline(rng: Random, job: JobPlan) -> JobPlan:
    """The job as the first step of some more, unless it has bad records."""
    (step,) = job.steps
    # The oracle knows no maps of a later step that share files.
    if step.bad or job.bad_files or (len(step.maps_s) > FILES_AS_TASKS and not step.reduces_s):
        return job
    n_steps = rng.choice([2, 2, 3])
    longest_s = max((*step.maps_s, *step.reduces_s), default=0.5)
    poisoned_step = rng.randint(1, n_steps) if step.poisoned else 0
    steps: list[StepPlan] = []
    for number in range(1, n_steps + 1):
        n_map, n_reduce = len(step.maps_s), len(step.reduces_s)
        if number > 1:
            n_map = sum(len(pieces(size)) for size in steps[-1].sizes_bytes)
            is_map_only = rng.random() < 0.3 and n_map <= FILES_AS_TASKS
            n_reduce = 0 if is_map_only else rng.randint(1, 4)
        kinds = [("map", n_map)] * (n_map > 0) + [("reduce", n_reduce)] * (n_reduce > 0)
        poisoned = None
        if number == poisoned_step and kinds:
            kind, n = rng.choice(kinds)
            poisoned = kind, rng.randrange(n)
        step = StepPlan(
            f"{job.id}.{number}",
            tuple(rng.uniform(longest_s / 4, longest_s) for _ in range(n_map)),
            tuple(rng.uniform(longest_s / 4, longest_s) for _ in range(n_reduce)),
            tuple(rng.randint(0, 6) for _ in range(n_map)),
            poisoned,
            tuple(rng.choice([0, 10, 150]) for _ in range(n_reduce or n_map)),
        )
        steps.append(step)
    return replace(job, steps=tuple(steps))


def _with_setup_timeout(rng: Random, job: JobPlan) -> JobPlan:
    """A slot that says nothing may still be starting, for a time that is shorter or longer."""
    return replace(job, setup_timeout_s=job.task_timeout_s * rng.choice([0.7, 1.0, 1.5]))


def _with_bad_files(rng: Random, job: JobPlan) -> JobPlan:
    """Sometimes the job with files that can't be read, and leave for as many, or for too few."""
    (step,) = job.steps
    n_map = len(step.maps_s)
    if rng.random() > 0.1 or not n_map or step.bad or step.poisoned:
        return job
    bad = tuple(sorted(rng.sample(range(n_map), min(n_map, rng.randint(1, 4)))))
    limit = max(1, len(bad) + rng.choice([-1, 0, 5]))
    return replace(job, bad_files=bad, skip_bad_files=limit)


def _with_bad_records(rng: Random, job: JobPlan) -> JobPlan:
    """Sometimes the job with bad records, and leave for as many of them, or for too few."""
    (step,) = job.steps
    records = [(index, n) for index, count in enumerate(step.records) for n in range(count)]
    if rng.random() > 0.15 or not records or step.poisoned or job.max_attempts < 2:
        return job
    if rng.random() < 0.4:  # all in one map
        index, _ = rng.choice(records)
        records = [record for record in records if record[0] == index]
    drawn = rng.sample(records, min(len(records), rng.randint(1, 5)))
    does = rng.choice([(KILLS,), (RAISES,), (KILLS, RAISES, OUTGROWS), (HANGS, KILLS, RAISES)])
    bad = tuple((index, number, rng.choice(does)) for index, number in sorted(drawn))
    limit = max(1, len(bad) + rng.choice([-1, 0, 0, 5]))
    return replace(job, steps=(replace(step, bad=bad),), skip_bad_records=limit)


def _network(rng: Random, beat_s: float, is_calm: bool) -> NetworkDraw:
    loss, doubling, lateness = (rng.choice([0.0, 0.0, 0.02, 0.2]) for _ in range(3))
    if is_calm:
        loss = doubling = lateness = 0.0
    latency_s = rng.choice([0.0002, 0.001, 0.02])
    return NetworkDraw(
        latency_s,
        latency_s * rng.choice([0.0, 0.5, 3.0]),
        in_order=is_calm or rng.random() < 0.5,  # as ZeroMQ does on one connection
        loss=loss,
        doubling=doubling,
        lateness=lateness,
        latest_s=beat_s * rng.choice([0.1, 2.0, 8.0]),
    )


def _faults(rng: Random, beat_s: float, n_workers: int, is_calm: bool) -> FaultsDraw:
    if is_calm:
        return FaultsDraw(0.0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    accidents = rng.choice([0, 1, 1, 2, 3, 6, 12])
    return FaultsDraw(
        beat_s * rng.uniform(2.0, 15.0),
        accidents + (n_workers // 5 if accidents else 0),
        failing=rng.choice([0.0, 0.0, 0.05, 0.2]),
        slow=rng.choice([0.0, 0.0, 0.1]),
        slow_disk=rng.choice([0.0, 0.2]),
        busy=rng.choice([0.0, 0.0, 0.2]),
        longest_s=beat_s * rng.choice([2.0, 6.0, 15.0]),
        manifest_s=beat_s * rng.choice([0.0, 0.0, 0.5, 50.0]),
        manifest_failing=rng.choice([0.0, 0.0, 0.0, 0.1]),
        unreadable=rng.choice([0.0, 0.0, 0.0, 0.4]),
    )
