"""Files that can't be read are left out of a map, with all that was read of them, and named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.inline import run_inline
from support.tasks import map_to_file, output_of, reduce_stored

from zmr import BadRecord, Count, Job, JsonLines, Lines, Parquet
from zmr.engines.inputs import list_inputs
from zmr.engines.sampling import sample_bounds
from zmr.errors import InputError
from zmr.messages import FailureReason, MapDone, MapOutput, Split, Task, TaskKind
from zmr.output.skipped import keep_skipped, read_skipped
from zmr.tasks.errors import TaskError

# Much of a damaged file can be read before it is seen to be damaged.
LINES = b"".join(b"word%d common\n" % (n * 7919 % 100_000) for n in range(200_000))


class Words(Job):
    reduce = Count()

    def map(self, line: str) -> Iterator[tuple[Any, Any]]:
        for word in line.split():
            self.count("words")
            yield word, 1
            if word == "bad":
                raise ValueError("no good")


class Batches(Job):
    reduce = Count()

    def map_batch(self, lines: pa.Array) -> Any:
        return lines


class Mapped(Words):
    reduce = None  # type: ignore[assignment]


def written(folder: Path) -> list[Path]:
    """Write good files and bad ones, and return them in their order."""
    packed = gzip.compress(LINES, 1)
    files = {
        "a.txt": b"a common\n",
        "b.gz": packed[: len(packed) // 2],
        "c.txt": b"c common\n",
        "d.txt": (b"\x7fELF" + bytes(60)) * 10,
        "e.gz": gzip.compress(b"e common\n"),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "f.txt").write_text("f\n")  # which is gone when it is to be read
    return [folder / name for name in (*files, "f.txt")]


BAD = ["b.gz", "d.txt", "f.txt"]


def run(
    job: Job, folder: Path, files: list[Path], limit: int = 5, **of_task: Any
) -> tuple[MapDone, dict[str, bytes]]:
    """Run the job over the files as a second attempt at one map, and a reduce."""
    out = folder / "out"
    n_reduce = 0 if job.reduce is None else 1
    splits = tuple(Split(str(path)) for path in files)
    task = Task("j1", TaskKind.MAP, 0, 1, n_reduce, str(out), splits, failures=1)
    skips = {"skip_bad_files": limit, "skip_bad_records": of_task.pop("skip_bad_records", 0)}
    done = map_to_file(job, task._replace(**of_task), folder, **skips)
    assert done is not None
    keep_skipped(str(out), "j1", [(0, 1)] if done.skipped_files else [])
    if n_reduce:
        sources = (MapOutput(0, 1, "", done.path),) if done.path else ()
        reduce = Task("j1", TaskKind.REDUCE, 0, 2, 1, str(out), (), sources)
        assert reduce_stored(job, reduce, folder)
    return done, output_of(out)


@pytest.mark.parametrize("job_class", [Words, Batches, Mapped])
def test_the_answer_is_that_without_the_bad_files(job_class: type[Job], tmp_path: Path) -> None:
    files = written(tmp_path)
    inputs = list_inputs(map(str, files), job_class.input, skip_bad_files=True)
    files[-1].unlink()

    done, output = run(job_class(), tmp_path, files)

    assert (done.skipped, done.skipped_files) == (0, len(BAD))
    skipped = read_skipped(str(tmp_path / "out"))
    assert [Path(row["file"]).name for row in skipped] == BAD
    assert "gzip data is damaged" in skipped[0]["error"]
    assert done.last_skipped == skipped[-1]["error"]
    assert done.stats.records_in == 3
    result = run_inline(job_class(), inputs, str(tmp_path / "inline"), 1, skip_bad_files=3)
    if job_class is not Mapped:  # whose inline tasks are others, as files are planned
        assert output == output_of(tmp_path / "inline")
    assert dict(result.counters) == dict(done.counters)
    assert dict(done.counters)["files skipped"] == len(BAD)
    assert read_skipped(str(tmp_path / "inline")) == skipped
    manifest = json.loads((tmp_path / "inline" / "_SUCCESS").read_text())
    assert manifest["skipped_files"] == [row["file"] for row in skipped]


def test_bad_records_are_left_out_beside_them(tmp_path: Path) -> None:
    files = written(tmp_path)
    files[-1].unlink()
    files[0].write_text("a common\nx bad y\n")
    inputs = list_inputs(map(str, files[:-1]), Words.input, skip_bad_files=True)

    done, output = run(Words(), tmp_path, files, skip_bad_records=1)

    assert (done.skipped, done.skipped_files) == (1, 3)
    rows = read_skipped(str(tmp_path / "out"))
    assert [row.get("record", "") for row in rows] == ["", "", "", "x bad y"]
    assert output["mr-out-0"].splitlines()[1] == b"c\t1"
    run_inline(Words(), inputs, str(tmp_path / "inline"), 1, skip_bad_records=1, skip_bad_files=2)
    assert output == output_of(tmp_path / "inline")
    assert len(read_skipped(str(tmp_path / "inline"))) == 3


def test_more_than_may_be_left_out_fail_the_task(tmp_path: Path) -> None:
    files = written(tmp_path)
    files[-1].unlink()
    with pytest.raises(
        TaskError, match=r"^more than 2 bad files .*--skip-bad-files.*f.txt"
    ) as error:
        run(Words(), tmp_path, files, limit=2)
    assert error.value.reason is FailureReason.BAD_RECORDS
    assert not (tmp_path / "out" / "_skipped").exists()
    inputs = list_inputs(map(str, files[:-1]), Words.input, skip_bad_files=True)
    with pytest.raises(Exception, match="program and not text"):
        run_inline(Words(), inputs, str(tmp_path / "inline"), 1, skip_bad_files=1)


@pytest.mark.parametrize(
    "of_task", [{"failures": 0}, {"skips": (3,), "skip_bad_records": 1}], ids=["first", "skips"]
)
def test_where_it_may_be_the_worker_or_numbers_would_change_none_is(
    of_task: dict[str, Any], tmp_path: Path
) -> None:
    files = written(tmp_path)
    with pytest.raises(TaskError, match="gzip data is damaged"):
        run(Words(), tmp_path, files, **of_task)
    done, _ = run(Words(), tmp_path, files, failures=0, is_last=True)
    assert done.skipped_files == 2


class Rows(Job):
    input = Parquet()
    reduce = Count()

    def map(self, row: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        yield row["n"], 1


def test_a_damaged_parquet_file_is_left_out(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.parquet" for n in range(3)]
    for path in files:
        parquet.write_table(pa.table({"n": [path.name]}), path)
    files[1].write_bytes(files[1].read_bytes()[:-20])
    assert run(Rows(), tmp_path, files)[1]["mr-out-0"] == b"0.parquet\t1\n2.parquet\t1\n"


class Numbers(Job):
    input = JsonLines()
    reduce = Count()

    def map(self, record: dict[str, int]) -> Iterator[tuple[int, int]]:
        yield record["n"], 1


def test_a_bad_line_is_no_bad_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_text('{"n": 1}\n{"n":\n')
    with pytest.raises(TaskError, match="line 2"):
        run(Numbers(), tmp_path, [tmp_path / "in"])


class Refused(Lines):
    def can_split(self, path: str) -> bool:
        if path.endswith("b.gz"):
            raise BadRecord(path, "", "no good")
        return super().can_split(path)


def test_what_is_planned_and_sampled_passes_over_them(tmp_path: Path) -> None:
    files = written(tmp_path)
    with pytest.raises(InputError, match=r"b\.gz: no good"):
        list_inputs(map(str, files), Refused())
    inputs = list_inputs(map(str, files), Refused(), skip_bad_files=True)
    assert [Path(file.path) for file in inputs] == files
    assert sample_bounds(Words(), inputs, 2, skip_files=True)
    with pytest.raises(InputError, match="nowhere"):
        list_inputs([str(tmp_path / "nowhere")], Words.input, skip_bad_files=True)
