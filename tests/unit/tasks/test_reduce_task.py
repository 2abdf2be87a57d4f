from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest
from support.map_outputs import write_map_output
from support.tasks import reduce_stored

from zmr import Count, Job, Sum
from zmr.columns import rows
from zmr.columns.groups import Groups, group
from zmr.formats.output_writer import OutputWriter
from zmr.formats.pairs import PairsOutput, TemporaryPairs
from zmr.messages import FailureReason, MapOutput, ReduceDone, Task, TaskKind
from zmr.tasks.context import DEFAULT_MEMORY_BYTES
from zmr.tasks.errors import TaskError
from zmr.tasks.progress import TaskProgress
from zmr.tasks.reduction import Reduction

Pairs = Iterable[tuple[Any, Any]]
Run = dict[Any, list[Any]]  # what one map put out for each key, in the order of keys


class Lists(Job):
    def map(self, record: Any) -> Pairs:
        raise NotImplementedError

    reduce: Any = staticmethod(lambda key, values: [(key, list(values))])


class Summed(Lists):
    reduce = Sum()


class Counted(Lists):
    reduce = Count()


def task(folder: Path, *runs: Run, attempt: int = 9) -> Task:
    """Make partition 1 of every map hold its run, and return the task that reduces it."""
    sources = []
    for number, run in enumerate(runs):
        rows = [k for k in run for _ in run[k]], [v for values in run.values() for v in values]
        path = str(folder / f"map{number}")
        write_map_output(path, [([], []), rows])
        sources.append(MapOutput(number, 100 + number, "host", path))
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return Task("j1", TaskKind.REDUCE, 1, attempt, 2, str(out), (), tuple(sources))


def reduce(job: Job, the_task: Task, progress: TaskProgress | None = None) -> ReduceDone:
    folder = Path(the_task.output).parent
    done = reduce_stored(job, the_task, folder, progress=progress or TaskProgress())
    assert done is not None
    return done


def output(folder: Path) -> str:
    return (folder / "out/mr-out-1").read_text()


def failure(job: Job, the_task: Task, **context: Any) -> TaskError:
    folder = Path(the_task.output).parent
    before = set(folder.iterdir())
    with pytest.raises(TaskError) as error:
        reduce_stored(job, the_task, folder, **context)
    assert set(folder.iterdir()) == before
    assert [p for p in Path(the_task.output).rglob("*") if p.is_file()] == []
    return error.value


# --- what it does ---


def test_keys_are_merged_in_order_and_values_come_in_the_order_of_the_maps(tmp_path: Path) -> None:
    runs: list[Run] = [{"a": [3, 1], "c": [9]}, {}, {"a": [2, "x"], "b": [None]}]
    done = reduce(Lists(), task(tmp_path, *runs))
    assert output(tmp_path) == 'a\t[3,1,2,"x"]\nb\t[null]\nc\t[9]\n'
    data = output(tmp_path).encode()
    assert (done.file.size_bytes, done.file.checksum) == (len(data), f"crc32:{crc32(data):08x}")
    assert (done.index, done.attempt) == (1, 9)
    assert (done.stats.records_in, done.stats.records_out) == (6, 3)


@pytest.mark.parametrize(
    ("job", "expected"), [(Summed(), "a\t6\nb\t5\n"), (Counted(), "a\t6\nb\t5\n")]
)
def test_declarative_reducers_merge_the_partial_results_of_the_maps(
    tmp_path: Path, job: Job, expected: str
) -> None:
    reduce(job, task(tmp_path, {"a": [1], "b": [5]}, {"a": [5]}))
    assert output(tmp_path) == expected


def test_no_maps_and_empty_maps_make_an_empty_file(tmp_path: Path) -> None:
    nothing: list[list[Run]] = [[], [{}, {}]]
    for job in (Lists(), Summed()):
        for runs in nothing:
            done = reduce(job, task(tmp_path, *runs))
            assert (output(tmp_path), done.file.checksum) == ("", "crc32:00000000")


def test_values_that_reduce_leaves_are_not_the_next_keys(tmp_path: Path) -> None:
    kept = []

    class FirstOnly(Lists):
        def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
            kept.append(values)
            if key == "b":
                return None  # type: ignore[return-value]
            return [(key, next(values))]

    reduce(FirstOnly(), task(tmp_path, {"a": [1, 2], "b": [3, 4], "c": [5]}, {"a": [6]}))
    assert output(tmp_path) == "a\t1\nc\t5\n"
    assert [list(values) for values in kept] == [[], [], []]


def test_the_first_of_equal_keys_is_the_one_that_is_seen(tmp_path: Path) -> None:
    reduce(Lists(), task(tmp_path, {0.0: [1]}, {-0.0: [2]}))
    assert output(tmp_path) == "0.0\t[1,2]\n"


def test_progress_is_seen_from_within_a_key(tmp_path: Path) -> None:
    progress = TaskProgress()
    seen = []

    class Watched(Lists):
        def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
            for value in values:
                seen.append((progress.read()[0], progress.fraction()))
                yield key, value

    reduce(Watched(), task(tmp_path, {"a": [1, 2]}, {"a": [3], "b": [4]}), progress)
    assert seen == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)]


# --- committing ---


def test_without_the_grant_nothing_is_left(tmp_path: Path) -> None:
    the_task = task(tmp_path, {"a": [1]})
    assert reduce_stored(Lists(), the_task, tmp_path, commit=lambda: False) is None
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_the_file_is_complete_beside_its_place_when_the_grant_is_asked_for(tmp_path: Path) -> None:
    the_task = task(tmp_path, {"a": [1]})
    found: list[str] = []

    def commit() -> bool:
        found.extend(p.read_text() for p in (tmp_path / "out").rglob("*") if p.is_file())
        assert not (tmp_path / "out/mr-out-1").exists()
        return True

    assert reduce_stored(Lists(), the_task, tmp_path, commit=commit) is not None
    assert found == ["a\t[1]\n"]


def test_a_second_commit_tells_of_the_first_file_and_leaves_it(tmp_path: Path) -> None:
    first = reduce(Lists(), task(tmp_path, {"a": [1]}))
    late = reduce(Lists(), task(tmp_path, {"b": [2]}, attempt=10))
    assert output(tmp_path) == "a\t[1]\n"
    assert (late.attempt, late.file) == (10, first.file)


def test_an_agent_that_goes_away_meanwhile_ends_the_task_as_it_is(tmp_path: Path) -> None:
    class AgentGone(BaseException):
        pass

    def commit() -> bool:
        raise AgentGone

    the_task = task(tmp_path, {"a": [1]})
    with pytest.raises(AgentGone):
        reduce_stored(Lists(), the_task, tmp_path, commit=commit)


# --- what can go wrong ---


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), OSError(28, "mine")])
def test_what_reduce_raises_is_told_with_the_key(tmp_path: Path, error: BaseException) -> None:
    class Raising(Lists):
        def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
            yield key, 1
            if key == "b":
                raise error

    failed = failure(Raising(), task(tmp_path, {"a": [1], "b": [2], "c": [3]}))
    assert failed.reason is FailureReason.USER_ERROR
    assert failed.message.endswith("(in reduce, key 'b')")
    assert re.findall(r'File ".*", line \d+, in (\w+)', failed.traceback) == ["reduce"]


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    class NoPair(Lists):
        def reduce(self, key: str, values: Iterator[Any]) -> Any:
            yield 5

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    class NoText(Lists):
        def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
            yield key, Odd()

    assert "not a (key, value) pair: 5" in failure(NoPair(), task(tmp_path, {"a": [1]})).message
    assert "RuntimeError: no text" in failure(NoText(), task(tmp_path, {"a": [1]})).message


class ExplodesOnArrival:
    def __setstate__(self, state: Any) -> None:
        raise RuntimeError("boom")

    def __getstate__(self) -> Any:
        return 1


def test_a_value_that_can_not_be_unpickled_is_the_jobs_fault(tmp_path: Path) -> None:
    failed = failure(Lists(), task(tmp_path, {"a": [1]}, {"a": [ExplodesOnArrival()]}))
    assert failed.reason is FailureReason.USER_ERROR
    assert failed.message == "RuntimeError: boom (in reduce, key 'a')"


def test_all_map_outputs_that_are_lost_are_told_at_once(tmp_path: Path) -> None:
    the_task = task(tmp_path, {"a": [1]}, {"a": [2]}, {"a": [3]}, {"a": [4]})
    (tmp_path / "map1").unlink()
    damage(tmp_path / "map3", at=-30)
    failed = failure(Lists(), the_task)
    assert failed.reason is FailureReason.LOST_INPUT
    assert failed.lost == ((1, 101), (3, 103))
    assert failed.message.startswith("can't read the output of map 1, 3: ")


@pytest.mark.parametrize("memory_bytes", [DEFAULT_MEMORY_BYTES, 1])
def test_a_block_that_is_found_damaged_while_merging_names_its_map(
    tmp_path: Path, memory_bytes: int
) -> None:
    runs: list[Run] = [{f"{i:05}": ["x" * 50] for i in range(20_000)} for _ in range(5)]
    the_task = task(tmp_path, *runs)
    damage(tmp_path / "map3", at=(tmp_path / "map3").stat().st_size // 2)
    failed = failure(Lists(), the_task, memory_bytes=memory_bytes)
    assert failed.reason is FailureReason.LOST_INPUT
    assert failed.lost == ((3, 103),)
    assert failed.message.startswith(f"can't read the output of map 3: {tmp_path}/map3: damaged")


def damage(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_maps_with_keys_of_different_types_are_found_out_even_without_a_common_partition(
    tmp_path: Path,
) -> None:
    the_task = task(tmp_path, {"a": [1]}, {})
    write_map_output(str(tmp_path / "map1"), [([1], [1]), ([], [])])
    failed = failure(Lists(), the_task)
    assert failed.reason is FailureReason.USER_ERROR
    assert "must be of one type, but map 0 put out str and map 1 int" in failed.message


def test_an_output_folder_that_can_not_be_written_is_the_workers_fault(tmp_path: Path) -> None:
    the_task = task(tmp_path, {"a": [1]})
    (tmp_path / "out/.zmr-j1").touch()
    with pytest.raises(TaskError, match=f"writing the output to {tmp_path}/out") as error:
        reduce_stored(Lists(), the_task, tmp_path)
    assert error.value.reason is FailureReason.WORKER_ERROR


def test_nothing_is_left_of_a_piece_when_the_next_is_merged() -> None:
    held = []
    before = pa.total_allocated_bytes()

    def merged() -> Iterator[Groups]:
        for _ in range(3):
            held.append(pa.total_allocated_bytes() - before)
            yield group(rows.from_lists([f"{i:08}" for i in range(10_000)], [1] * 10_000))

    reduction = Reduction(Summed(), OutputWriter(Summed.output), TaskProgress())
    for data, n in reduction.of_groups(merged()):
        assert (len(data), n) == (110_000, 10_000)
        del data
    assert max(held) < 10_000


@pytest.mark.parametrize(("writes", "n_syncs"), [(PairsOutput(), 1), (TemporaryPairs(), 0)])
def test_only_what_is_to_last_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: PairsOutput, n_syncs: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("zmr.output.durable_file.os.fsync", synced.append)
    job = Summed()
    job._writes = writes
    assert reduce(job, task(tmp_path, {"a": [1, 2]})).stats.records_out == 1
    assert len(synced) == n_syncs
