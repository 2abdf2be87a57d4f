"""The sequential answer: what the maps of a job produce, and what its output has to be.

Map i puts out pairs of a key and its own number; a reduce lists for every key the numbers of the
maps that had it, in the order in which they came. An input that is lost, doubled, stale or out of
order shows. Records of which slots die are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .draw import JobDraw

Pair = tuple[int, int]  # a key, and the number of the map
Pairs = tuple[Pair, ...]

_KEYS = 23


class Answer:
    """Of one job."""

    def __init__(self, job: JobDraw) -> None:
        self.job = job
        self.n_reduce = len(job.reduces_s)
        self.n_map = len(job.maps_s)
        self._outputs: dict[int, tuple[Pairs, ...]] = {}

    def map_output(self, index: int) -> tuple[Pairs, ...]:
        """What the map puts out for each partition."""
        output = self._outputs.get(index)
        if output is None:
            killers = self.job.killers_of(index)
            pairs = [
                ((index * 7919 + number * 104729) % _KEYS, index)
                for number in range(self.job.records[index])
                if number not in killers
            ]
            output = self._outputs[index] = tuple(
                tuple(pair for pair in pairs if pair[0] % self.n_reduce == partition)
                for partition in range(self.n_reduce)
            )
        return output

    def map_text(self, index: int) -> str:
        """The output file of a map-only job's map."""
        return f"{self.job.id} map {index}: {self.job.n_good(index)}"

    def reduce_text(self, partition: int) -> str:
        """The output file of a reduce."""
        inputs = (self.map_output(index)[partition] for index in range(self.n_map))
        return reduced(self.job.id, partition, inputs)

    def text(self, index: int) -> str:
        """An output file of the job."""
        return self.reduce_text(index) if self.n_reduce else self.map_text(index)

    @property
    def n_files(self) -> int:
        return self.n_reduce or self.n_map

    def counters(self) -> tuple[tuple[str, int], ...]:
        """What the tasks count, each once."""
        counts = Counter[str]()
        for index in range(self.n_map):
            counts.update(dict(map_counters(self.job, index)))
        counts.update({"reduces": self.n_reduce} if self.n_reduce else {})
        return tuple(sorted(counts.items()))

    @property
    def records_in(self) -> int:
        return sum(self.job.records)


def reduced(job_id: str, partition: int, inputs: Iterable[Pairs]) -> str:
    """What a reduce makes of its inputs."""
    groups: dict[int, list[int]] = {}
    for pairs in inputs:
        for key, number in pairs:
            groups.setdefault(key, []).append(number)
    return f"{job_id} reduce {partition}: {sorted(groups.items())}"


def map_counters(job: JobDraw, index: int) -> tuple[tuple[str, int], ...]:
    """What the map counts."""
    return (("maps", 1), ("records", job.n_good(index)))
