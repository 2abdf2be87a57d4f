"""The sequential answer: what the maps of a job produce, and what its output has to be.

Map i puts out pairs of a key and its own number; a reduce lists for every key the numbers of the
maps that had it, in the order in which they came. An input that is lost, doubled, stale or out of
order shows. Records of which slots die are left out. In the later steps of a pipeline the keys
depend on what stands in the file that the map reads, which the step before has put out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from zlib import crc32

from zmr.core.plan import plan
from zmr.messages import InputFile, Split

from .jobs import SPLIT_BYTES, JobPlan, StepPlan, pieces

Pair = tuple[int, int]  # a key, and the number of the map
Pairs = tuple[Pair, ...]

_KEYS = 23


class Answer:
    """Of one job, or of one step, which is fed by the one before."""

    def __init__(self, job: JobPlan, step: StepPlan, before: Answer | None) -> None:
        self.job = job
        self.step = step
        self.before = before
        self.n_reduce = len(step.reduces_s)
        self.n_map = len(step.maps_s)
        self.folder = job.output if step is job.steps[-1] else f"{job.temporary}/{_folder(step)}"
        self._outputs: dict[int, tuple[Pairs, ...]] = {}
        self._texts: dict[int, str] = {}
        self.splits = self._splits()  # of each map

    def _splits(self) -> list[tuple[Split, ...]]:
        before = self.before
        if before is None:
            planned = list(plan(self.job.input_files, SPLIT_BYTES))
            check_cover(planned, self.job.input_files)
            assert len(planned) == self.n_map, f"{len(planned)} tasks, not {self.n_map}"
            return planned
        return [
            (Split(before.path(index), *piece),)
            for index in range(before.n_files)
            for piece in pieces(before.size_bytes(index))
        ]

    def input_text(self, index: int) -> str:
        """What stands in the file that the map reads."""
        before = self.before
        if before is None:
            return ""
        files = {before.path(number): number for number in range(before.n_files)}
        return before.text(files[self.splits[index][0].path])

    def map_output(self, index: int) -> tuple[Pairs, ...]:
        """What the map puts out for each partition."""
        output = self._outputs.get(index)
        if output is None:
            left_out = tuple(self.step.bad_of(index))
            output = self.mapped(index, self.input_text(index), left_out)
            self._outputs[index] = output
        return output

    def mapped(self, index: int, text: str, left_out: Collection[int]) -> tuple[Pairs, ...]:
        """What the map makes of a file with this text, without these records."""
        first = index * 7919 + crc32(text.encode())
        numbers = (n for n in range(self.step.records[index]) if n not in left_out)
        keys = [(first + number * 104729) % _KEYS for number in numbers]
        return tuple(
            tuple((key, index) for key in keys if key % self.n_reduce == partition)
            for partition in range(self.n_reduce)
        )

    def map_text(self, index: int, text: str, left_out: Collection[int]) -> str:
        """The output file of a map-only job's map, which has read this text."""
        records = self.step.records[index] - len(left_out)
        return f"{self.step.id} map {index}: {records}, {crc32(text.encode())}"

    def name(self, index: int) -> str:
        """Of an output file."""
        return f"mr-out-{index}"

    def path(self, index: int) -> str:
        """Of an output file."""
        return f"{self.folder}/{self.name(index)}"

    def temporary_path(self, index: int, attempt: int) -> str:
        """Of an output file until it is published."""
        return f"{self.folder}/.zmr-{self.step.id}/{self.name(index)}.{attempt}"

    def size_bytes(self, index: int) -> int:
        """Of an output file, as the master is told."""
        sizes = self.step.sizes_bytes
        return sizes[index] if sizes else len(self.text(index))

    def reduce_text(self, partition: int) -> str:
        """The output file of a reduce."""
        inputs = (self.map_output(index)[partition] for index in range(self.n_map))
        return reduced(self.step.id, partition, inputs)

    def text(self, index: int) -> str:
        """An output file of the job."""
        text = self._texts.get(index)
        if text is None:
            is_map_only = not self.n_reduce
            if is_map_only:
                left_out = tuple(self.step.bad_of(index))
                text = self.map_text(index, self.input_text(index), left_out)
            else:
                text = self.reduce_text(index)
            self._texts[index] = text
        return text

    @property
    def n_files(self) -> int:
        return self.n_reduce or self.n_map

    def counters(self) -> tuple[tuple[str, int], ...]:
        """What the tasks count, each once."""
        counts = Counter[str]()
        for index in range(self.n_map):
            n_left_out = len(tuple(self.step.bad_of(index)))
            counts.update(dict(self.map_counters(index, n_left_out)))
        counts.update({"reduces": self.n_reduce} if self.n_reduce else {})
        return tuple(sorted(counts.items()))

    def map_counters(self, index: int, n_left_out: int) -> tuple[tuple[str, int], ...]:
        """What the map counts, without so many of its records."""
        return (("maps", 1), ("records", self.step.records[index] - n_left_out))

    @property
    def records_in(self) -> int:
        return sum(self.step.records)


def answers(job: JobPlan) -> dict[str, Answer]:
    """Those of a job, by the ids that workers know: one of each step."""
    found: dict[str, Answer] = {}
    answer = None
    for step in job.steps:
        answer = found[step.id] = Answer(job, step, answer)
    return found


def check_cover(planned: Sequence[tuple[Split, ...]], inputs: Sequence[InputFile]) -> None:
    """Fail unless the tasks read each byte of the inputs once, in their order."""
    at = 0, 0  # the number of an input, and a place in it
    for split in (split for splits in planned for split in splits):
        number, offset = at
        file = inputs[number]
        assert (split.path, split.offset) == (file.path, offset), f"{split} is out of turn"
        end = file.size_bytes if split.length < 0 else split.offset + split.length
        assert end > offset or not file.size_bytes, f"{split} reads nothing"
        assert file.splittable or (split.offset, split.length) == (0, -1), f"{file} is cut"
        at = (number + 1, 0) if end == file.size_bytes else (number, end)
    assert at == (len(inputs), 0), "not all of the inputs is read"


def _folder(step: StepPlan) -> str:
    return f"step-{step.id.rpartition('.')[2]}"


def reduced(job_id: str, partition: int, inputs: Iterable[Pairs]) -> str:
    """What a reduce makes of its inputs."""
    groups: dict[int, list[int]] = {}
    for pairs in inputs:
        for key, number in pairs:
            groups.setdefault(key, []).append(number)
    return f"{job_id} reduce {partition}: {sorted(groups.items())}"
