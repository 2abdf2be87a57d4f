"""The inline engine: a job in this process, one thing after the other, all in memory.

It says what the answer is, in as few words as possible, and so it is what every other engine is
compared with. It uses neither combiners nor map output files, map_batch only where there is no map,
and of a declarative reducer only what that means for a list of values. Whatever the job's code
raises comes through as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from zmr.core.totals import counters_of_all, totals_of_all
from zmr.engines.inline_skipping import Skipping
from zmr.formats.text import not_a_pair
from zmr.job import Job, begin_task, counters_of
from zmr.key_types import of_one_type, type_of_keys
from zmr.messages import Counters, InputFile, OutputFile, Split, Stats
from zmr.output.folder import output_name
from zmr.output.manifest import success_manifest, write_success
from zmr.output.partition_file import describe
from zmr.partitioners import checked_partition
from zmr.pipeline import Pipeline, refuse_skipping
from zmr.reducers import Identity, Reducer
from zmr.steps import StepDone, Totals

Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class InlineResult:
    """What a job has done. `phase_s` holds the seconds spent in "map" and in "reduce"; `steps` is
    there for a pipeline, of which the others are the sums.
    """

    files: tuple[OutputFile, ...]
    stats: Stats
    counters: Counters
    phase_s: dict[str, float] = field(default_factory=dict)
    steps: tuple[StepDone, ...] = ()


def run_inline(
    job: Job | Pipeline,
    inputs: Iterable[InputFile],
    output: str,
    n_reduce: int,
    name: str = "",
    skip_bad_records: int = 0,
) -> InlineResult:
    """Run the job over the inputs in order, and leave its output in the folder `output`.

    There are `n_reduce` partitions; without any, or without reduce, all pairs go into one file as
    map yields them. `name` is what the manifest calls the job. Raises what the job raises, with a
    note of the step if it is a pipeline. Up to `skip_bad_records` for which that is map are left
    out and saved beside the output.
    """
    refuse_skipping(job, skip_bad_records)
    jobs = job.jobs if isinstance(job, Pipeline) else (job,)
    skipping = Skipping(jobs[0], output, skip_bad_records) if skip_bad_records else None
    files, partitions, steps = list(inputs), list[list[Pair]](), list[StepDone]()
    for number, step in enumerate(jobs, 1):
        source = _Files(step, files) if number == 1 else _Pairs(partitions)
        try:
            partitions, done = _run(step, source, n_reduce, skipping)
        except BaseException as error:
            if isinstance(job, Pipeline):
                error.add_note(f"in step {number} of {len(jobs)}, {type(step).__name__}")
            raise
        steps.append(done)
    os.makedirs(output, exist_ok=True)
    written = tuple(_write(jobs[-1], output, index, rows) for index, rows in enumerate(partitions))
    totals, counters = totals_of_all(steps), counters_of_all(steps)
    stats = Stats(
        records_in=totals.records_in,
        bytes_in=totals.bytes_in,
        records_out=totals.records_out,
        bytes_out=sum(file.size_bytes for file in written),
        elapsed_s=totals.map_s + totals.reduce_s,
    )
    of_steps = tuple(steps) if isinstance(job, Pipeline) else ()
    manifest = success_manifest(name or type(job).__name__, (), written, counters, stats, of_steps)
    write_success(output, manifest)
    phase_s = {"map": totals.map_s, "reduce": totals.reduce_s}
    return InlineResult(written, stats, counters, phase_s, of_steps)


class _Files:
    """The records of the files."""

    def __init__(self, job: Job, files: Iterable[InputFile]) -> None:
        self.size_bytes = 0
        self._job = job
        self.files = files

    def records(self) -> Iterator[Any]:
        for file in self.files:
            for records, size_bytes in self._job.input.read(Split(file.path), self._job.count):
                yield from records
                self.size_bytes += size_bytes

    def batches(self) -> Iterator[Any]:
        for file in self.files:
            batches = self._job.input.read_batches(Split(file.path), self._job.count)
            for batch, size_bytes in batches:
                yield batch
                self.size_bytes += size_bytes


class _Pairs:
    """What the step before has put out, as records."""

    size_bytes = 0

    def __init__(self, partitions: list[list[Pair]]) -> None:
        self._pairs = [(key, value) for pairs in partitions for key, value in pairs]

    def records(self) -> Iterator[Any]:
        return iter(self._pairs)

    def batches(self) -> Iterator[Any]:
        from zmr.formats.pairs import batch_of, refuse_pickled

        if self._pairs:
            batch = batch_of(self._pairs)
            refuse_pickled(batch, "the pairs of the step before")
            yield batch


def _run(
    job: Job, source: _Files | _Pairs, n_reduce: int, skipping: Skipping | None
) -> tuple[list[list[Pair]], StepDone]:
    """What the job puts out, partition by partition, and what it has done."""
    began = perf_counter()
    begin_task(job)
    if skipping is not None and isinstance(source, _Files):
        pairs, n_records = _map_good(job, source, skipping)
    else:
        pairs, n_records = (_map if type(job).map is not Job.map else _map_batches)(job, source)
    mapped = perf_counter()
    map_only = job.reduce is None or n_reduce == 0
    partitions = [pairs] if map_only else _reduce_all(job, pairs, job.reducers or n_reduce)
    totals = Totals(
        records_in=n_records,
        bytes_in=source.size_bytes,
        records_out=sum(map(len, partitions)),
        map_s=mapped - began,
        reduce_s=perf_counter() - mapped,
    )
    return partitions, StepDone(type(job).__name__, counters_of(job), totals)


def _map(job: Job, source: _Files | _Pairs) -> tuple[list[Pair], int]:
    """The pairs that map makes of all records, and how many records."""
    records = list(source.records())
    return [pair for record in records for pair in _yielded(job.map(record))], len(records)


def _yielded(pairs: Iterable[Any] | None) -> Iterator[Pair]:
    """What map or reduce has yielded. Raises `YieldError` for what is no pair."""
    for pair in pairs or ():
        try:
            key, value = pair
        except (TypeError, ValueError):
            raise not_a_pair(pair) from None
        yield key, value


def _map_batches(job: Job, source: _Files | _Pairs) -> tuple[list[Pair], int]:
    """The same with map_batch, for a job that has no map."""
    pairs: list[Pair] = []
    n_records = 0
    for batch in source.batches():
        pairs += _pairs_of(job.map_batch(batch))
        n_records += len(batch)
    return pairs, n_records


def _map_good(job: Job, files: _Files, skipping: Skipping) -> tuple[list[Pair], int]:
    """The same without the records on which map raises."""

    def mapped(record: Any) -> list[Pair]:
        if type(job).map is Job.map:
            return _pairs_of(job.map_batch(record))
        return list(_yielded(job.map(record)))

    pairs = list(skipping.good(files.files, mapped))
    files.size_bytes = skipping.size_bytes
    return pairs, skipping.n_records


def _pairs_of(result: Any) -> list[Pair]:
    """What map_batch gave: a table, (keys, values), keys alone, or nothing."""
    if result is None:
        return []
    if hasattr(result, "to_pydict"):
        columns = result.to_pydict()
        values = columns.pop("value", None)
        parts = [columns[name] for name in sorted(columns, key=lambda name: (len(name), name))]
        is_tuple = "key" not in columns
    else:
        keys, of_values = result if isinstance(result, tuple) else (result, None)
        values = None if of_values is None else of_values.to_pylist()
        is_tuple = isinstance(keys, tuple)
        parts = [part.to_pylist() for part in (keys if is_tuple else (keys,))]
    of_keys = list(zip(*parts, strict=True)) if is_tuple else parts[0]
    return list(zip(of_keys, values or [None] * len(of_keys), strict=True))


def _reduce_all(job: Job, pairs: list[Pair], n_reduce: int) -> list[list[Pair]]:
    groups: dict[Any, list[Any]] = {}
    for key, value in of_one_type(pairs, pairs[0][0]) if pairs else ():
        groups.setdefault(key, []).append(value)
    type_of_keys(groups.keys())
    partitions: list[list[Pair]] = [[] for _ in range(n_reduce)]
    for key in sorted(groups):
        reduced = _reduce(job, key, groups[key])
        partitions[checked_partition(job.partition, key, n_reduce)] += reduced
    return partitions


def _reduce(job: Job, key: Any, values: list[Any]) -> list[Pair]:
    if isinstance(job.reduce, Reducer):
        return [(key, job.reduce.sequential(values))]
    if isinstance(job.reduce, Identity):
        return [(key, value) for value in values]
    return list(_yielded(job.reduce(key, iter(values))))


def _write(job: Job, folder: str, index: int, pairs: list[Pair]) -> OutputFile:
    path = os.path.join(folder, output_name(index))
    with open(path + ".part", "wb") as file:
        file.write(job.output.encode_pairs(pairs))
    os.replace(path + ".part", path)
    return describe(folder, output_name(index))
