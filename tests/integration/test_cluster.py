"""The whole of it, as the README starts it: real text, counted on one machine and on a cluster."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from support import CHECKOUT, Command, Zmr
from support.process import Argument

from zmr import read

BIN = CHECKOUT / "bin"
LIBRARY = Path(sysconfig.get_path("stdlib"))

# A part of the standard library that is quickly counted, in which the usual words are frequent.
PACKAGES = ("asyncio", "email", "http", "json", "logging")


@pytest.fixture(scope="module")
def sources() -> list[Path]:
    """Return almost a hundred files of Python."""
    return sorted(path for name in PACKAGES for path in (LIBRARY / name).rglob("*.py"))


@pytest.fixture(scope="module")
def words(sources: list[Path]) -> dict[str, int]:
    """Return how often each word occurs in them, as one plain `Counter` has it."""
    counter: Counter[str] = Counter()
    for path in sources:
        counter.update(path.read_text(encoding="utf-8", errors="replace").split())
    assert len(counter) > 10_000
    return dict(counter)


def start(zmr: Zmr, program: str, *args: Argument) -> Command:
    """Start a program of bin/, with the Python that runs the tests where there is no .venv."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return zmr.start(*args, program=[BIN / program], env={"PATH": path})


def counted(folder: Path) -> dict[str, int]:
    pairs = list(read(folder))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_zmr_run_counts_the_words_of_the_library(
    zmr: Zmr, sources: list[Path], words: dict[str, int], tmp_path: Path
) -> None:
    ended = zmr.run("run", "wordcount", *sources, "-o", tmp_path / "out", "-r", "4")
    assert ended.status == 0, ended.stderr
    assert counted(tmp_path / "out") == words


def test_a_cluster_counts_the_words_of_the_library_and_tail_tells(
    zmr: Zmr, sources: list[Path], words: dict[str, int], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    master = start(
        zmr, "master", "--port", "0", "--job", "wordcount", *sources, "-o", out, "-r", "4"
    )
    address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    tail = start(zmr, "tail", address, "--from-start")
    workers = [start(zmr, "worker", address) for _ in range(3)]
    assert [process.wait() for process in (master, tail, *workers)] == [0] * 5
    assert counted(out) == words
    assert phases(tail.stdout.splitlines()) == ["queued", "map", "reduce", "done"]
    assert tail.stdout.count(": succeeded") == len(list(out.glob("mr-out-*"))) + n_maps(master)


def phases(lines: Iterable[str]) -> list[str]:
    """Return the states of the job that tail has told, in order."""
    return [line.split(": ")[1].split(" ")[0] for line in lines if " job " in line]


def n_maps(master: Command) -> int:
    return int(master.wait_for(r"wordcount: (\d+) map tasks")[1])
