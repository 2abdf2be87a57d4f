"""Jobs whose partitions are ranges: of bounds that they give, or of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.inline import run_inline
from support.tasks import run_as_tasks

from zmr import Count, Job
from zmr.engines.inputs import list_inputs
from zmr.engines.options import JobOptions, JobSettings
from zmr.engines.prepare import prepare
from zmr.engines.sampling import sample_bounds
from zmr.errors import JobError
from zmr.key_types import KeyTypeError, keys_from_bytes
from zmr.partitioners import Range
from zmr.tasks.errors import TaskError

JOB = """
from decimal import Decimal
from zmr import Count, Job, Range

class Words(Job):
    partition = {partition}
    reduce = Count()

    def map(self, line):
        for word in line.split():
            yield {key}, 1
"""


def prepared(folder: Path, partition: str, key: str = "word", **settings: Any) -> Any:
    (folder / "job.py").write_text(JOB.format(partition=partition, key=key))
    (folder / "in").write_text("a b c d 5\n")
    inputs, out = (str(folder / "in"),), str(folder / "out")
    options = JobOptions(str(folder / "job.py:Words"), inputs, out, 2, JobSettings(**settings))
    return prepare(options, claims_output=False)


def test_bounds_that_the_job_gives_stay(tmp_path: Path) -> None:
    found = prepared(tmp_path, 'Range(["m"])')
    assert found.job.partition.bounds == ["m"]
    assert found.spec.bounds == b""  # workers have them from the job
    sampled = prepared(tmp_path, "Range()")
    assert keys_from_bytes(sampled.spec.bounds) == sampled.job.partition.bounds == ["b"]


@pytest.mark.parametrize(
    ("partition", "told"),
    [
        ('Range(["b", "a"])', r"bounds that don't ascend: \['b', 'a'\]"),
        ('Range(["a", "a"])', "don't ascend"),
        ('Range([5, "a"])', r"are no keys: .* one type, but there are int \(5\) and str"),
        ('Range([Decimal("NaN")])', "are no keys: NaN"),
        ('Range([["a"]])', "are no keys: a key can't be list"),
    ],
)
def test_others_are_refused(tmp_path: Path, partition: str, told: str) -> None:
    with pytest.raises(JobError, match=f"Words gives Range.. bounds .*{told}|{told}"):
        prepared(tmp_path, partition)


@pytest.mark.parametrize("key", ["[word]", "float('nan')", "int(word) if word == '5' else word"])
def test_keys_in_the_sample_that_can_be_none_are_told(tmp_path: Path, key: str) -> None:
    with pytest.raises(JobError, match="Words fails on a sample of its input: TypeError: "):
        prepared(tmp_path, "Range()", key)


def test_bad_records_in_the_sample_are_passed_over(tmp_path: Path) -> None:
    key = "int(word) if word == '5' else word"
    found = prepared(tmp_path, "Range()", key, skip_bad_records=1)
    assert found.job.partition.bounds == ["c"]


class Numbers(Job):
    reduce = Count()

    def map(self, line: str) -> Any:
        yield int(line), 1


def of_bounds(bounds: Sequence[Any]) -> Job:
    job = Numbers()
    job.partition = Range(bounds)
    return job


def test_keys_that_are_of_another_type_than_the_bounds_are_told(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("5\n")
    told = r"one type, but there are str \('m'\), a bound of Range\(\), and int \(5\)"
    job = of_bounds(["m"])
    with pytest.raises(KeyTypeError, match=told):
        run_inline(job, list_inputs([str(tmp_path / "in")], job.input), str(tmp_path / "out"), 2)
    with pytest.raises(TaskError, match=told) as error:
        run_as_tasks(job, [tmp_path / "in"], tmp_path / "tasks", 2)
    assert "zmr/" not in error.value.traceback


def test_the_sample_has_none_first(tmp_path: Path) -> None:
    class Nones(Job):
        def map(self, line: str) -> Any:
            yield (line if line != "-" else None), 1

    (tmp_path / "in").write_text("b\n-\na\n-\n-\n")
    inputs = list_inputs([str(tmp_path / "in")], Nones.input)
    assert sample_bounds(Nones(), inputs, 5) == [None, "a", "b"]
