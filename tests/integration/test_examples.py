"""The examples, each against a few lines of plain Python."""

from __future__ import annotations

import csv
import importlib
import json
import math
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from support import CHECKOUT

import zmr

EXAMPLES = CHECKOUT / "examples"
ENGINES = pytest.mark.parametrize("engine", ["local", "inline"])


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def test_the_table_names_each_example() -> None:
    text = (EXAMPLES / "README.md").read_text()
    files = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.ipynb")]
    assert {f"[{path.name}]" for path in files} == {
        f"[{line.split('[')[1].split(']')[0]}]" for line in text.splitlines() if line[:3] == "| ["
    }


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, list[tuple[int, str, int | None]]]:
    """Give the log of a server, and what stands in it: hour, path, size."""
    rng = Random(5)
    rows: list[tuple[int, str, int | None]] = [
        (rng.randrange(24), f"/{int(rng.paretovariate(0.7)) % 60}", rng.choice([None, n, n * n]))
        for n in range(2000)
    ]
    path = tmp_path / "access.log"
    lines = [
        f'10.0.0.{n % 9} - - [01/Jan/2026:{hour:02}:00:00 +0000] "GET {page} HTTP/1.1" 200 '
        f"{'-' if size is None else size}"
        for n, (hour, page, size) in enumerate(rows)
    ]
    path.write_text("\n".join([*lines, "nonsense"]) + "\n")
    return path, rows


@ENGINES
def test_access_log(log: tuple[Path, list[tuple[int, str, int | None]]], engine: Any) -> None:
    path, rows = log
    jobs = load("access_log")
    by_hour = zmr.run(jobs.ByHour, path, engine=engine)
    assert dict(by_hour) == Counter(hour for hour, _, _ in rows)
    assert by_hour.counters == {"lines that are no requests": 1}
    counts = Counter(page for _, page, _ in rows)
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:20]
    assert list(zmr.run(jobs.Commonest, path, engine=engine)) == most
    sizes: dict[str, list[int]] = {}
    for _, page, size in rows:
        if size is not None:
            sizes.setdefault(page, []).append(size)
    largest = {page: sorted(found, reverse=True)[:3] for page, found in sizes.items()}
    assert dict(zmr.run(jobs.Largest, path, engine=engine)) == largest
    found = dict(zmr.run(jobs.Percentile, path, engine=engine))
    assert found.keys() == sizes.keys()
    for page, size in found.items():
        assert sum(each <= size for each in sizes[page]) >= 0.95 * len(sizes[page])
        assert sum(each < size for each in sizes[page]) < 0.95 * len(sizes[page])


@ENGINES
@pytest.mark.parametrize("outer", [False, True])
def test_join(tmp_path: Path, outer: bool, engine: Any) -> None:
    names = {n: f"name {n}" for n in range(0, 30, 2)}
    orders = [(n % 40, n) for n in range(1, 200, 3)]
    with open(tmp_path / "c.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "name"), *names.items()])
    (tmp_path / "o.jsonl").write_text(
        "".join(json.dumps({"customer": who, "total": total}) + "\n" for who, total in orders)
    )
    given = {"customers": str(tmp_path / "c.csv"), "orders": str(tmp_path / "o.jsonl")}
    spent: Counter[int] = Counter()
    for who, total in orders:
        spent[who] += total
    all_of = names.keys() | spent.keys() if outer else names.keys() & spent.keys()
    expected = {who: {"name": names.get(who), "spent": spent[who]} for who in all_of}
    assert dict(zmr.run(load("join").Spent(outer=outer), given, engine=engine)) == expected


@ENGINES
def test_sessions(tmp_path: Path, engine: Any) -> None:
    rng = Random(2)
    rows = [(f"u{rng.randrange(20)}", rng.randrange(200_000), f"/{n}") for n in range(1500)]
    with open(tmp_path / "visits.csv", "w", newline="") as file:
        csv.writer(file).writerows([("user", "time", "page"), *rows])
    expected: list[tuple[str, tuple[int, int, int]]] = []
    for user in sorted({user for user, _, _ in rows}):
        times = sorted(time for its, time, _ in rows if its == user)
        gaps = [n for n in range(1, len(times)) if times[n] - times[n - 1] > 1800]
        for start, end in zip([0, *gaps], [*gaps, len(times)], strict=True):
            of_session = times[start:end]
            length = of_session[-1] - of_session[0]
            expected.append((user, (of_session[0], length, len(of_session))))
    found = zmr.run(load("sessions").Sessions, tmp_path / "visits.csv", engine=engine)
    assert sorted(found) == expected


def test_sessions_of_one_user_in_bounded_memory(tmp_path: Path) -> None:
    n_sessions, n_pages = 110_000, 6
    generator = np.random.default_rng(4)
    begins = np.arange(n_sessions)[:, None] * 10_000
    times = (begins + np.sort(generator.integers(0, 1_500, (n_sessions, n_pages)))).ravel()
    generator.shuffle(times)
    users = np.where(times % 3 > 0, "busy", "quiet")
    table = pa.table({"user": users, "time": times, "page": [f"/{n}" for n in range(len(times))]})
    pyarrow.csv.write_csv(table, tmp_path / "visits.csv")
    expected = []
    for user in ("busy", "quiet"):
        own = np.sort(times[users == user])
        first = np.flatnonzero(np.diff(own, prepend=-(10**6)) > 1800)
        last = np.append(first[1:], len(own)) - 1
        expected += [
            (user, (int(own[a]), int(own[b] - own[a]), int(b - a + 1)))
            for a, b in zip(first, last, strict=True)
        ]
    assert len(expected) > n_sessions
    job = load("sessions").Sessions
    found = zmr.run(job, tmp_path / "visits.csv", memory="64M", slots=1, reducers=1)
    assert list(found) == expected
    # And reduce holds no more of them than one session.
    of_user = [pair for pair in expected if pair[0] == "busy"]
    own = np.sort(times[users == "busy"])
    tracemalloc.start()
    try:
        for one, other in zip(job().reduce("busy", map(int, own)), of_user, strict=True):
            assert one == other
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@ENGINES
def test_balances(tmp_path: Path, engine: Any) -> None:
    rng = Random(3)
    times = rng.sample(range(10_000), 800)
    rows = [(f"a{rng.randrange(12)}", time, rng.randrange(-90, 100)) for time in times]
    with open(tmp_path / "bookings.csv", "w", newline="") as file:
        csv.writer(file).writerows([("account", "time", "amount"), *rows])
    expected: dict[str, tuple[int, int]] = {}
    for account, _, amount in sorted(rows, key=lambda row: row[1]):
        lowest, last = expected.get(account, (0, 0))
        expected[account] = min(lowest, last + amount), last + amount
    found = zmr.run(load("balances").Lowest, tmp_path / "bookings.csv", engine=engine)
    assert dict(found) == expected
    assert any(lowest < min(0, last) for lowest, last in expected.values())


@ENGINES
@pytest.mark.parametrize("outer", [False, True])
def test_broadcast_join(tmp_path: Path, outer: bool, engine: Any) -> None:
    cities = {n: f"city {n % 4}" for n in range(0, 30, 2)}
    with open(tmp_path / "c.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "city"), *cities.items()])
    orders = [(n % 40, n) for n in range(1, 200, 3)]
    (tmp_path / "o.jsonl").write_text(
        "".join(json.dumps({"customer": who, "total": total}) + "\n" for who, total in orders)
    )
    expected: Counter[str] = Counter()
    for who, total in orders:
        if who in cities or outer:
            expected[cities.get(who, "(unknown)")] += total
    job = load("broadcast_join").SpentByCity(customers=str(tmp_path / "c.csv"), outer=outer)
    assert dict(zmr.run(job, tmp_path / "o.jsonl", engine=engine)) == expected


def written_texts(folder: Path) -> dict[str, str]:
    """Write a few documents. Returns them by their names."""
    rng = Random(12)
    texts = {}
    folder.mkdir()
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        words = [f"w{int(rng.paretovariate(0.6)) % 300}" for _ in range(400)]
        breaks = [rng.choice([" ", " ", ", ", "\n", "\r\n", "\n\n"]) for _ in words]
        texts[name] = "".join(map("".join, zip(words, breaks, strict=True))) + f"only_{name[0]}"
        (folder / name).write_bytes(texts[name].encode())
    return texts


@ENGINES
def test_inverted_index(tmp_path: Path, engine: Any) -> None:
    expected: dict[str, list[tuple[str, int]]] = {}
    for name, text in written_texts(tmp_path / "texts").items():
        for number, line in enumerate(text.split("\n"), 1):
            for word in sorted(set(line.replace(",", " ").split())):
                expected.setdefault(word, []).append((name, number))
    found = zmr.run(load("inverted_index").InvertedIndex, tmp_path / "texts", engine=engine)
    assert dict(found) == expected
    assert max(number for places in expected.values() for _, number in places) > 100


@ENGINES
def test_tf_idf(tmp_path: Path, engine: Any) -> None:
    texts = {
        name: text.replace(",", " ").split() for name, text in written_texts(tmp_path / "t").items()
    }
    expected = {}
    for name, words in texts.items():
        scores = {
            word: words.count(word)
            / len(words)
            * math.log(len(texts) / sum(word in each for each in texts.values()))
            for word in set(words)
        }
        expected[name] = sorted(((score, word) for word, score in scores.items()), reverse=True)[:3]
    found = zmr.run(load("tf_idf").TfIdf, tmp_path / "t", engine=engine)
    assert dict(found) == expected
    assert found.counters == {"documents": 4}


@ENGINES
def test_by_folder(tmp_path: Path, engine: Any) -> None:
    rng = Random(8)
    sums: Counter[str] = Counter()
    for number in range(30):
        folder = tmp_path / "sales" / f"country={['NL', 'BE', 'DE'][number % 3]}"
        folder.mkdir(parents=True, exist_ok=True)
        amounts = [rng.randrange(1000) for _ in range(number % 4)]
        (folder / f"{number}.csv").write_text("".join(f"{n}\n" for n in ["amount", *amounts]))
        sums[folder.name] += sum(amounts)
    found = zmr.run(load("by_folder").ByFolder, tmp_path / "sales", engine=engine)
    assert dict(found) == sums


@ENGINES
def test_numbers_descending_and_a_sample(tmp_path: Path, engine: Any) -> None:
    rng = Random(4)
    lines = [f"{rng.gauss(0, 1000):.3f} line {n}" for n in range(3000)]
    path = tmp_path / "numbers.txt"
    path.write_text("\n".join(lines) + "\n")
    found = zmr.run(load("sort_numbers").Descending, path, engine=engine, reducers=3)
    assert [line for _, line in found] == sorted(lines, key=lambda line: -float(line.split()[0]))
    sample = load("sample").Sample
    one = [line for line, _ in zmr.run(sample(size=50), path, engine=engine)]
    other = [line for line, _ in zmr.run(sample(size=50, seed=1), path, engine=engine)]
    for drawn in (one, other):
        assert len(set(drawn)) == 50
        assert set(drawn) <= set(lines)
    assert one != other
    assert one == [line for line, _ in zmr.run(sample(size=50), path)]


def test_k_means() -> None:
    rng = Random(1)
    points = [(rng.gauss(10 * (n % 3), 1), rng.gauss(5 * (n % 3), 1)) for n in range(600)]
    table = pa.table({"x": [x for x, _ in points], "y": [y for _, y in points]})
    found = load("kmeans").k_means(table, 3)
    array, centres = np.array(points), np.array(points[:3])
    for _ in range(100):
        nearest = ((array[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.array([array[nearest == n].mean(axis=0) for n in range(3)])
    assert np.allclose(found, centres)


def test_page_rank() -> None:
    rng = Random(6)
    links = [(f"p{n}", f"p{rng.randrange(40)}") for n in range(40) for _ in range(3)]
    found = load("pagerank").page_rank(links, 40, steps=15)
    targets = {n: sorted({t for s, t in links if s == n}) for n in {s for s, _ in links}}
    ranks = dict.fromkeys(targets, 1 / 40)
    for _ in range(15):
        given = dict.fromkeys(targets, 0.0)
        for page, rank in ranks.items():
            for target in targets[page]:
                given[target] += rank / len(targets[page])
        ranks = {page: 0.15 / 40 + 0.85 * rank for page, rank in given.items()}
    assert found.keys() == ranks.keys()
    assert all(abs(found[page] - rank) < 1e-12 for page, rank in ranks.items())
    assert abs(sum(found.values()) - 1) < 1e-9


def test_scripts(tmp_path: Path) -> None:
    rng = Random(9)
    lines = [f"line {rng.randrange(50)}" for _ in range(400)]
    (tmp_path / "text").write_text("\n".join(lines) + "\n")
    (tmp_path / "empty").write_text("nothing\n")

    def output(*args: str) -> str:
        command = [sys.executable, str(EXAMPLES / args[0]), *args[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert output("deduplicate.py", "text").splitlines() == list(dict.fromkeys(lines))
    path, found = eval(output("first_match.py", "^line 7$", "empty", "text"))
    assert (path, set(found)) == ("text", {"line 7"})
    assert len(output("kmeans.py").splitlines()) == 3
    assert output("pagerank.py").split()[1] == "home"


def test_tests_of_a_job(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sessions.py"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(EXAMPLES), *sys.path])}
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(EXAMPLES)],
        cwd=EXAMPLES, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = pytest.importorskip("nbformat").read(EXAMPLES / "notebook.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    done = client.execute()
    shown = [
        eval(output["data"]["text/plain"])
        for cell in done["cells"]
        for output in cell.get("outputs", [])
        if output["output_type"] == "execute_result"
    ]
    sums: Counter[int] = Counter()
    for n in range(100_000):
        sums[n % 10] += n * n
    assert dict(zip(shown[0]["key"], shown[0]["value"], strict=True)) == sums
    rounds, halved = 0, dict(sums)
    while max(halved.values()) > 1000:
        rounds, halved = rounds + 1, {key: value // 2 for key, value in halved.items()}
    assert shown[1:] == [(rounds, sorted(halved.items()))]
