"""What a simulated job is: its steps, how long its tasks take, what is wrong with its records."""

from __future__ import annotations

from dataclasses import dataclass

from zmr import messages as m

# What a bad record does: map raises; its slot dies, hangs, or outgrows its memory.
RAISES, KILLS, HANGS, OUTGROWS = "raises", "kills", "hangs", "outgrows"

# Larger files are cut in two. (There are none of more than twice the size.)
SPLIT_BYTES = 100


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A job as workers know it: the whole, or a step of a pipeline."""

    id: str
    maps_s: tuple[float, ...]  # how long each task takes on a good worker
    reduces_s: tuple[float, ...]
    records: tuple[int, ...]  # of each map
    poisoned: tuple[str, int] | None = None  # a task that always fails: its kind and number
    sizes_bytes: tuple[int, ...] = ()  # of a pipeline: of the files that it puts out
    bad: tuple[tuple[int, int, str], ...] = ()  # records: map, number, and what it does

    @property
    def work_s(self) -> float:
        dying_s = 2 * sum(self.maps_s[index] for index, _, does in self.bad if does != RAISES)
        return sum(self.maps_s) + sum(self.reduces_s) + dying_s

    def bad_of(self, index: int) -> dict[int, str]:
        """The bad records of a map, in their order: number, and what it does."""
        return {number: does for of, number, does in sorted(self.bad) if of == index}

    @property
    def n_hanging(self) -> int:
        """How many records hang, each of which costs two task timeouts."""
        return sum(does == HANGS for _, _, does in self.bad)


@dataclass(frozen=True, slots=True)
class JobPlan:
    id: str
    steps: tuple[StepPlan, ...]  # of a pipeline; of another job, its only one
    submitted_at_s: float = 0.0
    by_client: bool = False  # over the network, not by the master's own process
    cancelled_after_s: float | None = None
    max_attempts: int = 4
    task_timeout_s: float = 30.0
    setup_timeout_s: float = 600.0
    backup_after_s: float = 2.0
    skip_bad_records: int = 0
    bad_files: tuple[int, ...] = ()  # maps, each of which leaves a file out that can't be read
    skip_bad_files: int = 0
    shares_output_of: str = ""  # the id of another job, which has the same output folder
    inputs: tuple[m.InputFile, ...] = ()  # none: a small file for each map of the first step

    @property
    def output(self) -> str:
        """The output folder."""
        return f"/out/{self.shares_output_of or self.id}"

    @property
    def temporary(self) -> str:
        """The folder for what is not to stay."""
        return f"{self.output}/.zmr-{self.id}"

    @property
    def input_files(self) -> tuple[m.InputFile, ...]:
        """What its first step reads."""
        n_map = len(self.steps[0].maps_s)
        return self.inputs or tuple(
            m.InputFile(f"/in/{self.id}/{n}", 10, splittable=True) for n in range(n_map)
        )

    @property
    def is_too_bad(self) -> bool:
        """Whether more is bad than may be left out."""
        n_records = sum(len(step.bad) for step in self.steps)
        return n_records > self.skip_bad_records or len(self.bad_files) > self.skip_bad_files

    @property
    def is_pipeline(self) -> bool:
        return len(self.steps) > 1

    @property
    def longest_s(self) -> float:
        """For which an attempt may stand still."""
        return max(self.task_timeout_s, self.setup_timeout_s)

    @property
    def work_s(self) -> float:
        return sum(step.work_s for step in self.steps)

    @property
    def submit(self) -> m.Submit:
        """What the master is given of it."""
        steps = tuple(m.Step(step.id, (), len(step.reduces_s)) for step in self.steps)
        spec = m.JobSpec(
            job_id=self.id,
            name=self.id,
            reference="job",
            source=b"",
            search_path="",
            params=(),
            n_reduce=steps[-1].n_reduce,
            output=self.output,
            max_attempts=self.max_attempts,
            task_timeout_s=self.task_timeout_s,
            setup_timeout_s=self.setup_timeout_s,
            backup_after_s=self.backup_after_s,
            steps=steps if self.is_pipeline else (),
            skip_bad_records=self.skip_bad_records,
            skip_bad_files=self.skip_bad_files,
        )
        return m.Submit(spec, self.input_files)


def pieces(size_bytes: int, split_bytes: int = SPLIT_BYTES) -> tuple[tuple[int, int], ...]:
    """How a file is cut for the next step: offset and length of each piece; -1: all of it."""
    if size_bytes <= split_bytes:
        return ((0, -1),)
    half = size_bytes // 2
    return ((0, half), (half, size_bytes - half))
