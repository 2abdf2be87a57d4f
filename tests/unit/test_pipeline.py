"""Pipelines: found, checked, given their parameters; and the answer of all of their steps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from support.corpus import write_corpus
from support.inline import run_inline
from support.tasks import output_of, run_pipeline_as_tasks

from zmr import (
    Collect,
    Count,
    Distinct,
    First,
    Identity,
    Job,
    JobError,
    Max,
    Mean,
    Pipeline,
    Sum,
    Top,
    WholeFiles,
    find_job,
    run,
)  # fmt: skip
from zmr.engines.inputs import list_inputs
from zmr.engines.options import JobOptions, JobSettings
from zmr.engines.prepare import prepare
from zmr.errors import UsageError
from zmr.job import input_of  # fmt: skip
from zmr.job import output_of as writes_of
from zmr.job_loader import load_job
from zmr.jobs.sort import Sort
from zmr.jobs.wordcount import WordCount
from zmr.pipeline_steps import step_spec  # fmt: skip

HEADER = """\
from zmr import *
class Words(Job):
    least: int = 1
    def map(self, line):
        for word in line.split(): yield word, 1
    reduce = Sum()
class ByCount(Job):
    reducers: int = 1
    least: int = 0
    prefix: str = ""
    def map(self, pair):
        if pair[1] >= self.least: yield -pair[1], self.prefix + pair[0]
    reduce = Collect()
class Both(Pipeline):
    "Counts, then sorts."
    steps = [Words, ByCount]
"""


def write(folder: Path, text: str) -> str:
    (folder / "both.py").write_text(text)
    return str(folder / "both.py")


# --- finding and checking ---


def test_a_file_with_a_pipeline_and_its_jobs_means_the_pipeline(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER)
    source = find_job(path)
    assert (source.name, source.doc) == ("Both", "Counts, then sorts.")
    assert source.reference == f"{path}:Both"
    assert find_job(f"{path}:Words").name == "Words"
    with pytest.raises(JobError, match=r"several jobs; name one: .*:Both, .*:Other"):
        find_job(write(tmp_path, HEADER + "class Other(Words): pass\n"))


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("()", "Bad has no steps: write steps = [FirstJob, SecondJob]"),
        ("Words", "Bad.steps must be a list of jobs, not <class"),
        ("[Words, 3]", "step 2 of Bad must be a job, not 3"),
        ("[Words, int]", "step 2 of Bad must be a job, not <class 'int'>"),
        ("[Words, Job]", "step 2 of Bad must be a job, not <class 'zmr.job.Job'>"),
        ("[Words, Both]", "step 2 of Bad is a pipeline, Both: list the jobs that it is made of"),
        ("[type('Empty', (Job,), {})]", "step 1 of Bad: Empty has no map"),
        ("[Words, type('Few', (ByCount,), {'reducers': 0})]", "Few.reducers must be an int from 1"),
        ("[Words, type('Own', (ByCount,), {'input': Csv()})]", "step 2 of Bad, Own, has an input "
         "of its own, but its records are the pairs of step 1: leave out the input"),
        ("[Words, Sorted]", "step 2 of Bad, Sort, has an input of its own"),
    ],
)  # fmt: skip
def test_what_is_no_pipeline_is_refused_with_the_reason(
    tmp_path: Path, steps: str, told: str
) -> None:
    bad = f"class Bad(Pipeline):\n    steps = {steps}\n"
    path = write(tmp_path, f"from zmr.jobs.sort import Sort as Sorted\n{HEADER}{bad}")
    with pytest.raises(JobError, match=re.escape(told)):
        find_job(f"{path}:Bad")


def test_a_pipeline_that_is_its_own_step_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "Both.steps = [Words, Both]\n")
    with pytest.raises(JobError, match="step 2 of Both is a pipeline, Both"):
        find_job(path)


def test_parameters_go_to_all_steps_that_have_them(tmp_path: Path) -> None:
    source = find_job(write(tmp_path, HEADER))
    words, by_count = source.create([("least", "3"), ("prefix", "x")]).jobs
    assert (words.least, by_count.least, by_count.prefix) == (3, 3, "x")
    for given, told in {
        (("leest", "3"),): r"Both has no parameter 'leest' \(did you mean 'least'\?\); it has: "
        "least: int = 0, prefix: str = ''",
        (("least", "x"),): "parameter 'least' of Words must be an int",
        (("least", "1"), ("least", "2")): "'least' of Words is given twice",
    }.items():
        with pytest.raises(JobError, match=told):
            source.create(given)
    with pytest.raises(JobError, match="has no parameter 'x'"):
        source.job_class(x=1)


def test_jobs_with_parameters_of_their_own_are_steps_as_they_are(tmp_path: Path) -> None:
    text = f"{HEADER}class Mine(Pipeline):\n    steps = [Words, ByCount(least=2)]\n"
    source = find_job(write(tmp_path, text) + ":Mine")
    words, by_count = source.create([("least", "3")]).jobs
    assert (words.least, by_count.least) == (3, 2)
    with pytest.raises(JobError, match=r"Mine has no parameter 'prefix'.*it has: least: int = 1"):
        source.create([("prefix", "x")])


def test_workers_load_each_step_with_what_it_reads_and_writes(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER)
    (tmp_path / "in").write_text("a b a\n")
    settings = JobSettings(params=(("prefix", "x"),))
    options = JobOptions(path, (str(tmp_path / "in"),), str(tmp_path / "out"), 3, settings)
    spec = prepare(options).spec
    assert [(step.name, step.n_reduce, step.params) for step in spec.steps] == [
        ("Words", 3, ()), ("ByCount", 1, (("prefix", "x"),)),
    ]  # fmt: skip
    assert (spec.name, spec.n_reduce) == ("Both", 1)
    first, second = (load_job(step_spec(spec, number)) for number in (1, 2))
    assert [type(job).__name__ for job in (first, second)] == ["Words", "ByCount"]
    assert (input_of(first), writes_of(second)) == (first.input, second.output)
    assert type(writes_of(first)).__name__ == "PairsOutput"
    assert type(input_of(second)).__name__ == "Pairs"
    with pytest.raises(JobError, match="has other steps here than where it was submitted"):
        load_job(spec)


def test_a_later_step_can_not_have_its_input_sampled(tmp_path: Path) -> None:
    text = HEADER.replace("    reducers: int = 1\n", "    partition = Range()\n")
    (tmp_path / "in").touch()
    cases = (2, "Range()", True), (1, "Range()", False), (2, "Range([5])", False)
    for n, partition, is_refused in cases:
        path = write(tmp_path, text.replace("Range()", partition))
        options = JobOptions(path, (str(tmp_path / "in"),), str(tmp_path / f"out{n}{partition}"), n)
        if is_refused:
            with pytest.raises(JobError, match=r"step 2, ByCount, has Range\(\)"):
                prepare(options)
        else:
            prepare(options)


# --- the answer ---


class Swap(Job):
    def map(self, pair: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
        key, value = pair
        self.count(f"{type(key).__name__} to {type(value).__name__}")
        yield value, key

    reduce = Collect()


class SwapBatches(Job):
    def map_batch(self, batch: Any) -> Any:
        self.count("rows", len(batch))
        return batch["value"], batch["key"]

    reduce = First()


class MapOnly(Job):
    def map(self, pair: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
        yield str(pair[0])[:2], pair[1]


class MapOnlyBatches(Job):
    def map_batch(self, batch: Any) -> Any:
        return pc.utf8_slice_codeunits(batch["key"], 0, 1), batch["value"]


class Lengths(Job):
    def map(self, line: str) -> Iterator[tuple[tuple[int, str], int]]:
        for word in line.split():
            yield (len(word), word[0]), len(word)

    def reduce(self, key: tuple[int, str], values: Iterator[int]) -> Iterator[tuple[Any, Any]]:
        n = sum(values)
        yield key, n
        yield None, [key, {"n": n, "half": n / 2}]


class Show(Job):
    reducers = 2

    def map(self, pair: tuple[Any, Any]) -> Iterator[tuple[str, str]]:
        yield repr(pair), type(pair).__name__

    reduce = Identity()


class Texts(Job):
    input = WholeFiles()

    def map(self, record: tuple[str, str]) -> Iterator[tuple[str, bytes]]:
        path, text = record
        yield Path(path).name, text.encode()


def word_values(reducer: Any) -> type[Job]:
    def map(self: Job, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, len(word) % 5

    return type("Reduced", (Job,), {"map": map, "reduce": reducer})


REDUCERS = (Sum(), Mean(), Max(), First(), Top(2), Distinct(), Collect(), Count())
PIPELINES: dict[str, list[Any]] = {
    "one step": [WordCount],
    "two": [WordCount, Swap],
    "batches": [WordCount, SwapBatches, Swap],
    "map-only last": [WordCount, MapOnly],
    "map-only between": [WordCount, MapOnly, Swap],
    "map-only batches": [WordCount, MapOnlyBatches, MapOnlyBatches, Show],
    "map-only alone": [Texts, Show],
    "keys of several types": [Lengths, Show],
    "sorted first": [Sort, Show],
    "jobs": [WordCount(), Show(), Show()],
    **{f"after {reducer!r}": [word_values(reducer), Show] for reducer in REDUCERS},
}


@pytest.mark.parametrize("split_bytes", [1 << 26, 300])
@pytest.mark.parametrize("name", PIPELINES)
def test_the_answer_is_that_of_the_inline_engine(
    tmp_path: Path, name: str, split_bytes: int
) -> None:
    pipeline = type("Tested", (Pipeline,), {"steps": PIPELINES[name]})
    inputs = [write_corpus(tmp_path / "corpus", lines=60)]
    jobs = pipeline().jobs
    result = run_inline(
        pipeline(), list_inputs(map(str, inputs), jobs[0].input), str(tmp_path / "inline"), 3
    )
    counters = run_pipeline_as_tasks(jobs, inputs, tmp_path / "tasks", 3, split_bytes)
    inline, tasks = output_of(tmp_path / "inline"), output_of(tmp_path / "tasks" / "out")
    assert b"".join(tasks[f"mr-out-{i}"] for i in range(len(tasks))) == b"".join(inline.values())
    if jobs[-1].reduce is not None:
        assert tasks == inline
    assert any(inline.values())
    assert counters == result.counters


def test_a_step_may_have_its_own_number_of_partitions(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("b a\nb c\n")
    pipeline = type("Tested", (Pipeline,), {"steps": [WordCount, Show]})()
    inputs = list_inputs([str(tmp_path / "in")])
    result = run_inline(pipeline, inputs, str(tmp_path / "out"), 5)
    assert len(result.files) == 2
    assert [step.name for step in result.steps] == ["WordCount", "Show"]
    assert [step.totals.records_out for step in result.steps] == [3, 3]
    manifest = json.loads((tmp_path / "out" / "_SUCCESS").read_text())
    assert [step["job"] for step in manifest["steps"]] == ["WordCount", "Show"]
    assert manifest["stats"]["records_in"] == 2
    assert manifest["stats"]["records_out"] == 3


def test_bad_records_of_a_pipeline_are_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("b\n")
    pipeline = type("Tested", (Pipeline,), {"steps": [WordCount, Show]})
    with pytest.raises(UsageError, match=r"only the first of its steps .WordCount, Show. reads"):
        run(pipeline, tmp_path / "in", tmp_path / "out", engine="inline", skip_bad_records=1)
    assert not (tmp_path / "out").exists()


def test_what_a_step_raises_comes_through_with_a_note_of_the_step(tmp_path: Path) -> None:
    class Fails(Job):
        def map(self, pair: tuple[str, int]) -> None:
            raise ZeroDivisionError

    (tmp_path / "in").write_text("b\n")
    pipeline = type("Tested", (Pipeline,), {"steps": [WordCount, Fails]})()
    with pytest.raises(ZeroDivisionError) as error:
        run_inline(pipeline, list_inputs([str(tmp_path / "in")]), str(tmp_path / "out"), 1)
    assert error.value.__notes__ == ["in step 2 of 2, Fails"]
