"""The inline engine: a job in this process, one thing after the other, all in memory.

It runs the tasks of the other engines, planned from the inputs as theirs are: map task by map task,
then all reduces. It defines what the answer is, in as few lines as possible, so that every other
engine can be compared with it. That is why it does not run `zmr.tasks`: with a dict and a sort of
its own, a mistake of the sort buffer, of the merge or of a kernel is none of the answer's. It calls
combine once for each key that has several values in a map task, map_batch only where there is no
map, and of a declarative reducer it uses only what that means for a list of values. Values go from
map to reduce by way of pickle, each on its own, as they were when they were yielded. Whatever the
job's code raises comes through as it is, with the place as its attribute `zmr_place`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from time import perf_counter
from typing import Any

from zmr.core.actions import Outcome
from zmr.core.plan import SPLIT_BYTES, split_bytes_of
from zmr.core.states import JobState
from zmr.display import short_repr
from zmr.engines.inline_tasks import (
    BadFilesOfJob,
    BadRecordsOfJob,
    FileTask,
    MapTask,
    Pair,
    file_tasks,
    pair_tasks,
)
from zmr.engines.prepare import Prepared
from zmr.errors import PickleError, YieldError
from zmr.formats import BadRecord
from zmr.formats.output import Text
from zmr.formats.output_writer import OutputWriter
from zmr.formats.pairs import Pairs
from zmr.formats.text import not_a_pair, to_text
from zmr.job import Job, begin_task, input_of, output_of
from zmr.job_inputs import for_input
from zmr.key_types import OneType, check_maps, plain_key, sortable, type_of_keys
from zmr.messages import OutputFile
from zmr.output.folder import output_name
from zmr.output.manifest import stats_of, success_manifest, write_success
from zmr.output.partition_file import describe
from zmr.output.skipped import SKIPPED_FILES_COUNTER
from zmr.partitioners import checked_partition
from zmr.pipeline import Pipeline
from zmr.pipeline_steps import StepDone, Totals, counters_of_all, step_spec, totals_of_all
from zmr.reducers import Count, Identity, Reducer
from zmr.tasks.sorted_values import by_key, sorts_values, with_parts, with_sorted_values
from zmr.tasks.yielded import iterated, line_of, pickled, plain_copy, unpickled

Keep = Callable[[Any, Any], Pair]


def run_inline(prepared: Prepared, split_bytes: int = SPLIT_BYTES) -> Outcome:
    """Run the job over its inputs in order, and leave its output in its folder.

    Of a step without partitions, the pairs of each map task go into a file as map yields them.
    Inputs that are larger than `split_bytes`, or than a part of all input (`zmr.core.plan`), are
    several tasks, if they can be cut. Raises what the job raises, with a note of the step if it is
    a pipeline. Bad records that may be left out are saved beside the output, and so are the names
    of files that can't be read.
    """
    spec, inputs = prepared.spec, prepared.inputs
    split_bytes = split_bytes_of(inputs, split_bytes)
    job = prepared.job
    jobs = job.jobs if isinstance(job, Pipeline) else (job,)
    bad_records = (
        BadRecordsOfJob(spec.output, spec.skip_bad_records) if spec.skip_bad_records else None
    )
    bad_files = BadFilesOfJob(spec.output, spec.skip_bad_files)
    partitions: list[list[Pair]] = []
    steps: list[StepDone] = []
    for number, step in enumerate(jobs, 1):
        step._counted = [(done.name, done.counters) for done in steps]
        try:
            if number == 1:
                tasks: Sequence[MapTask] = file_tasks(inputs, split_bytes)
            else:
                tasks = pair_tasks(partitions, split_bytes)
            n_reduce = step_spec(spec, number).n_reduce
            partitions, done = _run(step, tasks, n_reduce, bad_records, bad_files)
        except BaseException as error:
            bad_files.discard()
            if spec.steps:
                error.add_note(f"in step {number} of {len(jobs)}, {type(step).__name__}")
            raise
        steps.append(done)
    os.makedirs(spec.output, exist_ok=True)
    files = tuple(
        _write(jobs[-1], spec.output, index, rows) for index, rows in enumerate(partitions)
    )
    totals, counters = totals_of_all(steps), counters_of_all(steps)
    totals = replace(totals, bytes_out=sum(file.size_bytes for file in files))
    of_steps = tuple(steps) if spec.steps else ()
    stats = stats_of(StepDone(spec.name, counters, totals))
    manifest = success_manifest(spec.name, spec.params, files, counters, stats, of_steps)
    if bad_files.paths:
        manifest["skipped_files"] = bad_files.paths
    write_success(spec.output, manifest)
    return Outcome(spec, JobState.DONE, "", "", files, counters, totals, steps=of_steps)


def _run(
    job: Job,
    tasks: Sequence[MapTask],
    n_partitions: int,
    bad_records: BadRecordsOfJob | None,
    bad_files: BadFilesOfJob,
) -> tuple[list[list[Pair]], StepDone]:
    """What the job puts out, partition by partition, and what it has done. Without partitions
    (`n_partitions` 0), map's pairs are what it puts out.
    """
    began = perf_counter()
    own_jobs: list[Job] = []  # one a task

    def begin(of: Job = job) -> Job:
        own_jobs.append(begin_task(with_sorted_values(of) if n_partitions else of))
        return own_jobs[-1]

    def mapped(task: MapTask) -> list[list[Pair]]:
        while True:
            try:
                of_input = for_input(job, task.input) if isinstance(task, FileTask) else job
                return _map_and_combine(begin(of_input), task, n_partitions, bad_records)
            except (BadRecord, OSError) as error:
                if not isinstance(task, FileTask):
                    raise
                bad_files.leave_out(task, error)
                own_jobs.pop()
                if bad_records is not None:
                    bad_records.begin_anew()

    maps = list(map(mapped, tasks))
    bad_files.finish()
    mapped_at = perf_counter()
    if not n_partitions:
        partitions = [pairs for found in maps for pairs in found]
    else:
        with _noted(lambda: "in map"):
            check_maps((i, type_of_keys(_keys(found))) for i, found in enumerate(maps))
        partitions = [
            _reduce_all(begin(), [found[index] for found in maps]) for index in range(n_partitions)
        ]
    totals = Totals(
        records_in=sum(task.n_records for task in tasks),
        bytes_in=sum(task.size_bytes for task in tasks),
        records_out=sum(map(len, partitions)),
        map_s=mapped_at - began,
        reduce_s=perf_counter() - mapped_at,
    )
    counters: Counter[str] = Counter()
    if bad_files.paths:
        counters[SKIPPED_FILES_COUNTER] = len(bad_files.paths)
    for own in own_jobs:
        counters.update(own._counters)
    return partitions, StepDone(type(job).__name__, tuple(sorted(counters.items())), totals)


# --- map ---


def _map_and_combine(
    job: Job, task: MapTask, n_partitions: int, bad_records: BadRecordsOfJob | None
) -> list[list[Pair]]:
    """What one map task puts out: its pairs by partition, or all of them if there are none."""
    pairs = _map(job, task, bad_records, for_reduces=n_partitions > 0)
    if not n_partitions:
        return [pairs]
    pairs = list(with_parts(job, pairs))
    if job.combine is not None:
        pairs = _combine(job, pairs)
    partitions: list[list[Pair]] = [[] for _ in range(n_partitions)]
    for key, group in _grouped(pairs).items():
        with _noted(lambda: f"in partition, key {short_repr(key)}"):  # noqa: B023
            number = checked_partition(job.partition, key, n_partitions)
        partitions[number] += group
    return partitions


def _map(
    job: Job, task: MapTask, bad_records: BadRecordsOfJob | None, for_reduces: bool
) -> list[Pair]:
    """The pairs that one map task makes of its records."""
    has_map = type(job).map is not Job.map
    if isinstance(task, FileTask) and not isinstance(input_of(job), Pairs):
        job._source = task
    keep = _as_written(job)
    is_skipping = bad_records is not None and isinstance(task, FileTask)
    if for_reduces:
        # Of bad records, nothing must be remembered: they are checked where they are left out.
        check = (lambda key: None) if is_skipping else OneType().check
        keep = _without_value if isinstance(job.reduce, Count) else _as_pickled
        keep = _for_reduces(keep, check)
    reducer = job.reduce if for_reduces else None
    if bad_records is not None and isinstance(task, FileTask):

        def mapped(record: Any) -> list[Pair]:
            if not has_map:
                return _pairs_of(job, job.map_batch(record))
            return list(_yielded("map", job.map(record), keep))

        good = list(chain.from_iterable(bad_records.good(job, task, mapped, for_reduces)))
        return good + _finished(job, keep)
    pairs: list[Pair] = []
    if has_map:
        with _noted(lambda: f"in map, {task.where()}"):
            for record in task.records(job):
                for key, value in _yielded("map", job.map(record), keep):
                    if isinstance(reducer, Reducer) and reducer.adds_numbers:
                        with _noted(lambda: f"in map, {task.where()}, key {short_repr(key)}"):  # noqa: B023
                            reducer.sequential([value])  # it takes such values
                    pairs.append((key, value))
    else:
        with _noted(lambda: f"in map_batch, {task.where()}"):
            for batch in task.batches(job):
                pairs += _pairs_of(job, job.map_batch(batch))
    return pairs + _finished(job, keep)


def _finished(job: Job, keep: Keep) -> list[Pair]:
    """The pairs of finish_map."""
    if job.finish_map is None:
        return []
    job._source = Job._source  # of no record
    with _noted(lambda: "in map, after the last record"):
        return list(_yielded("finish_map", job.finish_map(), keep))


@contextmanager
def _noted(where: Callable[[], str]) -> Iterator[None]:
    """Whatever is raised in the body has `where` it was by then as its `zmr_place`."""
    try:
        yield
    except BaseException as error:
        if not hasattr(error, "zmr_place"):
            error.zmr_place = where()  # type: ignore[attr-defined]
        raise


def _yielded(method: str, pairs: Any, keep: Keep) -> Iterator[Pair]:
    """What map, combine or reduce has yielded, as it was then. Raises `YieldError`."""
    for pair in (pairs := iterated(pairs, method)):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise not_a_pair(pair, line_of(pairs))
        yield keep(*pair)


def _as_pickled(key: Any, value: Any) -> Pair:
    """The pair as it comes from map to reduce, or from a step to the next one: by way of pickle."""
    try:
        return key, unpickled(value, pickled(value))
    except PickleError as error:
        raise PickleError(0, f"{error} (under the key {short_repr(key)})") from error


def _without_value(key: Any, value: Any) -> Pair:
    return key, None


def _for_reduces(keep: Keep, check: Callable[[Any], None]) -> Keep:
    """The same for keys that are checked, before what is wrong with their values is found."""

    def kept(key: Any, value: Any) -> Pair:
        key = plain_key(key)
        check(key)
        return keep(key, value)

    return kept


def _as_written(job: Job) -> Keep:
    """Keeps pairs as they are to be written: of what is no plain data, its text."""
    if job._writes is not None:
        return _as_pickled
    is_text = type(job.output) is Text

    def keep(key: Any, value: Any) -> Pair:
        return _kept(key, is_text), _kept(value, is_text)

    return keep


def _kept(value: Any, is_text: bool) -> Any:
    copy = plain_copy(value)
    return value if copy is None and not is_text else to_text(value) if copy is None else copy[0]


def _pairs_of(job: Job, result: Any) -> list[Pair]:
    """What map_batch gave: a table, (keys, values), keys alone, or nothing."""
    if result is None:
        return []
    from zmr.columns.from_batch import from_map_batch

    columns = from_map_batch(result, not isinstance(job.reduce, Count)).to_pydict()
    values = columns.pop("value", None)
    parts = list(columns.values())
    keys = list(zip(*parts, strict=True)) if "key" not in columns else parts[0]
    return list(zip(keys, [None] * len(keys) if values is None else values, strict=True))


def _combine(job: Job, pairs: list[Pair]) -> list[Pair]:
    """What combine makes of the pairs of one map task, called once for each key with several."""
    groups = _grouped(pairs)
    combined: list[Pair] = []
    for key in sorted(groups, key=sortable):
        if len(groups[key]) == 1:
            combined += groups[key]
            continue
        with _noted(lambda: f"in combine, key {short_repr(key)}"):  # noqa: B023
            result = job.combine(key, iter(_values(groups[key])))
            for new_key, value in _yielded("combine", result, _as_pickled):
                if new_key != key:
                    raise YieldError(f"combine gave another key, {short_repr(new_key)}")
                combined.append((key, value))
    return combined


# --- reduce ---


def _reduce_all(job: Job, maps: list[list[Pair]]) -> list[Pair]:
    """What one reduce task puts out, of what the map tasks have for its partition."""
    groups = _grouped([pair for pairs in maps for pair in pairs])
    reduced: list[Pair] = []
    in_order: Iterable[tuple[Any, Iterable[Pair]]] = (
        (key, groups[key]) for key in sorted(groups, key=sortable)
    )
    for key, group in by_key(in_order) if sorts_values(job) else in_order:
        with _noted(lambda: f"in reduce, key {short_repr(key)}"):  # noqa: B023
            reduced += _reduce(job, key, list(group))
    if job.finish_reduce is not None:
        with _noted(lambda: "in finish_reduce"):
            reduced += _yielded("finish_reduce", job.finish_reduce(), _as_written(job))
    return reduced


def _keys(partitions: list[list[Pair]]) -> list[Any]:
    return [key for pairs in partitions for key, _ in pairs]


def _grouped(pairs: list[Pair]) -> dict[Any, list[Pair]]:
    """The pairs of each key, in their order. Raises `KeyTypeError`.

    Keys may be equal and not the same, as 0.0 and -0.0 are: that of a group is its first.
    """
    groups: dict[Any, list[Pair]] = {}
    type_of_keys([key for key, _ in pairs])
    for pair in pairs:
        groups.setdefault(pair[0], []).append(pair)
    return groups


def _values(group: list[Pair]) -> list[Any]:
    return [value for _, value in group]


def _reduce(job: Job, key: Any, group: list[Pair]) -> list[Pair]:
    if isinstance(job.reduce, Reducer):
        return [(key, job.reduce.sequential(_values(group)))]
    if isinstance(job.reduce, Identity):
        return group
    return list(_yielded("reduce", job.reduce(key, iter(_values(group))), _as_written(job)))


def _write(job: Job, folder: str, index: int, pairs: list[Pair]) -> OutputFile:
    path = os.path.join(folder, output_name(index))
    writer = OutputWriter(output_of(job))
    with open(path + ".part", "wb") as file:
        file.write(writer.encode_pairs(pairs) + writer.footer(output_name(index)))
    os.replace(path + ".part", path)
    return writer.described(describe(folder, output_name(index)))
