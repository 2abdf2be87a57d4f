"""Whole jobs by `run_map` and `run_reduce` alone: map outputs are buffers, handed over as they are.

There is no agent, no slot and no file between map and reduce. This is how an engine uses tasks that
has processes and a store of its own.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support import write_corpus

from zmr import FixedRecords, Job, Range, find_job
from zmr.messages import FailureReason, MapDone, MapOutput, Split, Task, TaskKind
from zmr.shuffle.map_output import (
    BufferSource,
    CorruptMapOutput,
    PieceSource,
    open_partition,
)
from zmr.shuffle.map_output_sink import PartitionSink
from zmr.shuffle.map_output_sources import PartitionSources, name_of_partition
from zmr.shuffle.names import map_output_name, partition_name
from zmr.tasks.context import DEFAULT_MEMORY_BYTES, TaskContext
from zmr.tasks.errors import TaskError
from zmr.tasks.map_task import run_map
from zmr.tasks.reduce_task import run_reduce

JOB_ID = "j1"
Partitions = tuple[pa.Buffer, ...]


class Words(Job):
    """A word count in plain methods, with a combiner."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            self.count("words")
            yield word, 1

    def combine(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)

    reduce = combine


class InMemory:
    """Runs a job in this process, and counts what its tasks count."""

    def __init__(self, job: Job, folder: Path, n_reduce: int, memory_bytes: int) -> None:
        self.counters: Counter[str] = Counter()
        self.output = folder / "out"
        self.scratch = folder / "scratch"
        self.output.mkdir()
        self.scratch.mkdir()
        self._job = job
        self._n_reduce = n_reduce
        self._memory_bytes = memory_bytes

    def map(self, index: int, *splits: Split) -> Partitions:
        output = str(self.output)
        task = Task(JOB_ID, TaskKind.MAP, index, 1, self._n_reduce, output, splits=splits)
        stream = pa.BufferOutputStream()
        sink = PartitionSink(map_output_name(JOB_ID, index, 1), stream)
        done = run_map(self._job, task, sink, self._context())
        assert isinstance(done, MapDone)
        assert done.path == ""
        data = stream.getvalue()
        assert sum(sizes[1] for sizes in sink.places) == data.size
        return tuple(data.slice(*place) for place in sink.places)

    def reduce(self, index: int, maps: Sequence[Partitions]) -> None:
        task = Task(JOB_ID, TaskKind.REDUCE, index, 1, self._n_reduce, str(self.output))
        outputs = [
            (MapOutput(number, 1, host="", path=""), partitions[index])
            for number, partitions in enumerate(maps)
            if partitions
        ]
        sources = PartitionSources(
            (output, BufferSource(name_of_partition(JOB_ID, output, index), data))
            for output, data in outputs
        )
        assert run_reduce(self._job, task, sources, self._context()) is not None

    def run(self, files: Sequence[Path]) -> bytes:
        """Return the whole output."""
        maps = [self.map(number, Split(str(file))) for number, file in enumerate(files)]
        assert list(self.scratch.iterdir()) == []
        for index in range(self._n_reduce):
            self.reduce(index, maps)
        assert list(self.scratch.iterdir()) == []
        names = [f"mr-out-{index}" for index in range(self._n_reduce)]
        return b"".join((self.output / name).read_bytes() for name in names)

    def _context(self) -> TaskContext:
        def count(name: str, n: int) -> None:
            self.counters[name] += n

        return TaskContext(str(self.scratch), count=count, memory_bytes=self._memory_bytes)


@pytest.mark.parametrize("memory_bytes", [DEFAULT_MEMORY_BYTES, 1])  # 1: spills and merges
@pytest.mark.parametrize("job", [Words(), find_job("wordcount").create([])])
def test_a_word_count(tmp_path: Path, job: Job, memory_bytes: int) -> None:
    corpus = sorted(write_corpus(tmp_path / "corpus", lines=200).iterdir())
    (tmp_path / "corpus" / "empty").touch()
    in_memory = InMemory(job, tmp_path, n_reduce=3, memory_bytes=memory_bytes)

    output = in_memory.run([tmp_path / "corpus" / "empty", *corpus])

    words = Counter(word for file in corpus for word in file.read_text().split())
    lines = output.decode().splitlines()
    assert dict(line.split("\t") for line in lines) == {w: str(n) for w, n in words.items()}
    assert len(lines) == len(words)
    assert in_memory.counters["words"] == (words.total() if isinstance(job, Words) else 0)


@pytest.mark.parametrize("memory_bytes", [DEFAULT_MEMORY_BYTES, 1 << 20])
def test_a_sort(tmp_path: Path, memory_bytes: int) -> None:
    records = [random.Random(i).randbytes(100) for i in range(20_000)]
    files = [tmp_path / "0", tmp_path / "1"]
    files[0].write_bytes(b"".join(records[:12_345]))
    files[1].write_bytes(b"".join(records[12_345:]))
    job: Any = find_job("sort").create([("record_bytes", "100")])
    assert isinstance(job.input, FixedRecords)
    job.partition = Range([b"\x40", b"\xa0"])

    output = InMemory(job, tmp_path, n_reduce=3, memory_bytes=memory_bytes).run(files)

    assert output == b"".join(sorted(records))
    assert len((tmp_path / "out" / "mr-out-0").read_bytes()) % 100 == 0


def test_a_partition_that_is_damaged_or_another_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a b c d e f g h\n")
    in_memory = InMemory(Words(), tmp_path, n_reduce=2, memory_bytes=DEFAULT_MEMORY_BYTES)
    good, other = (in_memory.map(number, Split(str(tmp_path / "in"))) for number in range(2))
    damaged = bytearray(other[0])
    damaged[40] ^= 1
    for wrong in (pa.py_buffer(damaged), good[0], other[1], pa.py_buffer(b"")):
        with pytest.raises(TaskError) as error:
            in_memory.reduce(0, [good, (wrong,)])
        assert error.value.reason is FailureReason.LOST_INPUT
        assert error.value.lost == ((1, 1),)
    in_memory.reduce(0, [good, other])
    assert (in_memory.output / "mr-out-0").read_text().splitlines()[0].endswith("\t2")


def test_keys_of_two_types_are_refused_by_every_reduce(tmp_path: Path) -> None:
    class Two(Job):
        def map(self, line: str) -> Iterator[tuple[Any, int]]:
            yield (int(line) if line.isdecimal() else line), 1

        def partition(self, key: Any, n: int) -> int:
            return int(isinstance(key, str))

        def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
            yield key, sum(values)

    for name, text in [("0", "1\n2\n"), ("1", "a\n")]:
        (tmp_path / name).write_text(text)
    in_memory = InMemory(Two(), tmp_path, n_reduce=3, memory_bytes=DEFAULT_MEMORY_BYTES)
    maps = [in_memory.map(number, Split(str(tmp_path / str(number)))) for number in range(2)]
    for partition in range(3):  # of the first, only one map has rows; of the last, none
        with pytest.raises(TaskError, match="keys"):
            in_memory.reduce(partition, maps)


def test_a_piece_of_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a b c d e f g h\n")
    in_memory = InMemory(Words(), tmp_path, n_reduce=2, memory_bytes=DEFAULT_MEMORY_BYTES)
    data = in_memory.map(0, Split(str(tmp_path / "in")))[1]
    (tmp_path / "file").write_bytes(b"before" + data.to_pybytes() + b"after")
    with open(tmp_path / "file", "rb") as file:
        source = PieceSource(partition_name(f"{JOB_ID}-map-0-1", 1), file.fileno(), 6, data.size)
        batches = list(open_partition(source, 0).batches())
        assert sum(map(len, batches)) > 0
        assert source.read(data.size - 2, 9) == data.to_pybytes()[-2:]
        source.size_bytes -= 1
        with pytest.raises(CorruptMapOutput):
            open_partition(source, 0)


def test_an_attempt_that_fails_counts_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    class Failing(Words):
        def map(self, line: str) -> Iterator[tuple[str, int]]:
            yield from super().map(line)
            assert line != "bad"

    (tmp_path / "in").write_text("a b\nbad\n")
    in_memory = InMemory(Failing(), tmp_path, n_reduce=2, memory_bytes=1)
    with pytest.raises(TaskError, match=r"in map, .*/in, line 2"):
        in_memory.map(0, Split(str(tmp_path / "in")))
    assert in_memory.counters == {}
    assert list(in_memory.scratch.iterdir()) == []


def test_tasks_need_nothing_of_the_rooms_above() -> None:
    program = """if True:
        import sys, zmr.tasks.map_task, zmr.tasks.reduce_task, zmr.tasks.capsule
        rooms = {name.split(".")[1] for name in sys.modules if name.startswith("zmr.")}
        assert not {"slots", "net", "core", "engines", "journal", "cli"} & rooms, rooms
        assert "zmq" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)},
                   check=True)  # fmt: skip
