"""The answer is that of one process to the byte, whatever slots, reducers and spills it takes."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from support import Zmr
from support.cluster import output_of

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

N_LINES = (20_000, 160_000, 20_000, 20_000)  # of each file

# Slots, reducers, and a memory that the task of the large file outgrows: it spills.
WAYS = [("1", "40", "40M"), ("2", "5", "512M"), ("7", "1", "40M")]


# Shows the map tasks: for each key, the lines that each of them had.
TASKS = """
from zmr import Job

class Tasks(Job):
    def map(self, line):
        yield line.split()[0], [line]

    def combine(self, key, values):
        self.count("combine calls")
        yield key, [line for lines in values for line in lines]

    def reduce(self, key, values):
        yield key, list(values)
"""


def key_of(line: bytes) -> bytes:
    return line.partition(b"\t")[0]


@pytest.fixture
def texts(zmr: Zmr) -> Path:
    """Return a folder of four files, 13 MB in all, of frequent and rare, long and wide words."""
    generator = np.random.default_rng(7)
    folder = zmr.folder / "texts"
    folder.mkdir()
    for number, n_lines in enumerate(N_LINES):
        words = generator.zipf(1.2, 5 * n_lines) % 10**9
        texts = [f"w{word:x}é" * (1 + int(word) % 3) for word in words]
        lines = (" ".join(texts[i : i + 5]) for i in range(0, len(texts), 5))
        (folder / f"{number}.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("job", ["wordcount", "sort"])
def test_any_number_of_slots_and_reducers(zmr: Zmr, texts: Path, job: str) -> None:
    # Given the answer of one process
    ended = zmr.run("run", job, texts, "--engine", "inline", "-r", "1", "-o", "expected")
    assert ended.status == 0, ended.stderr
    expected = (zmr.folder / "expected" / "mr-out-0").read_bytes()
    for slots, reducers, memory in WAYS:
        ended = zmr.run(
            *("run", job, texts, "-j", slots, "-r", reducers, "--memory", memory),
            *("-o", "out", "--overwrite"),
        )
        assert ended.status == 0, ended.stderr
        files = [zmr.folder / "out" / f"mr-out-{i}" for i in range(int(reducers))]
        if job == "sort":
            found = b"".join(file.read_bytes() for file in files)
        else:  # each file is sorted by key, which no byte below the tab is part of
            lines = [line for file in files for line in file.read_bytes().splitlines(True)]
            lines.sort(key=key_of)
            found = b"".join(lines)
            each = [file.read_bytes().splitlines() for file in files]
            assert all(keys == sorted(keys, key=key_of) for keys in each)
        assert found == expected


def test_the_tasks_follow_from_the_inputs_whatever_the_engine_and_the_slots(zmr: Zmr) -> None:
    # Given more small files than are tasks of their own
    (zmr.folder / "tasks.py").write_text(TASKS)
    inputs = zmr.folder / "in"
    inputs.mkdir()
    for number in range(200):
        lines = [f"{word} of file {number}\n" for word in ("all", "all", f"some{number % 7}") * 2]
        (inputs / f"{number:03}").write_text("".join(lines))

    # When the job, which shows its tasks, is run by each engine
    ways = [("inline", "1"), ("local", "1"), ("local", "5")]
    for engine, slots in ways:
        ended = zmr.run(
            *("run", "tasks.py", inputs, "--engine", engine, "-j", slots, "-r", "3"),
            *("-o", engine + slots),
        )
        assert ended.status == 0, ended.stderr

    # Then the lists of lines are the same, and combine was called as often
    outputs = [output_of(zmr.folder / (engine + slots)) for engine, slots in ways]
    assert outputs[0] == outputs[1] == outputs[2]
    (of_all,) = [
        line for data in outputs[0].values() for line in data.splitlines() if b"all" in line[:3]
    ]
    assert of_all.count(b"],[") + 1 == 50
    manifests = [json.loads((zmr.folder / (e + s) / "_SUCCESS").read_text()) for e, s in ways]
    assert len({json.dumps(manifest["counters"]) for manifest in manifests}) == 1


# Keeps state from record to record, from setup on and from before.
STATEFUL = """
from zmr import Job

class Stateful(Job):
    seen = ""

    def setup(self):
        self.n = 0
        self.count("set up")

    def map(self, line):
        self.n += 1
        self.seen += line
        yield self.n, self.seen

    def reduce(self, n, values):
        self.n += 1
        yield n, (self.n, list(values))
"""


def test_what_a_task_keeps_in_self_is_its_own_whatever_the_slots(zmr: Zmr) -> None:
    (zmr.folder / "stateful.py").write_text(STATEFUL)
    inputs = zmr.folder / "in"
    inputs.mkdir()
    for number in range(10):
        (inputs / f"{number:03}").write_text("a\nb\nc\n")
    outputs, counters = [], []
    for engine, slots in [("inline", "1"), ("local", "1"), ("local", "4")]:
        folder = engine + slots
        ended = zmr.run(
            *("run", "stateful.py", inputs, "--engine", engine, "-j", slots, "-r", "2"),
            *("-o", folder),
        )
        assert ended.status == 0, ended.stderr
        outputs.append(output_of(zmr.folder / folder))
        counters.append(json.loads((zmr.folder / folder / "_SUCCESS").read_text())["counters"])
    assert outputs[0] == outputs[1] == outputs[2]
    assert counters[0] == counters[1] == counters[2] == {"set up": 12}


# Where each rare word is; every name of a place in the file that a job can have.
PLACES = """
from os.path import basename
from zmr import Input, Job, Lines, TextBlocks

class Places(Job):
    numbered = Input(Lines(numbers=True))
    plain = Input(Lines())

    def setup(self):
        self.n = 0

    def map_numbered(self, record):
        number, line = record
        if line.endswith("rare"):
            self.n += 1
            yield basename(self.source.path), ("number", number, self.source.offset)

    def map_plain(self, line):
        if line.endswith("rare"):
            yield basename(self.source.path), ("offset", self.source.offset)

    def finish_map(self):
        yield "rare lines of numbered files", (self.n, self.source.path, self.source.offset)

    def sort_values(self, value):
        return value[-1] or 0

    def reduce(self, key, values):
        yield key, list(values)

    def finish_reduce(self):
        yield "end", self.source.offset
"""


def test_offsets_and_numbers_are_those_of_the_whole_file(zmr: Zmr) -> None:
    # Given a file that is cut into three pieces, also compressed, and one in another encoding
    generator = np.random.default_rng(3)
    lengths = generator.integers(0, 200, 180_000)
    lines = ["-" * length + ("rare" if n % 9_000 == 0 else "") for n, length in enumerate(lengths)]
    data = b"\xef\xbb\xbf" + "\r\n".join(lines).encode()
    (zmr.folder / "places.py").write_text(PLACES)
    (zmr.folder / "a").write_bytes(data)
    (zmr.folder / "b.gz").write_bytes(gzip.compress(data, 1))
    (zmr.folder / "c").write_bytes("one rare\n\nrare".encode("utf-16"))
    number, offset, expected = 1, 3, []
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\r\n"):
        if line.endswith(b"rare"):
            expected.append((number, offset))
        number, offset = number + 1, offset + len(line) + 2
    assert len(expected) == 20
    outputs = []
    for engine, slots in [("inline", "1"), ("local", "1"), ("local", "3")]:
        folder = engine + slots
        ended = zmr.run(
            *("run", "places.py", "numbered=a", "numbered=b.gz", "numbered=c", "plain=a"),
            *("plain=b.gz", "plain=c", "--engine", engine, "-j", slots, "-o", folder, "-r", "1"),
        )
        assert ended.status == 0, ended.stderr
        outputs.append(output_of(zmr.folder / folder))
    assert outputs[0] == outputs[1] == outputs[2]
    rows = dict(line.split("\t") for line in outputs[0]["mr-out-0"].decode().splitlines())
    of_file = [row for n, at in expected for row in (["number", n, at], ["offset", at])]
    assert json.loads(rows["a"]) == json.loads(rows["b.gz"]) == of_file
    assert json.loads(rows["c"]) == [
        *(["number", 1, 0], ["offset", 0], ["number", 3, 10], ["offset", 10]),
    ]
    assert sum(n for n, *_ in json.loads(rows["rare lines of numbered files"])) == 42
    assert rows["end"] == "null"


TABLES = """
import zmr

class Table(zmr.Job):
    input = zmr.{input}
    reduce = zmr.{reduce}

    def {method}(self, record):
        {body}

class Turned(zmr.Job):
    reduce = zmr.Count()

    def map(self, pair):
        yield str(pair[1]), pair[0]

class Both(zmr.Pipeline):
    steps = [Table, Turned]
"""
BY_MAP = "map", 'yield record["key"], record["n"]'
BY_BATCH = "map_batch", 'return record.column("key"), record.column("n")'
ROWS: list[dict[str, object]] = [
    {"key": key, "n": n} for n, key in enumerate(["a", None, "b\tc", "", "a", "é"] * 50)
]


def csv_table(path: Path) -> None:
    lines = (f"{row['key'] or ''},{row['n']}\n" for row in ROWS)
    path.write_text("key,n\n" + "".join(lines))


def json_table(path: Path) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))


def parquet_table(path: Path) -> None:
    names = ("key", "n")
    table = pa.table({name: [row[name] for row in ROWS] for name in names})
    parquet.write_table(table, path, row_group_size=70)


def damaged_json(path: Path) -> None:
    json_table(path)
    path.write_bytes(path.read_bytes()[:-9])


def damaged_parquet(path: Path) -> None:
    parquet_table(path)
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("write", "name", "how", "input_format", "reduce", "job"),
    [
        (csv_table, "a.csv", BY_MAP, "Csv(types={'n': int})", "Sum()", "Table"),
        (csv_table, "a.csv", BY_BATCH, "Csv()", "Collect()", "Both"),
        (json_table, "a.jsonl.gz", BY_MAP, "JsonLines()", "Mean()", "Both"),
        (json_table, "a.jsonl.gz", BY_BATCH, "JsonLines()", "Identity()", "Table"),
        (parquet_table, "a.parquet", BY_MAP, "Parquet()", "Top(3)", "Both"),
        (parquet_table, "a.parquet", BY_BATCH, "Parquet()", "Distinct()", "Table"),
        (csv_table, "a.csv", BY_MAP, "Csv()", "Sum()", "Table"),
        (damaged_json, "a.jsonl.gz", BY_MAP, "JsonLines()", "Sum()", "Table"),
        (damaged_parquet, "a.parquet", BY_BATCH, "Parquet()", "Sum()", "Table"),
        (parquet_table, "a.parquet", BY_MAP, "Parquet(columns=['key', 'm'])", "Sum()", "Both"),
    ],
)
def test_tables_give_one_answer_or_one_reason(
    zmr: Zmr,
    write: Callable[[Path], None],
    name: str,
    how: tuple[str, str],
    input_format: str,
    reduce: str,
    job: str,
) -> None:
    write(zmr.folder / name)
    method, body = how
    source = TABLES.format(input=input_format, reduce=reduce, method=method, body=body)
    (zmr.folder / "table.py").write_text(source)
    ended = []
    for engine in ("local", "inline"):
        args = ("--engine", engine, "-j", "2", "-r", "2", "--max-attempts", "1")
        ended.append(zmr.run("run", f"table.py:{job}", name, "-o", engine, *args))
        assert "Traceback" not in ended[-1].stderr, ended[-1].stderr
    local, inline = ended
    assert local.status == inline.status
    if local.status == 0:
        assert output_of(zmr.folder / "local") == output_of(zmr.folder / "inline")
        return
    # The last line of each says why, after what failed and where.
    reasons = [each.stderr.splitlines() for each in ended]
    last = [next(line for line in reversed(lines) if " failed" in line) for lines in reasons]
    reason = re.sub(r"^in step \d of 2, \w+: ", "", last[1].split("failed: ", 1)[1])
    assert reason.split(" (")[0] in last[0], last
