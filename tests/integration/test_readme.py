"""Every command in the documents runs, and does what the document says.

A block of shell that isn't run here stands in `NOT_RUN`, with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support import CHECKOUT, Zmr
from support.cluster import reserved_port
from support.documents import python_blocks

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

# The commands' own examples, which are all of those in docs/cli.md, are tested with the commands.
DOCUMENTS = [
    CHECKOUT / "README.md",
    *(path for path in (CHECKOUT / "docs").glob("**/*.md") if path.name != "cli.md"),
]
BLOCK_OF_SH = re.compile(r"^```sh\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)

SETUP = "bin/setup && .venv/bin/zmr run wordcount input/\n"
LONGEST = ".venv/bin/zmr run longest.py input/ -o longest -r 2\n"
REPLAY = ".venv/bin/zmr replay longest/_failed/map-0 --pdb\n"
TOP_WORDS = ".venv/bin/zmr run topwords.py input/ | head -5\n"
CLUSTER = """\
bin/master --port 5555 --job wordcount input/ -o counts -r 4
bin/worker tcp://127.0.0.1:5555
bin/tail tcp://127.0.0.1:5555
"""
OTHER_MACHINES = """\
bin/master --host 0.0.0.0 --port 5555         # here
bin/zmr key worker tcp://127.0.0.1:5555       # here, while it runs: prints KEY
ZMR_KEY=KEY bin/worker tcp://HERE:5555        # there
"""
NOT_RUN = {
    "bin/setup test && .venv/bin/tox\n": "tox runs these tests",
    **dict.fromkeys(
        BLOCK_OF_SH.findall((CHECKOUT / "docs" / "performance.md").read_text()),
        "benchmarks take minutes, and other engines",
    ),
    **dict.fromkeys(
        BLOCK_OF_SH.findall((CHECKOUT / "docs" / "dev" / "simulation.md").read_text()),
        "thousands of seeds take minutes; tests/simulation tries some, and the command",
    ),
    **dict.fromkeys(
        BLOCK_OF_SH.findall((CHECKOUT / "docs" / "ray.md").read_text()),
        "it needs Ray, which is an extra; tests/on_ray runs such commands",
    ),
    **dict.fromkeys(
        BLOCK_OF_SH.findall((CHECKOUT / "docs" / "reliability.md").read_text()),
        "minutes of chaos; test_chaos has some seconds of it",
    ),
    **dict.fromkeys(
        BLOCK_OF_SH.findall((CHECKOUT / "docs" / "security.md").read_text())[-1:],
        "a million frames; test_fuzz has some thousands",
    ),
}


def blocks(language: str) -> list[str]:
    """Return all blocks of a language in the documents."""
    found = [block for path in DOCUMENTS for block in BLOCK.findall(path.read_text())]
    return [text for its_language, text in found if its_language == language]


@pytest.fixture
def checkout(zmr: Zmr) -> Path:
    """Return a folder like a checkout in which `bin/setup` has been run, and does no more."""
    folder = zmr.folder / "checkout"
    shutil.copytree(CHECKOUT / "bin", folder / "bin")
    shutil.copytree(CHECKOUT / "input", folder / "input")
    (folder / "zmr").symlink_to(CHECKOUT / "zmr")
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = shlex.quote(sys.executable)
    for name, line in {
        "bin/setup": "exit 0",
        ".venv/bin/python": f'exec {python} "$@"',
        ".venv/bin/zmr": f'exec {python} -m zmr "$@"',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def words(checkout: Path) -> list[str]:
    return [word for path in (checkout / "input").iterdir() for word in path.read_text().split()]


def pairs(text: str) -> list[tuple[str, str]]:
    """Return the keys and values of output text."""
    return [(key, value) for key, _, value in (line.partition("\t") for line in text.splitlines())]


def is_sorted(text: str) -> bool:
    keys = [key for key, _ in pairs(text)]
    return keys == sorted(keys)


def test_every_block_is_run_or_says_why_not() -> None:
    assert set(blocks("sh")) == {
        SETUP,
        LONGEST,
        REPLAY,
        TOP_WORDS,
        CLUSTER,
        OTHER_MACHINES,
        *NOT_RUN,
    }


def test_every_job_of_the_documents_for_users_is_run() -> None:
    # Each of these is run below, and its result checked.
    classes = [re.findall(r"^class (\w+)\(", block, re.M) for block in python_blocks()]
    last_classes = [names[-1] for names in classes if names]
    assert sorted(last_classes) == sorted(
        [
            "Longest",
            "TopWords",
            "Squares",
            "LongestWords",
            "Statuses",
            "Spent",
            "Visits",
            "Totals",
            "Known",
            "Half",
        ]
    )


def test_the_first_command(zmr: Zmr, checkout: Path) -> None:
    ended = zmr.run(program=("sh", "-c", SETUP), cwd=checkout)
    assert ended.status == 0, ended.stderr
    counts = pairs(ended.stdout)
    assert {word: int(n) for word, n in counts} == Counter(words(checkout))
    assert len(counts) == len(set(counts))


def test_a_job_of_your_own(zmr: Zmr, checkout: Path) -> None:
    (job,) = (block for block in blocks("python") if "class Longest(" in block)
    (checkout / "longest.py").write_text(job)

    ended = zmr.run(program=("sh", "-c", LONGEST), cwd=checkout)

    assert ended.status == 0, ended.stderr
    files = sorted((checkout / "longest").glob("mr-out-*"))
    assert [path.name for path in files] == ["mr-out-0", "mr-out-1"]
    longest: dict[str, str] = {}
    for word in sorted(words(checkout), key=lambda word: (len(word), word)):
        longest[word[0].lower()] = word
    texts = [path.read_text() for path in files]
    assert sorted(pairs("".join(texts))) == sorted(longest.items())
    assert all(is_sorted(text) for text in texts)


def test_when_it_goes_wrong(zmr: Zmr, checkout: Path) -> None:
    # Given the same job, which fails on a word of the first file
    (job,) = (block for block in blocks("python") if "class Longest(" in block)
    first, *others = sorted((checkout / "input").iterdir())
    known = {word for path in others for word in path.read_text().split()}
    bad = next(word for word in first.read_text().split() if word not in known)
    place = "            yield word[0].lower()"
    broken = job.replace(place, f"            assert word != {bad!r}\n{place}")
    (checkout / "longest.py").write_text(broken)
    failed = zmr.run(program=("sh", "-c", LONGEST), cwd=checkout)
    assert failed.status == 1

    # When its task is replayed, then it fails again; and when it is mended, it passes
    again = zmr.run(program=("sh", "-c", REPLAY), cwd=checkout)
    assert again.status == 1
    assert "AssertionError" in again.stderr
    assert "(Pdb)" in again.stdout
    (checkout / "longest.py").write_text(job)
    assert zmr.run(program=("sh", "-c", REPLAY), cwd=checkout).status == 0


def test_more_than_one_step(zmr: Zmr, checkout: Path) -> None:
    (pipeline,) = (block for block in blocks("python") if "class TopWords" in block)
    (checkout / "topwords.py").write_text(pipeline)
    ended = zmr.run(program=("sh", "-c", TOP_WORDS), cwd=checkout)
    assert ended.status == 0, ended.stderr
    most = sorted(Counter(words(checkout)).items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    assert pairs(ended.stdout) == [(word, str(n)) for word, n in most]


def test_the_three_longest(zmr: Zmr, checkout: Path) -> None:
    (job,) = (block for block in blocks("python") if "class LongestWords(" in block)
    (checkout / "longest.py").write_text(job)
    ended = zmr.run("run", "longest.py", "input/", cwd=checkout)
    assert ended.status == 0, ended.stderr
    by_letter: dict[str, list[tuple[int, str]]] = {}
    for word in words(checkout):
        by_letter.setdefault(word[0].lower(), []).append((len(word), word))
    longest = {
        letter: [list(pair) for pair in sorted(found, reverse=True)[:3]]
        for letter, found in by_letter.items()
    }
    assert {key: json.loads(value) for key, value in pairs(ended.stdout)} == longest


def test_a_job_on_batches(zmr: Zmr, checkout: Path) -> None:
    (job,) = (block for block in blocks("python") if "class Statuses(" in block)
    (checkout / "statuses.py").write_text(job)
    lines = [json.dumps({"path": f"/{n}", "status": (200, 404)[n % 3 == 0]}) for n in range(10)]
    (checkout / "log").write_text("\n".join([*lines, json.dumps({"path": "unknown"})]))
    ended = zmr.run("run", "statuses.py", "log", cwd=checkout)
    assert ended.status == 0, ended.stderr
    assert sorted(pairs(ended.stdout)) == [("200", "6"), ("404", "4")]


def test_a_join_of_two_inputs(zmr: Zmr, checkout: Path) -> None:
    (job,) = (block for block in blocks("python") if "class Spent(" in block)
    (line,) = (block for block in blocks("text") if block.startswith("zmr run spent.py"))
    (checkout / "spent.py").write_text(job)
    (checkout / "customers.csv").write_text("id,name\n1,Ada\n2,Bob\n3,Cid\n")
    (checkout / "orders").mkdir()
    for customer, total in ((1, 5), (2, 7), (1, 2)):
        row = json.dumps({"customer": customer, "total": total})
        (checkout / "orders" / f"{total}.jsonl").write_text(row + "\n")
    for engine in ("local", "inline"):
        line = f".venv/bin/{line.strip()} --overwrite --engine {engine}\n"
        ended = zmr.run(program=("sh", "-c", line), cwd=checkout)
        assert ended.status == 0, ended.stderr
        files = sorted((checkout / "spent").glob("mr-out-*"))
        found = sorted(pairs("".join(path.read_text() for path in files)))
        assert found == [("Ada", "7"), ("Bob", "7"), ("Cid", "0")]
        line = line.removeprefix(".venv/bin/").partition(" --overwrite")[0]


def test_visits_by_the_order_of_time(zmr: Zmr, checkout: Path) -> None:
    (job,) = (block for block in blocks("python") if "class Visits(" in block)
    (checkout / "visits.py").write_text(job)
    (checkout / "log").write_text("a 5000\nb 10\na 100\na 4000\nb 20\na 1500\n")
    ended = zmr.run("run", "visits.py", "log", cwd=checkout)
    assert ended.status == 0, ended.stderr
    assert sorted(pairs(ended.stdout)) == [("a", "2"), ("b", "1")]


def test_what_is_counted_in_a_dict_of_the_task(zmr: Zmr, checkout: Path) -> None:
    (job,) = (block for block in blocks("python") if "class Totals(" in block)
    (checkout / "totals.py").write_text(job)
    for engine in ("local", "inline"):
        ended = zmr.run("run", "totals.py", "input/", "--engine", engine, cwd=checkout)
        assert ended.status == 0, ended.stderr
        counts = dict(pairs(ended.stdout))
        n_lines = sum(len(path.read_text().splitlines()) for path in (checkout / "input").iterdir())
        assert int(counts.pop("(lines)")) == n_lines
        assert {word: int(n) for word, n in counts.items()} == Counter(words(checkout))


def test_a_table_that_is_made_once_in_each_process(zmr: Zmr, checkout: Path) -> None:
    (job,) = (block for block in blocks("python") if "class Known(" in block)
    (checkout / "known.py").write_text(job)
    (checkout / "list").write_text("b\nc d\n")
    for number in range(4):
        (checkout / f"text{number}").write_text("a b c\nb\n")
    ended = zmr.run("run", "known.py", "text*", "-p", "words_file=list", "-j", "2", cwd=checkout)
    assert ended.status == 0, ended.stderr
    assert sorted(pairs(ended.stdout)) == [("b", "8"), ("c", "4")]


def test_jobs_from_python(zmr: Zmr, checkout: Path) -> None:
    (squares,) = (block for block in blocks("python") if "class Squares(" in block)
    (half,) = (block for block in blocks("python") if "class Half(" in block)
    (checkout / "squares.py").write_text(
        f"{squares}print(table.num_rows, sum(table['value']\n    .to_pylist()))\n"
    )
    (checkout / "half.py").write_text(half)
    python = checkout / ".venv" / "bin" / "python"
    done = zmr.run("squares.py", program=(str(python),), cwd=checkout)
    assert done.status == 0, done.stderr
    n_the = Counter(words(checkout))["the"]
    assert done.stdout == f"{n_the} {{}}\n10 {sum(n * n for n in range(1000))}\n"
    done = zmr.run("half.py", program=(str(python),), cwd=checkout)
    assert done.stdout == f"[(0, {sum(range(1024))})]\n", done.stderr


def test_a_test_of_a_job() -> None:
    (block,) = (block for block in blocks("python") if "def test_words(" in block)
    scope: dict[str, Any] = {}
    exec(block, scope)
    scope["test_words"]()


def test_a_cluster(zmr: Zmr, checkout: Path) -> None:
    with reserved_port() as port:
        lines = CLUSTER.replace("5555", str(port)).splitlines()
        # Given the three commands, the master's last
        tail, worker, master = (
            zmr.start(program=("sh", "-c", line), cwd=checkout) for line in reversed(lines)
        )
        # Then all end well, and the words are counted
        assert [command.wait() for command in (master, worker, tail)] == [0, 0, 0]
    files = sorted((checkout / "counts").glob("mr-out-*"))
    assert len(files) == 4
    counts = pairs("".join(path.read_text() for path in files))
    assert {word: int(n) for word, n in counts} == Counter(words(checkout))
    assert re.search(r"job wordcount-\w+: done\n", tail.stdout)


def test_a_worker_on_another_machine(zmr: Zmr, checkout: Path, tmp_path: Path) -> None:
    with reserved_port() as port:
        lines = OTHER_MACHINES.replace("5555", str(port)).splitlines()
        # By `exec`, the signal is for the master and not for the shell.
        master = zmr.start(program=("sh", "-c", f"exec {lines[0]}"), cwd=checkout)
        master.wait_for("listening at")
        printed = zmr.run(program=("sh", "-c", lines[1]), cwd=checkout)
        assert printed.status == 0, printed.stderr
        there = (
            lines[2].replace("KEY b", f"{printed.stdout.strip()} b").replace("HERE", "127.0.0.1")
        )
        elsewhere = {"ZMR_HOME": str(tmp_path / "elsewhere")}
        worker = zmr.start(program=("sh", "-c", there), cwd=checkout, env=elsewhere)
        worker.wait_for("registered with the master")
        master.send(signal.SIGTERM)
        assert master.wait() == 128 + signal.SIGTERM
        assert worker.wait() == 0
