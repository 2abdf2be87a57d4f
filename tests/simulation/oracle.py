"""The sequential answer: what the maps of a job produce, and what its output has to be.

Map i puts out pairs of a key and its own number; a reduce lists for every key the numbers of the
maps that had it, in the order in which they came. An input that is lost, doubled, stale or out of
order shows. Records of which slots die are left out. In the later steps of a pipeline the keys
depend on what stands in the file that the map reads, which the step before has put out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from zlib import crc32

from zmr.messages import Split

from .draw import JobDraw, StepDraw, pieces

Pair = tuple[int, int]  # a key, and the number of the map
Pairs = tuple[Pair, ...]

_KEYS = 23


class Answer:
    """Of one job, or of one step, which is fed by the one before."""

    def __init__(self, job: JobDraw, step: StepDraw, before: Answer | None) -> None:
        self.job = job
        self.step = step
        self.before = before
        self.n_reduce = len(step.reduces_s)
        self.n_map = len(step.maps_s)
        self.folder = (
            output(job.id) if step is job.steps[-1] else f"{temporary(job.id)}/{_folder(step)}"
        )
        self._outputs: dict[int, tuple[Pairs, ...]] = {}
        self._texts: dict[int, str] = {}
        self.splits = self._splits()  # of each map, which has one

    def _splits(self) -> list[Split]:
        before = self.before
        if before is None:
            return [Split(f"/in/{self.job.id}/{index}") for index in range(self.n_map)]
        return [
            Split(before.path(index), *piece)
            for index in range(before.n_files)
            for piece in pieces(before.size_bytes(index))
        ]

    def input_text(self, index: int) -> str:
        """What stands in the file that the map reads."""
        before = self.before
        if before is None:
            return ""
        files = {before.path(number): number for number in range(before.n_files)}
        return before.text(files[self.splits[index].path])

    def map_output(self, index: int) -> tuple[Pairs, ...]:
        """What the map puts out for each partition."""
        output = self._outputs.get(index)
        if output is None:
            output = self._outputs[index] = self.mapped(index, self.input_text(index))
        return output

    def mapped(self, index: int, text: str) -> tuple[Pairs, ...]:
        """What the map makes of a file with this text."""
        first = index * 7919 + crc32(text.encode())
        killers = self.step.killers_of(index)
        numbers = (n for n in range(self.step.records[index]) if n not in killers)
        keys = [(first + number * 104729) % _KEYS for number in numbers]
        return tuple(
            tuple((key, index) for key in keys if key % self.n_reduce == partition)
            for partition in range(self.n_reduce)
        )

    def map_text(self, index: int, text: str) -> str:
        """The output file of a map-only job's map, which has read this text."""
        records = self.step.n_good(index)
        return f"{self.step.id} map {index}: {records}, {crc32(text.encode())}"

    def name(self, index: int) -> str:
        """Of an output file."""
        return f"{self.step.id}-mr-out-{index}"

    def path(self, index: int) -> str:
        """Of an output file."""
        return f"{self.folder}/{self.name(index)}"

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
            text = self.map_text(index, self.input_text(index)) if is_map_only else ""
            text = self._texts[index] = text or self.reduce_text(index)
        return text

    @property
    def n_files(self) -> int:
        return self.n_reduce or self.n_map

    def counters(self) -> tuple[tuple[str, int], ...]:
        """What the tasks count, each once."""
        counts = Counter[str]()
        for index in range(self.n_map):
            counts.update(dict(map_counters(self.step, index)))
        counts.update({"reduces": self.n_reduce} if self.n_reduce else {})
        return tuple(sorted(counts.items()))

    @property
    def records_in(self) -> int:
        return sum(self.step.records)


def answers(job: JobDraw) -> dict[str, Answer]:
    """Those of a job, by the ids that workers know: one of each step."""
    found: dict[str, Answer] = {}
    answer = None
    for step in job.steps:
        answer = found[step.id] = Answer(job, step, answer)
    return found


def output(job_id: str) -> str:
    """The output folder of a job."""
    return f"/out/{job_id}"


def temporary(job_id: str) -> str:
    """The folder for what is not to stay."""
    return f"{output(job_id)}/.zmr-{job_id}"


def _folder(step: StepDraw) -> str:
    return f"step-{step.id.rpartition('.')[2]}"


def reduced(job_id: str, partition: int, inputs: Iterable[Pairs]) -> str:
    """What a reduce makes of its inputs."""
    groups: dict[int, list[int]] = {}
    for pairs in inputs:
        for key, number in pairs:
            groups.setdefault(key, []).append(number)
    return f"{job_id} reduce {partition}: {sorted(groups.items())}"


def map_counters(step: StepDraw, index: int) -> tuple[tuple[str, int], ...]:
    """What the map counts."""
    return (("maps", 1), ("records", step.n_good(index)))
