"""A job run in this process as a cluster might run it: one of the many ways that give one answer.

What an engine may choose is drawn from a seed: where the input is cut into map tasks, which of them
run twice, where combine is called, in which order the values of a key come that are of one input,
which keys share a reduce task. An answer that depends on it is no answer.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, pairwise
from random import Random
from typing import Any

from zmr.job import Job, begin_task, output_of
from zmr.job_inputs import for_input
from zmr.key_types import plain_key, sortable
from zmr.partitioners import checked_partition
from zmr.reducers import Collect, First, Identity, Reducer
from zmr.tasks.errors import in_one_line
from zmr.tasks.sorted_values import sorts_values
from zmr.tasks.yielded import iterated

Pair = tuple[Any, Any]
# The lines that are put out, and the partitions of keys, sorted; or the error.
Answer = tuple[bytes, ...] | str

_MANY_PARTITIONS = 64


class Choice(Enum):
    """What an engine may choose."""

    AGAIN = "tasks that are killed, or run twice"
    CUTS = "where the input is cut into tasks"
    COMBINES = "where combine is called"
    ORDER = "the order of the values of a key"


class Record:
    """A record of one of the job's inputs. Each run gets a copy of it."""

    def __init__(
        self, record: Any, input_number: int = 0, path: str = "", offset: int | None = None
    ) -> None:
        self.input_number = input_number
        self.path = path
        self.offset = offset
        self._data = pickle.dumps(record)
        self.text = repr(record)

    def copy(self) -> Any:
        return pickle.loads(self._data)


@dataclass(frozen=True)
class Schedule:
    """What is drawn, and from which seed; the rest is as in a sequential run."""

    seed: int = 0
    drawn: frozenset[Choice] = frozenset()


SEQUENTIAL = Schedule()


def is_in_order(job: Job) -> bool:
    """Whether the job means the order of values, by what it is made of."""
    return sorts_values(job) or isinstance(job.reduce, (First, Collect, Identity))


def run(job: Job, records: Sequence[Record], schedule: Schedule = SEQUENTIAL) -> Answer:
    """What the job puts out for the records, in this schedule."""
    try:
        steps = _Run(job, schedule)
        output = output_of(job)
        lines = [output.encode_pairs([_steady(pair)]) for pair in steps.pairs(records)]
        return tuple(sorted(chain(lines, steps.partitions)))
    except (Exception, SystemExit) as error:
        return in_one_line(error)


def _steady(value: Any) -> Any:
    """The value with the entries of dicts in one order: dicts that are equal may differ in it."""
    if type(value) is dict:
        entries = ((key, _steady(each)) for key, each in value.items())
        return dict(sorted(entries, key=lambda entry: (type(entry[0]).__name__, repr(entry[0]))))
    if type(value) in (list, tuple):
        return type(value)(map(_steady, value))
    return value


def pairs_of(job: Job, records: Sequence[Record], schedule: Schedule) -> list[Pair]:
    """The pairs that the job puts out, in this schedule. Raises what the job raises."""
    return _Run(job, schedule).pairs(records)


class _Run:
    def __init__(self, job: Job, schedule: Schedule) -> None:
        self._job = job
        self._rng = Random(f"{schedule.seed}")
        self._drawn = schedule.drawn
        self.partitions: set[bytes] = set()
        """For each key in which partition it is, as a line; if the job has a method for that."""

    def pairs(self, records: Sequence[Record]) -> list[Pair]:
        """What the job puts out."""
        numbers = sorted({record.input_number for record in records}) or [0]
        inputs = [
            self._maps(number, [record for record in records if record.input_number == number])
            for number in numbers
        ]
        if self._job.reduce is None:
            return [pair for maps in inputs for pairs in maps for pair in pairs]
        values = self._shuffled(inputs)
        put_out: list[Pair] = []
        for keys in self._cut(sorted(values, key=sortable)):
            put_out += self._reduce([(key, values[key]) for key in keys])
        return put_out

    def _cut(self, elements: Sequence[Any]) -> list[Sequence[Any]]:
        """The elements in consecutive pieces, at least one; in one, if that is not drawn."""
        if Choice.CUTS not in self._drawn or len(elements) < 2:
            return [elements]
        n_cuts = self._rng.randint(0, min(8, len(elements) - 1))
        cuts = sorted(self._rng.sample(range(1, len(elements)), n_cuts))
        edges = [0, *cuts, len(elements)]
        return [elements[start:end] for start, end in pairwise(edges)]

    # --- tasks ---

    def _maps(self, input_number: int, records: Sequence[Record]) -> list[list[Pair]]:
        """The pairs of each map task over one of the job's inputs."""
        tasks = self._cut(records)
        maps = [self._map(input_number, task) for task in tasks]
        if Choice.AGAIN in self._drawn:  # of another worker, of which the first was lost
            for number in self._rng.sample(range(len(tasks)), self._rng.randint(0, len(tasks))):
                task = tasks[number]
                self._map(input_number, task[: self._rng.randint(0, len(task))])  # and was killed
                maps[number] = self._map(input_number, task)
        if self._job.combine is not None and Choice.COMBINES in self._drawn:
            maps = [self._combined(pairs) for pairs in maps]
        return maps

    def _map(self, input_number: int, records: Sequence[Record]) -> list[Pair]:
        job = begin_task(for_input(self._job, input_number))
        pairs = list(self._mapped(job, records))
        if job.finish_map is not None:
            pairs += _kept(job.finish_map(), "finish_map", self._is_for_reduces)
        if self._is_for_reduces and self._has_partition_method:
            n = job.reducers or _MANY_PARTITIONS
            for key in dict.fromkeys(key for key, _ in pairs):
                number = checked_partition(job.partition, key, n)
                self.partitions.add(f"{key!r} is in partition {number} of {n}".encode())
        return pairs

    def _mapped(self, job: Job, records: Sequence[Record]) -> Iterator[Pair]:
        for record in records:
            job._source = record
            yield from _kept(job.map(record.copy()), "map", self._is_for_reduces)

    @property
    def _has_partition_method(self) -> bool:
        return callable(self._job.partition)

    @property
    def _is_for_reduces(self) -> bool:
        return self._job.reduce is not None

    def _combined(self, pairs: list[Pair]) -> list[Pair]:
        """Combine called for each key with all values, with some of them, or not at all."""
        job = begin_task(self._job)
        combined: list[Pair] = []
        for key, values in _by_key(pairs).items():
            left = list(values)
            while left:
                n = self._rng.randint(1, len(left))
                some, left = left[:n], left[n:]
                if self._rng.random() < 0.7:
                    combined += _kept(job.combine(key, iter(some)), "combine", is_for_reduces=True)
                else:
                    combined += ((key, value) for value in some)
        return combined

    def _shuffled(self, inputs: list[list[list[Pair]]]) -> dict[Any, list[Any]]:
        values: dict[Any, list[Any]] = {}
        for maps in inputs:  # whose order is the job's own: they are its attributes
            for key, of_key in _by_key(pair for pairs in maps for pair in pairs).items():
                if Choice.ORDER in self._drawn:
                    self._rng.shuffle(of_key)
                values.setdefault(key, []).extend(of_key)
        if sorts_values(self._job):
            by = self._job.sort_values
            for of_key in values.values():
                of_key.sort(key=(lambda v: sortable(by(v))) if callable(by) else sortable)
        return values

    def _reduce(self, groups: list[tuple[Any, list[Any]]]) -> list[Pair]:
        job = begin_task(self._job)
        put_out: list[Pair] = []
        for key, values in groups:
            if isinstance(job.reduce, Reducer):
                put_out.append((key, job.reduce.sequential(values)))
            elif isinstance(job.reduce, Identity):
                put_out += ((key, value) for value in values)
            else:
                put_out += _kept(job.reduce(key, iter(values)), "reduce", is_for_reduces=False)
        if job.finish_reduce is not None:
            put_out += _kept(job.finish_reduce(), "finish_reduce", is_for_reduces=False)
        return put_out


def _kept(result: Any, method: str, is_for_reduces: bool) -> Iterator[Pair]:
    """The pairs as they were when they were yielded."""
    for key, value in iterated(result, method):
        if is_for_reduces:
            yield plain_key(key), pickle.loads(pickle.dumps(value))
        else:
            yield key, value


def _by_key(pairs: Iterable[Pair]) -> dict[Any, list[Any]]:
    values: dict[Any, list[Any]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(value)
    return values
