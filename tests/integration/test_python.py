"""Jobs from Python: `zmr.run`, and clusters that stay."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.cluster import Cluster
from support.process import WAIT_S

import zmr

ENGINES = pytest.mark.parametrize("engine", ["local", "inline"])


class Words(zmr.Job):
    longest: int = 100

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            if len(word) <= self.longest:
                self.count("words")
                yield word, 1

    reduce = zmr.Sum()


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class ByRow(zmr.Job):
    """Records and values are objects of a class of its own."""

    def map(self, point: Point) -> Iterator[tuple[int, Point]]:
        yield point.y % 3, point

    def reduce(self, key: int, points: Iterable[Point]) -> Iterator[tuple[int, Point]]:
        found = list(points)
        yield key, Point(sum(point.x for point in found), len(found))


class Divides(zmr.Job):
    def map(self, n: int) -> Iterator[tuple[int, int]]:
        yield 0, 12 // n

    reduce = zmr.Sum()


class Doubles(zmr.Job):
    def map(self, pair: tuple[str, int]) -> Iterator[tuple[str, int]]:
        yield pair[0], 2 * pair[1]

    reduce = zmr.Sum()


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("one two\nthree two\n" * 50)
    return path


@ENGINES
def test_a_class_and_an_object_with_parameters_run(text: Path, engine: Any) -> None:
    result = zmr.run(Words, text, engine=engine, slots=2)
    assert dict(result) == {"one": 50, "two": 100, "three": 50}
    assert list(result) == list(result)  # as often as wanted
    assert result.counters == {"words": 200}
    assert result.stats.records_in == 100
    assert len(result.files) == 2
    assert dict(zmr.run(Words(longest=3), [text], engine=engine)) == {"one": 50, "two": 100}
    assert dict(zmr.run("wordcount", str(text), engine=engine)) == dict(result)


@ENGINES
def test_records_of_any_class_are_given_and_come_back(engine: Any) -> None:
    points = [Point(n, n) for n in range(10_000)]
    result = zmr.run(ByRow, iter(points), engine=engine, reducers=3)
    sums = {key: sum(range(key, 10_000, 3)) for key in range(3)}
    assert dict(result) == {key: Point(sums[key], len(range(key, 10_000, 3))) for key in range(3)}
    with pytest.raises(TypeError, match="keys or values are of a type that Arrow has not"):
        result.to_arrow()


@ENGINES
def test_a_table_gives_a_record_for_each_row_and_a_result_is_one(engine: Any) -> None:
    table = pa.table({"name": ["a", "b", "a"], "n": [1, 2, 3]})

    class Sums(zmr.Job):
        def map(self, row: dict[str, Any]) -> Iterator[tuple[str, int]]:
            yield row["name"], row["n"]

        reduce = zmr.Sum()

    result = zmr.run(Sums, table, engine=engine, reducers=1)
    assert result.to_arrow().to_pydict() == {"key": ["a", "b"], "value": [4, 2]}
    again = zmr.run(Doubles, result, engine=engine, reducers=1)
    assert again.to_arrow().equals(
        pa.table({"key": pa.array(["a", "b"], pa.large_string()), "value": [8, 4]})
    )
    assert zmr.run(Sums, table.slice(0, 0), engine=engine).to_arrow().num_rows == 0


@ENGINES
def test_a_pipeline_runs_and_so_does_a_range(text: Path, engine: Any) -> None:
    class Ordered(zmr.Job):
        partition = zmr.Range()

        def map(self, line: str) -> Iterator[tuple[str, int]]:
            for word in line.split():
                yield word, 1

        reduce = zmr.Sum()

    class Twice(zmr.Pipeline):
        steps = (Words, Doubles)

    expected = {"one": 100, "two": 200, "three": 100}
    assert dict(zmr.run(Twice, text, engine=engine)) == expected
    assert dict(zmr.run(Twice(longest=3), text, engine=engine)) == {"one": 100, "two": 200}
    keys = [key for key, _ in zmr.run(Ordered, text, engine=engine, reducers=2)]
    assert keys == ["one", "three", "two"]


class Shouts(zmr.Job):
    """Map-only, over lines."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.upper().split():
            yield word, 1


class Negated(zmr.Job):
    """Map-only, over pairs."""

    def map(self, pair: tuple[str, int]) -> Iterator[tuple[str, int]]:
        yield pair[0], -pair[1]


@ENGINES
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((Words, Negated), {"one": -50, "two": -100, "three": -50}),
        ((Shouts, Doubles), {"ONE": 100, "TWO": 200, "THREE": 100}),
        ((Shouts, Doubles, Negated), {"ONE": -100, "TWO": -200, "THREE": -100}),
        ((Words, Negated, Doubles), {"one": -100, "two": -200, "three": -100}),
    ],
)
def test_steps_without_reduce_may_be_first_and_last(
    text: Path, tmp_path: Path, engine: Any, steps: tuple[Any, ...], expected: dict[str, int]
) -> None:
    class Tested(zmr.Pipeline):
        pass

    Tested.steps = steps
    assert sorted(zmr.run(Tested, text, engine=engine, reducers=3)) == sorted(expected.items())
    written = zmr.run(Tested, text, tmp_path / "out", engine=engine, reducers=3)
    assert sorted(written) == sorted(expected.items())


def test_an_output_folder_holds_what_the_command_writes(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = zmr.run(Words, text, out, slots=2)
    assert dict(result) == {"one": 50, "two": 100, "three": 50}
    assert [os.path.dirname(file) for file in result.files] == [str(out)] * 2
    with pytest.raises(zmr.OutputError, match="is not empty"):
        zmr.run(Words, text, out)
    zmr.run(Words, text, out, overwrite=True)


@ENGINES
def test_a_failure_has_the_task_the_record_and_the_traceback(engine: Any) -> None:
    with pytest.raises(zmr.JobFailed, match="ZeroDivisionError") as failed:
        zmr.run(Divides, iter([3, 2, 0, 1]), engine=engine)
    error = failed.value
    assert error.record == "record 3"
    assert error.input == ""
    assert "(in map, the records given, record 3)" in str(error)
    assert "yield 0, 12 // n" in error.traceback
    assert error.task == ("map-0" if engine == "local" else "")


@pytest.mark.parametrize(
    ("job", "inputs", "message"),
    [
        (Words, "/nowhere", "/nowhere: No such file"),
        (Words(longest=1), {"a": "b"}, "a job has one input"),
        (Words, 17, "inputs are names of files or folders, records, or Arrow data, not 17"),
        (Words, iter([threading.Lock()]), "a record can't be sent to other processes"),
        (Words, pa.table({"a": [1]}).select([]), "a table without columns has no records to give"),
        (17, "x", "a job is a class that is derived from zmr.Job, not 17"),
        ("nope", "x", "there is no built-in job 'nope'"),
    ],
)
def test_what_can_not_be_run_is_told(job: Any, inputs: Any, message: str) -> None:
    with pytest.raises(zmr.ZmrError, match=message):
        zmr.run(job, inputs)


class Spent(zmr.Job):
    customers = zmr.Input(zmr.Csv())
    orders = zmr.Input(zmr.JsonLines(), map="map_order")

    def map_customers(self, row: dict[str, str]) -> Iterator[tuple[int, Any]]:
        yield int(row["id"]), row["name"]

    def map_order(self, order: dict[str, int]) -> Iterator[tuple[int, Any]]:
        yield order["customer"], order["total"]

    def reduce(self, customer: int, values: Iterator[Any]) -> Iterator[tuple[str, int]]:
        name, *totals = values
        yield name, sum(totals)


@ENGINES
def test_a_job_with_several_inputs_gets_a_dict(tmp_path: Path, engine: Any) -> None:
    customers = tmp_path / "customers.csv"
    customers.write_text("id,name\n1,Ada\n2,Bob\n")
    orders = [{"customer": 1 + n % 2, "total": n} for n in range(10)]
    given: Any
    for given in (iter(orders), pa.Table.from_pylist(orders)):
        found = zmr.run(Spent, {"orders": given, "customers": [customers]}, engine=engine)
        assert dict(found) == {"Ada": 20, "Bob": 25}
    with pytest.raises(zmr.InputError, match="Spent has no input 'order'; it has customers, order"):
        zmr.run(Spent, {"order": "x"})
    with pytest.raises(zmr.InputError, match="Spent has several inputs: give a dict"):
        zmr.run(Spent, "x")
    with pytest.raises(zmr.InputError, match="Spent reads customers, too"):
        zmr.run(Spent, {"orders": iter(orders)})
    with pytest.raises(zmr.JobFailed, match="KeyError: 'total'") as failed:
        zmr.run(Spent, {"customers": str(customers), "orders": iter([{"customer": 1}])})
    assert failed.value.task == "map-1"


def test_a_script_that_is_a_job_file_too_is_told_where_to_run_jobs(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import zmr\n"
        "class Mine(zmr.Job):\n"
        "    def map(self, n):\n"
        "        yield n, 1\n"
        "print(list(zmr.run(Mine, iter([1]))))\n"
    )
    (tmp_path / "in").write_text("1\n")
    command = [sys.executable, "-m", "zmr", "run", "job.py", "in"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=WAIT_S
    )
    assert done.returncode == 2
    assert "runs a job while it is loaded as a job file itself" in done.stderr
    assert 'under if __name__ == "__main__"' in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": "2"}, "slots is a number from 1 on, not '2'"),
        ({"reducers": 0}, "reducers is a number from 1 on, not 0"),
        ({"memory": "1M"}, "memory='1M' is too little: at least 40M"),
        ({"engine": "spark"}, "engine is 'local', 'inline' or 'ray', not 'spark'"),
    ],
)
def test_options_that_make_no_sense_are_told(
    text: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(zmr.ZmrError, match=re.escape(message)):
        zmr.run(Words, text, **options)


def test_a_cluster_that_was_closed_runs_nothing_and_one_that_was_not_ends(text: Path) -> None:
    with zmr.LocalCluster(slots=1) as cluster:
        cluster.run(Words, text)
    with pytest.raises(zmr.ZmrError, match="this LocalCluster was closed"):
        cluster.run(Words, text)
    forgotten = zmr.LocalCluster(slots=1)
    forgotten.run(Words, text)
    end = forgotten._end
    assert isinstance(end, weakref.finalize)
    del forgotten
    gc.collect()
    assert not end.alive


def test_a_result_is_gone_with_its_last_reference(text: Path) -> None:
    result = zmr.run(Words, text)
    path = result.files[0]
    assert os.path.exists(path)
    del result
    gc.collect()
    assert not os.path.exists(os.path.dirname(os.path.dirname(path)))
    closed = zmr.run(Words, text, reducers=2)
    begun = iter(closed)
    next(begun)
    closed.close()
    for pairs in (closed, begun):
        with pytest.raises(zmr.OutputError, match="this result was closed"):
            list(pairs)


def test_a_cluster_of_this_machine_runs_job_after_job_and_from_threads(text: Path) -> None:
    thresholds = gc.get_threshold()
    with zmr.LocalCluster(slots=2) as cluster:
        result = cluster.run(Words, text)
        for _ in range(3):
            result = cluster.run(Doubles, result)
        assert dict(result) == {"one": 400, "two": 800, "three": 400}
        with pytest.raises(zmr.JobFailed):
            cluster.run(Divides, iter([0]))
        found: list[dict[Any, Any]] = []
        threads = [
            threading.Thread(target=lambda: found.append(dict(cluster.run(Words, text))))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        assert found == [{"one": 50, "two": 100, "three": 50}] * 3
    assert gc.get_threshold() == thresholds


SCRIPT = """
import sys
from dataclasses import dataclass
import helper
import zmr

@dataclass
class Value:
    n: int

def doubled(n):
    return 2 * n

class Mine(zmr.Job):
    def map(self, n):
        if n == 7:
            print("seven")
        yield helper.part(n), Value(doubled(n))

    def reduce(self, key, values):
        yield key, Value(sum(value.n for value in values))

class Hangs(zmr.Job):
    def map(self, n):
        print("hanging", flush=True)
        while True:
            pass

if __name__ == "__main__":
    if sys.argv[1:] == ["hang"]:
        try:
            with zmr.LocalCluster(slots=1) as cluster:
                try:
                    cluster.run(Hangs, iter([1]))
                except KeyboardInterrupt:
                    print("interrupted", dict(cluster.run(Mine, iter([1]))))
        except BaseException as error:
            print("no", repr(error))
    else:
        print(sorted(zmr.run(Mine, iter(range(10)))))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("def part(n):\n    return n % 2\n")
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_failure_is_told_once(script: Path) -> None:
    script.write_text(SCRIPT.replace("iter(range(10))", "iter([1])"))
    (script.parent / "helper.py").write_text("import os\ndef part(n):\n    os._exit(3)\n")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    told = "the slot process exited with status 3"
    lines = [line for line in done.stderr.splitlines() if told in line]
    assert len(lines) == 4, done.stderr  # three attempts that were tried again, and the job
    assert lines[-1].startswith("zmr.errors.JobFailed: Mine failed: map 0 failed 4 times")


@ENGINES
def test_a_class_of_a_function_is_no_class_of_values(engine: Any) -> None:
    class Inner:
        pass

    class Gives(zmr.Job):
        def map(self, n: int) -> Iterator[tuple[int, Any]]:
            yield n, Inner()

        def reduce(self, key: int, values: Iterator[Any]) -> Iterator[tuple[int, Any]]:
            yield key, next(values)

    with pytest.raises(zmr.JobFailed, match="define classes and functions outside of functions"):
        zmr.run(Gives, iter([1]), engine=engine)


def test_a_script_has_its_own_classes_and_modules_and_prints(script: Path) -> None:
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.stdout == "[(0, Value(n=40)), (1, Value(n=50))]\n", done.stderr
    assert "map 0: seven" in done.stderr


def test_an_interrupt_ends_the_job_and_leaves_the_cluster(script: Path) -> None:
    with subprocess.Popen(
        [sys.executable, script, "hang"], stdout=-1, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stderr is not None
        assert "hanging" in command.stderr.readline()
        command.send_signal(signal.SIGINT)
        out, _ = command.communicate(timeout=WAIT_S)
    assert out == "interrupted {1: Value(n=2)}\n"


def test_a_job_runs_on_a_cluster_elsewhere(cluster: Cluster, text: Path, tmp_path: Path) -> None:
    cluster.start_master()
    cluster.start_worker()
    result = zmr.run(Words, text, tmp_path / "out", master=cluster.address, reducers=2)
    assert dict(result) == dict(zmr.read(tmp_path / "out")) == {"one": 50, "two": 100, "three": 50}
    assert result.counters == {"words": 200}
    with zmr.connect(cluster.address) as connected:
        with pytest.raises(zmr.JobFailed, match="ValueError: one two") as failed:
            connected.run(Breaks, text, tmp_path / "breaks")
        assert "zmr replay" in failed.value.__notes__[-1]
        with pytest.raises(zmr.InputError, match="reads files that all of it share"):
            connected.run(Words, iter(["a"]), tmp_path / "records")
    with pytest.raises(zmr.OutputError, match="needs a folder for its output"):
        zmr.run(Words, text, master=cluster.address)


class Breaks(zmr.Job):
    def map(self, line: str) -> Iterator[tuple[str, int]]:
        raise ValueError(line)


def test_check_says_whether_a_job_is_one(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import zmr\n"
        "class Firsts(zmr.Job):\n"
        "    def map(self, line):\n"
        "        yield line[0], line\n"
        "    def reduce(self, key, values):\n"
        "        yield key, next(values)\n"
    )
    (tmp_path / "in").write_text("".join(f"{n % 7}{n}\n" for n in range(500)))
    command = [sys.executable, "-m", "zmr", "check", "job.py", "in"]
    wrong = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("Firsts has two answers: reduce depends on the order")
    assert "for 2 records:" in wrong.stdout
    right = subprocess.run(
        [*command, "--ordered"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (right.returncode, right.stdout) == (0, "")
    assert right.stderr == "zmr: Firsts: one answer in 200 ways, for 500 records\n"
