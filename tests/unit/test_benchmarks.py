"""The benchmarks: their data are always the same, wrong results are seen, tables say what is known.

What they measure is not tested, and no time that they take.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support import CHECKOUT

# Last: an installed zmr comes before the checkout's.
sys.path.append(str(CHECKOUT))

from benchmarks import data, docs
from benchmarks.checksum import (
    Digest,
    WrongResult,
    digest_of_lines,
    digest_of_records,
    lines_of,
    result_files,
)
from benchmarks.cli import PAGE
from benchmarks.datasets import Dataset, Datasets
from benchmarks.engine import Engine
from benchmarks.engines import ENGINES
from benchmarks.processes import Process
from benchmarks.report import section
from benchmarks.rounds import Row, Settings, WorkResult
from benchmarks.sizes import parse_size, show_size
from benchmarks.work import Figures, Task, Work, growth_bytes
from benchmarks.works import WORKS
from benchmarks.works.big_key import BigKey
from benchmarks.works.overhead import NoopTasks
from benchmarks.works.sort import SortRecords
from benchmarks.works.wordcount import Batch, require_counts

OCTAVES = 10  # a vocabulary of a thousand words; the full one takes seconds to make


def text(seed: int = 1, size_bytes: int = 20_000, part: int = 0) -> bytes:
    return b"".join(data.text(seed, size_bytes, part=part, octaves=OCTAVES))


def records(n: int = 1000, *, printable: bool = True, part: int = 0) -> bytes:
    return b"".join(data.records(1, n, printable=printable, part=part))


def fill(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


# ---- data ------------------------------------------------------------------------------------


def test_data_are_the_same_everywhere_and_in_every_version_of_numpy() -> None:
    assert sha256(text()) == "af56a60c7f6aebe2"
    assert sha256(records()) == "75f7155fd6993c9f"
    assert sha256(records(printable=False)) == "d96c916f48e64031"


def test_seeds_and_parts_differ() -> None:
    assert len({sha256(text(seed, part=part)) for seed in (1, 2) for part in (0, 1)}) == 4
    assert records(part=0) != records(part=1)


def test_text_is_words_of_a_zipf_vocabulary_in_lines() -> None:
    content = text(size_bytes=200_000)
    words = content.split()
    assert 199_000 < len(content) <= 200_000
    assert content == b"\n".join(b" ".join(line.split()) for line in content.split(b"\n"))
    assert 8 < len(words) / content.count(b"\n") < 13
    assert {len(word) for word in words} >= set(range(1, 9))
    assert max(map(len, words)) <= data.LONGEST_WORD
    commonest = [count for _, count in Counter(words).most_common(300)]
    assert commonest[0] > 20 * commonest[100] > 0
    assert not content.decode().isascii()


def test_records_are_those_of_the_sort_benchmark() -> None:
    rows = [records(5)[i : i + 100] for i in range(0, 500, 100)]
    assert all(row.endswith(b"\r\n") and row[:98].decode().isprintable() for row in rows)
    assert [int(row[12:44], 16) for row in rows] == [0, 1, 2, 3, 4]
    assert len({row[:10] for row in rows}) == 5
    content = records(1000, printable=False)
    assert any(b"\n" in content[i : i + 10] for i in range(0, len(content), 100))


def test_text_that_the_user_names_is_counted_as_python_counts_it(tmp_path: Path) -> None:
    # Given text with all that engines disagree about
    source = "a\u00a0b \x1c c\r\n\r\n\r\nb  \u2003b\tlast"
    fill(tmp_path / "books", one=source.encode() + b"\xff", two=b"a\n")
    # When it becomes a dataset
    dataset = Datasets(fill(tmp_path / "data"), own_text=tmp_path / "books").text(size_bytes=1)
    # Then its words are those of str.split, and every way to split lines finds them
    lines = [line for path in dataset.files() for line in path.read_bytes().split(b"\n")]
    assert [line.split(b" ") for line in lines if line] == [
        [b"a", b"b", b"c"],
        [b"b", b"b", "last\ufffd".encode()],
        [b"a"],
    ]


# ---- checks ----------------------------------------------------------------------------------


@pytest.fixture
def pages(tmp_path: Path) -> Dataset:
    content = text()
    middle = content.index(b"\n", len(content) // 2) + 1
    return Dataset(fill(tmp_path / "pages", a=content[:middle], b=content[middle:]), "pages")


def counts(dataset: Dataset) -> list[bytes]:
    words = Counter(word for path in dataset.files() for word in path.read_bytes().split())
    return [b"%b\t%d\n" % pair for pair in words.items()]


def test_right_counts_pass_in_any_order_and_in_any_files(pages: Dataset, tmp_path: Path) -> None:
    lines = counts(pages)
    output = fill(
        tmp_path / "out",
        first=b"".join(lines[100:]),
        second=b"".join(lines[99::-1]).rstrip(b"\n"),  # some engines write no last newline
        _SUCCESS=b"not a result",
    )
    require_counts(pages, output)


@pytest.mark.parametrize("wrong", ["count", "swapped", "missing", "doubled", "moved", "nothing"])
def test_wrong_counts_are_seen(pages: Dataset, tmp_path: Path, wrong: str) -> None:
    lines = counts(pages)
    (word, n), (other, m) = (line.split(b"\t") for line in lines[:2])
    assert n != m
    lines[:2] = {
        "count": [b"%b\t%d\n" % (word, int(n) + 1), lines[1]],
        "swapped": [word + b"\t" + m, other + b"\t" + n],
        "missing": lines[1:2],
        "doubled": [lines[0], lines[0]],
        "moved": [lines[0][:-1] + lines[1][:1] + b"\n", lines[1][1:]],
        "nothing": lines[:2],
    }[wrong]
    output = tmp_path / "out"
    if wrong != "nothing":
        fill(output, counts=b"".join(lines))
    with pytest.raises(WrongResult):
        require_counts(pages, output)


def test_lines_that_cross_chunks_make_no_difference(tmp_path: Path) -> None:
    long_lines = [b"%d" % i * 3000 + b"\n" for i in range(200)]
    output = fill(tmp_path / "out", lines=b"".join(long_lines))
    assert digest_of_lines(lines_of(result_files(output))) == digest_of_lines(long_lines)


@pytest.fixture
def shuffled(tmp_path: Path) -> Task:
    dataset = Dataset(fill(tmp_path / "records", a=records(3000)), "records")
    return Task(dataset, dataset.size_bytes, "records")


def in_order(task: Task) -> list[bytes]:
    content = b"".join(path.read_bytes() for path in task.dataset.files())
    return sorted(content[i : i + 100] for i in range(0, len(content), 100))


def test_sorted_records_pass_in_files_in_the_order_of_their_numbers(
    shuffled: Task, tmp_path: Path
) -> None:
    rows = in_order(shuffled)
    whole = {"out-2": rows[:1000], "out-10": rows[1000:2500], "out-11": []}
    without_cr = {"out-12": [row.replace(b"\r", b"") for row in rows[2500:]]}
    files = {name: b"".join(part) for name, part in (whole | without_cr).items()}
    SortRecords().check(shuffled, "zmr", fill(tmp_path / "out", **files))


@pytest.mark.parametrize("wrong", ["pair", "files", "payload", "missing", "cut"])
def test_what_is_not_sorted_or_not_the_same_is_seen(
    shuffled: Task, tmp_path: Path, wrong: str
) -> None:
    rows = in_order(shuffled)
    first, second = rows[:1500], rows[1500:]
    if wrong == "pair":
        first[700:702] = first[701:699:-1]
    elif wrong == "files":
        first, second = second, first
    elif wrong == "payload":
        first[0] = first[0][:60] + b"?" + first[0][61:]
    elif wrong == "missing":
        first.pop()
    elif wrong == "cut":
        first[-1] = first[-1][:50]
    output = fill(tmp_path / "out", a=b"".join(first), b=b"".join(second))
    with pytest.raises(WrongResult):
        SortRecords().check(shuffled, "zmr", output)


def test_order_is_that_of_whole_keys_as_bytes(tmp_path: Path) -> None:
    rest = records(1)[10:]
    keys = [b"\x00" * 10, b"\x00" * 9 + b"\x01", b"\x7f" * 10, b"\x80" + b"\x00" * 9, b"\xff" * 10]
    for n, row in enumerate(keys):
        fill(tmp_path / "out", **{f"part-{n}": row + rest})
    assert digest_of_records(result_files(tmp_path / "out"), in_order=True).count == 5
    fill(tmp_path / "out", **{"part-5": b"\xff" * 9 + b"\xfe" + rest})
    with pytest.raises(WrongResult, match="out of order"):
        digest_of_records(result_files(tmp_path / "out"), in_order=True)


def test_the_values_of_one_key_are_checked_one_by_one(pages: Dataset, tmp_path: Path) -> None:
    task = Task(pages, pages.size_bytes, "pages")
    with pytest.raises(WrongResult, match=r"not 'all \d+ \d+'") as error:
        BigKey().check(task, "zmr", fill(tmp_path / "wrong", part=b"all\t1 2\n"))
    right = re.findall(r"not 'all (\d+ \d+)'", str(error.value))[0]
    BigKey().check(task, "zmr", fill(tmp_path / "right", part=b"all\t%b\n" % right.encode(), b=b""))


def test_digests_say_what_differs() -> None:
    with pytest.raises(WrongResult, match="1,234 lines, not 1,235"):
        Digest(1234, 5).require(Digest(1235, 5), "lines")
    with pytest.raises(WrongResult, match="the right number of lines"):
        Digest(1234, 5).require(Digest(1234, 6), "lines")


# ---- tables ----------------------------------------------------------------------------------


def engine(name: str) -> Engine:
    return next(engine for engine in ENGINES if engine.name == name)


def result(work: Work, amount: int, *rows: Row) -> WorkResult:
    task = Task(Dataset(Path("nowhere"), ""), amount, "640 MB of text")
    return WorkResult(work, task, Settings(size_bytes=640_000_000), rows)


def test_a_table_has_medians_and_ratios_and_says_what_failed() -> None:
    shown = section(
        result(
            Batch(),
            640_000_000,
            Row(engine("pyspark-df"), [40.0, 30.0, 50.0], [60.0] * 3, 2_000_000_000),
            Row(engine("zmr"), [9.0, 10.0, 20.0], [18.0] * 3, 900_000_000),
            Row(engine("ray"), [1.0], [1.0], problem="failed, exit status 1: a | b"),
        )
    )
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert rows[2:5] == [
        "| **zmr** | 10.0 s | 9.00 – 20.00 | 1.00 | 64 MB/s | 18.0 s | 900 MB |",
        "| PySpark DataFrame | 40.0 s | 30.00 – 50.00 | 4.00 | 16 MB/s | 60.0 s | 2 GB |",
        "| Ray Data | failed, exit status 1: a \\| b |  |  |  |  |  |",
    ]
    assert rows[-2:] == [
        "| time of pyspark-df / time of zmr | 4, met | ≥ 3 |",
        "| time of ray / time of zmr | – | ≥ 4 |",
    ]
    again = "--only wordcount-batch --engines pyspark-df,zmr,ray --size 640000000"
    assert f"`tox -e bench -- {again}`" in shown


def test_a_missed_goal_is_told() -> None:
    shown = section(result(NoopTasks(), 50_000, Row(engine("zmr"), [10.0], [1.0])))
    assert "| tasks/s of zmr | 5,000, **missed** | ≥ 1e+04 |" in shown


def test_growth_is_beyond_an_idle_process_of_the_same_role() -> None:
    idle = (Process(0, "python", 50), Process(1, "python", 60), Process(1, "python", 70))
    busy = (Process(0, "python", 55), Process(1, "python", 170))
    assert growth_bytes(busy, idle) == 100
    assert growth_bytes((*busy, Process(2, "new", 101)), idle) == 101
    assert Figures(2.0, 100).rate == 50


def test_a_page_keeps_its_text_and_gets_new_tables() -> None:
    page = "# Page\n\n<!-- bench:one:begin -->\nold\n<!-- bench:one:end -->\n\nText.\n"
    new = docs.replace(page, "one", "| new |")
    assert new == page.replace("old", "\n| new |\n")
    assert docs.replace(new, "one", "| new |") == new
    with pytest.raises(ValueError, match="no part 'two'"):
        docs.replace(page, "two", "| new |")


def test_works_engines_page_and_requirements_fit_together() -> None:
    works = {work.name for work in WORKS}
    assert works == {name for engine in ENGINES for name in engine.commands}
    assert works == set(engine("zmr").commands)
    assert docs.names(PAGE.read_text()) == ["machine", *(work.name for work in WORKS), "cliffs"]
    for path in (CHECKOUT / "benchmarks").glob("requirements-*.txt"):
        lines = [line for line in path.read_text().splitlines() if line[0] != "#"]
        assert lines
        assert all("==" in line for line in lines)


@pytest.mark.parametrize(
    ("written", "size_bytes"), [("20M", 20_000_000), ("1.5GB", 1_500_000_000), ("100", 100)]
)
def test_sizes(written: str, size_bytes: int) -> None:
    assert parse_size(written) == size_bytes
    assert parse_size(show_size(size_bytes).replace(" ", "")) == size_bytes


# ---- the real thing --------------------------------------------------------------------------


@pytest.fixture
def environment() -> dict[str, str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return os.environ | {"PYTHONPATH": paths}


@pytest.mark.parametrize(
    ("work", "engines"),
    [
        ("start-up", ["zmr", "python", "imports"]),
        ("noop-tasks", ["zmr", "echo"]),
        ("shuffle", ["zmr", "stream", "fetch"]),
        ("sort-records", ["zmr", "zmr-lines"]),
        ("big-key", ["zmr"]),
        ("wordcount-python", ["zmr", "zmr-sum"]),
    ],
)
def test_a_work_is_run_checked_and_reported(
    tmp_path: Path, environment: dict[str, str], work: str, engines: list[str]
) -> None:
    options = ("--only", work, "--engines", ",".join(engines), "--rounds", "1", "--size", "2M")
    done = subprocess.run(
        (sys.executable, "-m", "benchmarks", *options, "--cache", str(tmp_path / "cache")),
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "cache" / "results").iterdir()
    assert (folder / "report.md").read_text() in done.stdout
    (result,) = json.loads((folder / "results.json").read_text())
    rows = result["engines"]
    assert {row["engine"]: row["problem"] for row in rows} == dict.fromkeys(engines, "")
    assert all(len(row["elapsed_s"]) == 1 and row["cpu_s"][0] > 0 for row in rows)


MEASURE = """
import json, os, sys
from pathlib import Path
from benchmarks.engine import Command
from benchmarks.measure import measure
from benchmarks.processes import keep_orphans

keep_orphans()
done = measure(Command((sys.executable, "-c", sys.argv[1])), Path(sys.argv[2]), 0.5, 0.02)
alive = [pid for pid in done.stdout.split() if Path("/proc", pid).exists()]
print(json.dumps([done.in_time, done.status, alive, done.peak_bytes, len(done.processes)]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("orphan", [True, False], ids=["orphan", "too slow"])
def test_nothing_that_a_command_started_outlives_it(
    tmp_path: Path, environment: dict[str, str], orphan: bool
) -> None:
    # Given a command whose child would never end, in a session of its own, and has 50 MB
    child = "import time; b = bytearray(50_000_000); print('up', flush=True); time.sleep(100)"
    parent = (
        "import subprocess, sys;"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE,"
        " start_new_session=True);"
        "child.stdout.readline(); print(child.pid, flush=True);"
        + ("" if orphan else "child.wait()")
    )
    (tmp_path / "tmp").mkdir()
    # When it ends, or its time is over
    done = subprocess.run(
        (sys.executable, "-c", MEASURE, parent, str(tmp_path)),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    # Then its child is gone, and was seen
    in_time, status, alive, peak_bytes, n_processes = json.loads(done.stdout)
    assert (in_time, status) == ((True, 0) if orphan else (False, -9))
    assert alive == []
    assert n_processes >= (1 if orphan else 2)  # a parent that ends at once may be missed
    assert peak_bytes > 50_000_000
