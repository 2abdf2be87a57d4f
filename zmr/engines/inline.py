"""The inline engine: a job in this process, one thing after the other, all in memory.

It says what the answer is, in as few words as possible, and so it is what every other engine is
compared with. It uses neither combiners nor map output files, map_batch only where there is no map,
and of a declarative reducer only what that means for a list of values. Whatever the job's code
raises comes through as it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from zmr.core.messages import Counters, InputFile, OutputFile, Split, Stats
from zmr.data.formats import BadRecord
from zmr.data.keys import of_one_type, type_of_keys
from zmr.data.output import SKIPPED, output_name, success_manifest, write_success
from zmr.data.output_file import describe
from zmr.data.partition import choose
from zmr.data.skipped import COUNTER, SkippedFile, file_name
from zmr.execute.errors import user_error
from zmr.job import Job, begin_task, counters_of
from zmr.reducers import Identity, Reducer

Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class InlineResult:
    """What a job has done. `phase_s` holds the seconds spent in "map" and in "reduce"."""

    files: tuple[OutputFile, ...]
    stats: Stats
    counters: Counters
    phase_s: dict[str, float] = field(default_factory=dict)


def run_inline(
    job: Job,
    inputs: Iterable[InputFile],
    output: str,
    n_reduce: int,
    name: str = "",
    skip_bad_records: int = 0,
) -> InlineResult:
    """Run the job over the inputs in order, and leave its output in the folder `output`.

    There are `n_reduce` partitions; without any, or without reduce, all pairs go into one file as
    map yields them. `name` is what the manifest calls the job. Raises what the job raises; up to
    `skip_bad_records` for which that is map are left out and saved beside the output.
    """
    began = perf_counter()
    begin_task(job)
    os.makedirs(output, exist_ok=True)
    skipping = _Skipping(job, output, skip_bad_records)
    pairs, n_records, size_bytes = (_map if type(job).map is not Job.map else _map_batches)(
        job, inputs, skipping
    )
    skipping.finish()
    mapped = perf_counter()
    map_only = job.reduce is None or n_reduce == 0
    partitions = [pairs] if map_only else _reduce_all(job, pairs, n_reduce)
    files = tuple(_write(job, output, index, rows) for index, rows in enumerate(partitions))
    ended = perf_counter()
    stats = Stats(
        records_in=n_records,
        bytes_in=size_bytes,
        records_out=sum(map(len, partitions)),
        bytes_out=sum(file.size_bytes for file in files),
        elapsed_s=ended - began,
    )
    counters = counters_of(job)
    manifest = success_manifest(name or type(job).__name__, (), files, counters, stats)
    write_success(output, manifest)
    phase_s = {"map": mapped - began}
    if not map_only:
        phase_s["reduce"] = ended - mapped
    return InlineResult(files, stats, counters, phase_s)


class _Skipping:
    """Leaves out records that map raises on, up to `limit`, and saves them."""

    def __init__(self, job: Job, output: str, limit: int) -> None:
        self.is_on = limit > 0
        self._job = job
        self._left = limit
        self._n = 0
        job.input.keeps_bad = self.is_on
        self._file = SkippedFile(os.path.join(output, SKIPPED, file_name(0)))

    def attempt(
        self, make: Callable[[Any], list[Pair]], record: Any, split: Split, index: int
    ) -> list[Pair]:
        """What is made of the record that is number `index` of the file; nothing if it is bad."""
        counters = dict(self._job._counters)
        try:
            return make(record)
        except (Exception, SystemExit) as error:
            if not self._left:
                self._file.discard()
                raise
            self._job._counters = counters
            place = f"{split.path}, {self._job.input.locate(split, index)}".rstrip(", ")
            if isinstance(record, BadRecord):
                self._file.add(place, record.text, f"{record.reason} (reading {place})", "")
            else:
                told = user_error(error, f"in map, {place}")
                self._file.add(place, record, told.message, told.traceback)
        self._left -= 1
        self._n += 1
        return []

    def finish(self) -> None:
        """Map is through."""
        if self._n:
            self._job.count(COUNTER, self._n)
        self._file.finish()


def _map(job: Job, inputs: Iterable[InputFile], skipping: _Skipping) -> tuple[list[Pair], int, int]:
    """The pairs that map makes of all records, how many records, and of how many bytes."""
    pairs: list[Pair] = []
    n_records = size_bytes = 0

    def mapped(record: Any) -> list[Pair]:
        if isinstance(record, BadRecord):
            raise record
        return [(key, value) for key, value in job.map(record) or ()]

    for file in inputs:
        split = Split(file.path)
        records: list[Any] = []
        for some, their_bytes in job.input.read(split, job.count):
            records += some
            size_bytes += their_bytes
        n_records += len(records)
        for index, record in enumerate(records):
            pairs += skipping.attempt(mapped, record, split, index)
    return pairs, n_records, size_bytes


def _map_batches(
    job: Job, inputs: Iterable[InputFile], skipping: _Skipping
) -> tuple[list[Pair], int, int]:
    """The same with map_batch, for a job that has no map; record by record where bad ones go."""
    pairs: list[Pair] = []
    n_records = size_bytes = 0

    def mapped(batch: Any) -> list[Pair]:
        return _pairs_of(job.map_batch(batch))

    for file in inputs:
        split, index = Split(file.path), 0
        for batch, their_bytes in job.input.read_batches(split, job.count):
            step = 1 if skipping.is_on else max(1, len(batch))
            for start in range(0, len(batch), step):
                pairs += skipping.attempt(mapped, batch.slice(start, step), split, index + start)
            index += len(batch)
            n_records += len(batch)
            size_bytes += their_bytes
    return pairs, n_records, size_bytes


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
        partitions[choose(job.partition, key, n_reduce)] += reduced
    return partitions


def _reduce(job: Job, key: Any, values: list[Any]) -> list[Pair]:
    if isinstance(job.reduce, Reducer):
        return [(key, job.reduce.sequential(values))]
    if isinstance(job.reduce, Identity):
        return [(key, value) for value in values]
    return list(job.reduce(key, iter(values)) or ())


def _write(job: Job, folder: str, index: int, pairs: list[Pair]) -> OutputFile:
    path = os.path.join(folder, output_name(index))
    with open(path + ".part", "wb") as file:
        file.write(job.output.encode_pairs(pairs))
    os.replace(path + ".part", path)
    return describe(folder, output_name(index))
