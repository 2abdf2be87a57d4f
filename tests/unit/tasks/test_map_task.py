from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.map_outputs import Rows, read_map_output
from support.tasks import map_to_file

from zmr import Identity, Job, Range, Sum, WholeFiles, once
from zmr.messages import FailureReason, MapDone, Split, Task, TaskKind
from zmr.tasks.errors import TaskError
from zmr.tasks.progress import TaskProgress

Pairs = Iterable[tuple[Any, Any]]


class Words(Job):
    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            self.count("words")
            yield word, len(line)

    reduce: Any = staticmethod(lambda word, values: [(word, list(values))])


class Summed(Words):
    reduce = Sum()


class Combined(Words):
    def combine(self, word: str, values: Iterator[int]) -> Pairs:
        return [(word, ["combined", *values])]


class MapOnly(Words):
    reduce = None


def task(folder: Path, *inputs: str | Split, n_reduce: int = 1, attempt: int = 7) -> Task:
    splits = []
    for number, given in enumerate(inputs):
        if isinstance(given, str):
            path = folder / f"in{number}"
            path.write_text(given)
            given = Split(str(path))
        splits.append(given)
    return Task("j1", TaskKind.MAP, 3, attempt, n_reduce, str(folder / "out"), tuple(splits))


def run(job: Job, the_task: Task, folder: Path, **context: Any) -> MapDone | None:
    return map_to_file(job, the_task, folder, **context)


def failure(job: Job, the_task: Task, folder: Path) -> TaskError:
    with pytest.raises(TaskError) as error:
        run(job, the_task, folder)
    assert "\n" not in error.value.message
    return error.value


def rows(done: MapDone | None) -> list[Rows]:
    assert done is not None
    return read_map_output(done.path)


# --- what it does ---


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Words(), (["a", "a", "a", "a", "b"], [3, 3, 3, 1, 3])),
        (Summed(), (["a", "b"], [10, 3])),
        (Combined(), (["a", "b"], [["combined", 3, 3, 3, 1], 3])),
    ],
)
def test_pairs_are_combined_and_sorted_and_values_keep_their_order(
    tmp_path: Path, job: Job, expected: Rows
) -> None:
    done = run(job, task(tmp_path, "a a\n", "b a\na"), tmp_path)
    assert rows(done) == [expected]
    assert done is not None
    assert (done.index, done.attempt, done.counters) == (3, 7, (("words", 5),))
    assert (done.stats.records_in, done.stats.bytes_in) == (3, 9)
    assert done.stats.records_out == len(expected[0])
    assert 0 < done.stats.bytes_out < os.path.getsize(done.path)


def test_partition_is_called_for_a_single_one_too(tmp_path: Path) -> None:
    class Second(Words):
        def partition(self, key: str, n: int) -> int:
            return 1

    told = "TypeError: partition must be an int from 0 to 0, not 1, for key 'a'"
    assert failure(Second(), task(tmp_path, "a", n_reduce=1), tmp_path).message.startswith(told)


def test_every_key_goes_to_the_partition_that_the_job_chooses(tmp_path: Path) -> None:
    class ByLength(Words):
        def partition(self, key: str, n: int) -> int:
            return len(key) % n

    done = run(ByLength(), task(tmp_path, "bb a ccc dd", n_reduce=3), tmp_path)
    assert [keys for keys, _ in rows(done)] == [["ccc"], ["a"], ["bb", "dd"]]


def test_no_rows_make_no_output(tmp_path: Path) -> None:
    for job in (Words(), Summed(), Combined()):
        done = run(job, task(tmp_path, "", n_reduce=2), tmp_path)
        assert done is not None
        assert (done.path, done.stats.records_out) == ("", 0)
        assert not list(tmp_path.glob("*-map-*"))


def test_map_may_return_pairs_or_nothing(tmp_path: Path) -> None:
    class Plain(Words):
        def map(self, line: str) -> Any:
            return [(line, 1)] if line else None

    assert rows(run(Plain(), task(tmp_path, "a\n\nb\n"), tmp_path)) == [(["a", "b"], [1, 1])]


class Numbered(Job):
    """Keeps state, in `self` and beyond it."""

    reduce = Identity()

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.lines: list[str] = []

    def setup(self) -> None:
        self.n = 0
        self.count("set up")

    @once
    def table(self) -> object:
        self.count("tables")
        return object()

    def map(self, line: str) -> Iterator[tuple[int, str]]:
        self.n += 1
        self.lines.append(line)
        self.table()
        yield self.n, " ".join(self.lines)


def test_each_task_has_a_job_object_of_its_own_which_is_set_up(tmp_path: Path) -> None:
    job = Numbered()
    job.partition = Range([2])  # as the engines give it
    for tables in ((("set up", 1), ("tables", 1)), (("set up", 1),)):
        done = run(job, task(tmp_path, "a\nb", n_reduce=2), tmp_path)
        assert rows(done) == [([1], ["a"]), ([2], ["a b"])]
        assert done is not None
        assert done.counters == tables
    assert (job.lines, job._counters) == ([], {})


def test_a_job_made_anew_has_the_parameters_and_the_attributes_of_the_first(tmp_path: Path) -> None:
    class Prefixed(Job):
        prefix: str
        suffix = "?"

        def __init__(self, **params: object) -> None:
            super().__init__(**params)
            self.made = self.prefix * 2

        def map(self, line: str) -> Pairs:
            return [(self.made + line + self.suffix, self.prefix)]

        reduce = Identity()

    job = Prefixed(prefix="p")
    job.suffix = "!"
    assert rows(run(job, task(tmp_path, "a"), tmp_path)) == [(["ppa!"], ["p"])]


def test_what_is_made_once_a_process_is_made_again_after_an_error() -> None:
    class Fragile(Words):
        tries: ClassVar[list[int]] = []

        @once
        def table(self) -> int:
            """Take two tries."""
            self.tries.append(1)
            return 1 // (len(self.tries) - 1)

    one, other = Fragile(), Fragile()
    with pytest.raises(ZeroDivisionError):
        one.table()
    assert (one.table(), one.table(), len(one.tries)) == (1, 1, 2)
    assert (other.table(), len(one.tries)) == (0, 3)  # a job of its own
    assert Fragile.table.__doc__ == "Take two tries."


def test_a_map_only_job_commits_text_in_the_order_of_the_input(tmp_path: Path) -> None:
    done = run(MapOnly(), task(tmp_path, "b a\nb", n_reduce=0), tmp_path)
    assert done is not None
    assert (tmp_path / "out/mr-out-3").read_text() == "b\t3\na\t3\nb\t1\n"
    assert done.path == ""
    assert done.file is not None
    assert (done.file.name, done.file.size_bytes) == ("mr-out-3", 12)


def test_without_the_grant_a_map_only_task_leaves_nothing(tmp_path: Path) -> None:
    done = run(MapOnly(), task(tmp_path, "b a", n_reduce=0), tmp_path, commit=lambda: False)
    assert done is None
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_progress_is_seen_from_within_a_record_without_counting_records(tmp_path: Path) -> None:
    progress = TaskProgress()
    seen = []

    class Watched(Words):
        def map(self, line: str) -> Iterator[tuple[str, int]]:
            seen.append(progress.read())
            yield line, 1

    run(Watched(), task(tmp_path, "a\nb\n", "c"), tmp_path, progress=progress)
    assert [records for records, _ in seen] == [1, 2, 3]
    assert seen[2][1] == 4


# --- what can go wrong ---


def raising(error: BaseException, at: str = "bad") -> Job:
    class Raising(Words):
        def map(self, line: str) -> Iterator[tuple[str, int]]:
            yield line, 1
            if line == at:
                raise error

    return Raising()


@pytest.mark.parametrize(
    "error", [ValueError("no\nway"), SystemExit(3), KeyboardInterrupt(), OSError(5, "I/O")]
)
def test_whatever_the_users_code_raises_is_told_with_its_place(
    tmp_path: Path, error: BaseException
) -> None:
    failed = failure(raising(error), task(tmp_path, "fine\n\nbad\nfine"), tmp_path)
    assert failed.reason is FailureReason.USER_ERROR
    assert failed.message.startswith(type(error).__name__)
    assert failed.message.endswith(f"(in map, {tmp_path}/in0, line 3)")
    assert re.findall(r'File ".*", line \d+, in (\w+)', failed.traceback) == ["map"]
    assert "raise error" in failed.traceback


def test_lines_are_numbered_from_the_start_of_the_file_also_in_a_later_split(
    tmp_path: Path,
) -> None:
    path = tmp_path / "text"
    path.write_text("one\ntwo\nthree\nbad\n")
    for offset in (5, 8, 10):
        failed = failure(raising(ValueError()), task(tmp_path, Split(str(path), offset)), tmp_path)
        assert failed.message == f"ValueError (in map, {path}, line 4)"


def test_a_plain_map_that_raises_stop_iteration_does_not_end_the_input(tmp_path: Path) -> None:
    class Careless(Words):
        def map(self, line: str) -> Any:
            return [(line, next(iter(())))]

    failed = failure(Careless(), task(tmp_path, "a\nb"), tmp_path)
    assert failed.reason is FailureReason.USER_ERROR
    assert "line 1" in failed.message


@pytest.mark.parametrize("base", [Words, Summed, Combined])
@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([7], r"TypeError: not a \(key, value\) pair: .*, line 2\)"),
        ([("a", 1, 2)], r"TypeError: not a \(key, value\) pair: .*, line 2\)"),
        ([("a", 1), (1, 1)], r"TypeError: the keys of a job must be of one type.*\(in map"),
        ([(1, 1), (True, 1)], r"TypeError: the keys of a job must be of one type.*\(in map"),
        ([(["a"], 1)], r"TypeError: a key can't be list"),
        ([(float("nan"), 1)], r"TypeError: NaN can't be a key"),
    ],
)
def test_pairs_that_are_none_and_keys_that_can_be_none_are_refused(
    tmp_path: Path, base: type[Job], pairs: list[Any], told: str
) -> None:
    class Odd(base):  # type: ignore[misc, valid-type]
        def map(self, line: str) -> Any:
            return pairs if line else None

    failed = failure(Odd(), task(tmp_path, "\nx"), tmp_path)
    assert failed.reason is FailureReason.USER_ERROR
    assert re.match(told, failed.message), failed.message


def test_errors_after_the_records_name_the_key(tmp_path: Path) -> None:
    class BadCombine(Words):
        def combine(self, word: str, values: Iterator[int]) -> Pairs:
            yield word, 1 // (word != "b")

    class OtherKey(Words):
        def combine(self, word: str, values: Iterator[int]) -> Pairs:
            yield word.upper(), sum(values)

    class BadPartition(Words):
        def partition(self, key: str, n: int) -> int:
            return n

    class Unpicklable(Words):
        def map(self, line: str) -> Any:
            yield line, lambda: 1

    for job, told in [
        (BadCombine(), r"ZeroDivisionError: .* \(in combine, key 'b'\)"),
        (OtherKey(), r"TypeError: combine gave another key, 'B' \(in combine, key 'b'\)"),
        (BadPartition(), "TypeError: partition must be an int from 0 to 1, not 2, .*key 'a'"),
        (Unpicklable(), "PickleError: a value of type function can't be kept: .*the key 'a b b'"),
    ]:
        failed = failure(job, task(tmp_path, "a b b", n_reduce=2), tmp_path)
        assert failed.reason is FailureReason.USER_ERROR
        assert re.match(told, failed.message), failed.message


def test_a_failing_setup_is_told_and_tried_again(tmp_path: Path) -> None:
    class Late(Words):
        tries: ClassVar[list[int]] = []

        def setup(self) -> None:
            self.tries.append(1)
            if len(self.tries) == 1:
                raise RuntimeError("not yet")

    job = Late()
    failed = failure(job, task(tmp_path, "a"), tmp_path)
    assert failed.message == "RuntimeError: not yet (in setup)"
    assert run(job, task(tmp_path, "a"), tmp_path) is not None


def test_a_message_stays_small_whatever_the_user_puts_in_it(tmp_path: Path) -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    huge = failure(raising(ValueError("x" * 1_000_000)), task(tmp_path, "bad"), tmp_path)
    assert len(huge.message) < 1000
    assert len(huge.traceback) < 25_000
    odd = failure(raising(Unprintable()), task(tmp_path, "bad"), tmp_path)
    assert odd.message.startswith("Unprintable")


def test_unreadable_input_and_unwritable_folders_are_the_workers_fault(tmp_path: Path) -> None:
    missing = failure(Words(), task(tmp_path, "a", Split(str(tmp_path / "no"))), tmp_path)
    assert missing.reason is FailureReason.WORKER_ERROR
    assert missing.message == f"No such file or directory (reading {tmp_path}/no)"

    nowhere = failure(Words(), task(tmp_path, "a"), tmp_path / "nowhere")
    assert nowhere.reason is FailureReason.WORKER_ERROR
    assert "(writing map output to " in nowhere.message


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_told_with_the_folder(tmp_path: Path) -> None:
    the_task = task(tmp_path, "a", n_reduce=1)
    (tmp_path / "j1-map-3-7.part").symlink_to("/dev/full")
    failed = failure(Words(), the_task, tmp_path)
    assert failed.reason is FailureReason.DISK_FULL
    assert failed.message == f"No space left on device (writing map output to {tmp_path})"


def test_whole_files_are_named_without_a_line(tmp_path: Path) -> None:
    class Whole(Job):
        input = WholeFiles()

        def map(self, record: tuple[str, str]) -> Any:
            raise ValueError(record[1])

    failed = failure(Whole(), task(tmp_path, "text", n_reduce=0), tmp_path)
    assert failed.message == f"ValueError: text (in map, {tmp_path}/in0)"
