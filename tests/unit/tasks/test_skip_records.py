"""Bad records are left out of a map, with all that they did, and saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.inline import run_inline
from support.tasks import map_to_file, output_of, reduce_stored

from zmr import Count, Job, JsonLines
from zmr.engines.inputs import list_inputs
from zmr.engines.sampling import sample_bounds
from zmr.errors import JobError
from zmr.messages import FailureReason, MapDone, MapOutput, Split, Task, TaskKind
from zmr.output.skipped import keep_skipped, read_skipped
from zmr.pipeline_steps import temporary_folder
from zmr.tasks.errors import TaskError

LINES = [f"word{i} common" for i in range(3000)]
BAD = (0, 7, 8, 1500, 2999)


class Words(Job):
    def map(self, line: str) -> Iterator[tuple[Any, Any]]:
        for word in line.split():
            self.count("words")
            yield word, 1
            if word == "bad":
                raise ValueError("no good")
            if word == "exit":
                raise SystemExit("enough")
            if word == "int":
                yield 5, 1

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class Batches(Job):
    """Has no map."""

    def map_batch(self, lines: pa.Array) -> Any:
        self.count("lines", len(lines))
        if pc.any(pc.match_substring(lines, "bad")).as_py():
            raise ValueError("no good")
        return lines

    reduce = Count()


class Mapped(Words):
    """Puts out what map does."""

    reduce = None  # type: ignore[assignment]


class Numbers(Job):
    input = JsonLines()

    def map(self, record: dict[str, int]) -> Iterator[tuple[str, int]]:
        yield "n", record["n"]

    reduce = Words.reduce


def with_bad(word: str = "bad") -> str:
    return "".join(f"{line}{f' {word}' * (i in BAD)}\n" for i, line in enumerate(LINES))


def run(
    job: Job, folder: Path, limit: int = 10, **of_task: Any
) -> tuple[MapDone, dict[str, bytes]]:
    """Run the job over `folder / "in"` as one map and one reduce."""
    out = folder / "out"
    n_reduce = 0 if job.reduce is None else 1
    task = Task("j1", TaskKind.MAP, 0, 1, n_reduce, str(out), (Split(str(folder / "in")),))
    task = task._replace(**of_task)
    done = map_to_file(job, task, folder, skip_bad_records=limit)
    assert done is not None
    keep_skipped(str(out), "j1", [(0, 1)] if done.skipped else [])
    if n_reduce:
        sources = (MapOutput(0, 1, "", done.path),)
        reduce = Task("j1", TaskKind.REDUCE, 0, 2, 1, str(out), (), sources)
        assert reduce_stored(job, reduce, folder)
    return done, output_of(out)


def oracle(job: Job, folder: Path, limit: int = 10) -> tuple[dict[str, bytes], dict[str, int]]:
    out = folder / "inline"
    inputs = list_inputs([str(folder / "in")], job.input)
    result = run_inline(job, inputs, str(out), 1, skip_bad_records=limit)
    return output_of(out), dict(result.counters)


@pytest.mark.parametrize(
    ("job_class", "word"),
    [(Words, "bad"), (Words, "exit"), (Words, "int"), (Batches, "bad"), (Mapped, "exit")],
)
def test_the_answer_is_that_without_the_bad_records(
    job_class: type[Job], word: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text(with_bad(word))

    done, output = run(job_class(), tmp_path)

    counters = dict(done.counters)
    assert (done.skipped, counters["records skipped"]) == (len(BAD), len(BAD))
    assert counters.get("words", 0) in (0, 2 * (len(LINES) - len(BAD)))
    skipped = read_skipped(str(tmp_path / "out"))
    assert [row["place"] for row in skipped] == [f"{tmp_path}/in, line {i + 1}" for i in BAD]
    assert [row["record"] for row in skipped] == [f"{LINES[i]} {word}" for i in BAD]
    assert (output, counters) == oracle(job_class(), tmp_path)
    assert [r["place"] for r in read_skipped(str(tmp_path / "inline"))] == [
        row["place"] for row in skipped
    ]
    good = tmp_path / "good"
    good.mkdir()
    lines = [line for i, line in enumerate(LINES) if i not in BAD]
    (good / "in").write_text("".join(f"{line}\n" for line in lines))
    assert run(job_class(), good)[1] == output


@pytest.mark.parametrize("reducer", [Count(), None])
def test_a_record_whose_keys_are_all_of_another_type_is_bad(
    reducer: Count | None, tmp_path: Path
) -> None:
    class Lengths(Job):
        def map(self, line: str) -> Iterator[tuple[Any, int]]:
            yield (line if line.isalpha() else int(line)), len(line)

        def reduce(self, word: str, lengths: Iterator[int]) -> Iterator[tuple[str, int]]:
            yield word, sum(lengths)

    if reducer is not None:
        Lengths.reduce = reducer  # type: ignore[assignment,method-assign]
    (tmp_path / "in").write_text("a\n7\nb\n8\nc\n")

    done, output = run(Lengths(), tmp_path)

    assert output == {"mr-out-0": b"a\t1\nb\t1\nc\t1\n"}
    assert (output, dict(done.counters)) == oracle(Lengths(), tmp_path)
    skipped = read_skipped(str(tmp_path / "out"))
    assert [row["record"] for row in skipped] == ["7", "8"]
    assert all("of one type, but there are str ('a') and int" in row["error"] for row in skipped)


@pytest.mark.parametrize("job_class", [Words, Batches])
def test_records_that_have_killed_twice_are_not_touched_again(
    job_class: type[Job], tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in LINES))

    done, output = run(job_class(), tmp_path, skips=(4, 2000), failures=1)

    assert done.skipped == 2
    assert b"word5" in output["mr-out-0"]
    assert not {b"word4", b"word2000"} & set(output["mr-out-0"].split())
    assert "died of it twice" in done.last_skipped
    assert "line 2001" in done.last_skipped


@pytest.mark.parametrize("job_class", [Words, Batches])
def test_one_more_than_may_be_is_an_error_that_names_it(
    job_class: type[Job], tmp_path: Path
) -> None:
    (tmp_path / "in").write_text(with_bad())
    with pytest.raises(TaskError) as caught:
        run(job_class(), tmp_path, limit=3)
    assert caught.value.reason is FailureReason.BAD_RECORDS
    assert "more than 3 bad records" in caught.value.message
    assert f"line {BAD[3] + 1}" in caught.value.message
    assert "no good" in caught.value.traceback
    folder = Path(temporary_folder(str(tmp_path / "out"), "j1"))
    assert not folder.exists() or list(folder.iterdir()) == []


def test_lines_that_are_no_json_are_bad_records(tmp_path: Path) -> None:
    rows = [json.dumps({"n": n}) for n in range(100)]
    rows[10], rows[20], rows[30] = "{", "[1]", '{"m": 5}'
    (tmp_path / "in").write_text("\n".join(rows))

    done, output = run(Numbers(), tmp_path)

    assert output == {"mr-out-0": f"n\t{sum(range(100)) - 60}\n".encode()}
    assert (output, dict(done.counters)) == oracle(Numbers(), tmp_path)
    skipped = read_skipped(str(tmp_path / "out"))
    assert [(row["record"], row["place"][-7:]) for row in skipped] == [
        ("{", "line 11"), ("[1]", "line 21"), ("{'m': 5}", "line 31"),
    ]  # fmt: skip


def test_a_sample_is_of_the_good_records(tmp_path: Path) -> None:
    class ByNumber(Job):
        input = JsonLines()

        def map(self, record: dict[str, int]) -> Iterator[tuple[int, int]]:
            yield record["n"], 1

    (tmp_path / "in").write_text('{"n": 1}\n{"m": 2}\nnonsense\n{"n": 3}\n')
    inputs = list_inputs([str(tmp_path / "in")])
    assert sample_bounds(ByNumber(), inputs, 2, skip_bad=True) == [3]
    with pytest.raises(JobError, match="line 3: no JSON"):
        sample_bounds(ByNumber(), inputs, 2)
