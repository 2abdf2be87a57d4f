"""What the MapReduce lab of MIT's distributed systems course asks of an implementation.

The questions are the lab's, the tests our own: real processes, no clock, and for an answer the
output of the sequential run.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Zmr, write_corpus
from support.cluster import LOST_AFTER_S, Cluster, first_to_end, output_of
from support.orders import JOBS, Orders
from support.process import WAIT_S, zmr_processes

from zmr.messages import TaskKind

MIT = JOBS / "mit.py"


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a master that serves jobs, with two workers of one slot each."""
    with zmr_processes(tmp_path_factory.mktemp("two-workers")) as zmr:
        cluster = Cluster(zmr)
        cluster.start_master()
        cluster.start_workers(2)
        cluster.master.wait_for("registered, with 1 slot", count=2)
        yield cluster
        cluster.stop()


def run(cluster: Cluster, out: Path, *args: str | Path) -> dict[str, bytes]:
    """Run a job to its end; return its output."""
    submitted = cluster.submit("-o", out, *args).finish()
    assert submitted.status == 0, submitted.stderr
    return output_of(out)


@pytest.mark.parametrize("job", ["wordcount", "index"])
def test_the_output_is_that_of_the_sequential_run(
    job: str, two_workers: Cluster, zmr: Zmr, texts: Path, tmp_path: Path
) -> None:
    inline = zmr.start(
        "run", job, texts, "-o", tmp_path / "inline", "-r", "3", "--engine", "inline"
    )
    outputs = run(two_workers, tmp_path / "out", job, texts, "-r", "3")
    assert inline.wait() == 0
    assert outputs == output_of(tmp_path / "inline")
    assert sum(map(len, outputs.values())) > 1000


@pytest.mark.parametrize("in_map", [True, False])
def test_two_workers_run_two_tasks_at_once(
    in_map: bool, two_workers: Cluster, texts: Path, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    two_texts = (texts / "text0.txt", texts / "text1.txt")
    params = {"folder": marks, "n": 2, "in_map": in_map}
    outputs = run(
        two_workers,
        tmp_path / "out",
        f"{MIT}:AtOnce",
        *two_texts,
        *(part for name, value in params.items() for part in ("-p", f"{name}={value}")),
        "-r",
        "2",
    )
    # Each of the two saw the other before it was done.
    assert outputs == {"mr-out-0": b"0\t2\n", "mr-out-1": b"1\t2\n"}


def test_without_failures_every_task_runs_exactly_once(
    two_workers: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes], tmp_path: Path
) -> None:
    orders.go_on()
    assert run(two_workers, tmp_path / "out", *orders.job, texts, "-r", "3") == counts
    words = {
        line.split(b"\t")[0].decode() for text in counts.values() for line in text.splitlines()
    }
    once = [f"map text{n}.txt" for n in range(5)] + [f"reduce {word}" for word in words]
    assert orders.calls == Counter(once)


def test_no_process_ends_before_the_output_is_complete(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes], tmp_path: Path
) -> None:
    # Given two workers of which one has nothing to do any more, while one is at the last reduce
    out = tmp_path / "out"
    orders.hold("reduce")
    cluster.start_master("--job", *orders.job, texts, "-o", out, "-r", "3")
    workers = cluster.start_workers(2)
    cluster.wait_for_tasks(TaskKind.REDUCE, "succeeded", 2)
    everyone = [cluster.master, *workers]
    assert all(process.running for process in everyone)
    assert not (out / "_SUCCESS").exists()

    # When it is done with that, and the first of all processes ends
    orders.go_on()
    first_to_end(everyone, WAIT_S)

    # Then the output is complete
    assert output_of(out) == counts
    files = json.loads((out / "_SUCCESS").read_text())["files"]
    assert [file["name"] for file in files] == sorted(counts)
    cluster.end()


def test_the_output_is_right_although_slots_and_workers_die_at_random(
    cluster: Cluster, tmp_path: Path
) -> None:
    texts = write_corpus(tmp_path / "texts", files=12, lines=20)
    deaths = tmp_path / "deaths"
    for phase in ("map", "reduce"):
        (deaths / phase).mkdir(parents=True)
        (deaths / phase / "kill the worker").touch()
    out = tmp_path / "out"
    cluster.start_master(
        "--job", f"{MIT}:DiesAtRandom", texts, "-o", out, "-r", "4",
        "-p", f"folder={deaths}", "-p", "dawdle_s=0.9", "--task-timeout", "0.6",
        "--max-attempts", "1000", "--lost-after", str(LOST_AFTER_S),
    )  # fmt: skip
    workers = cluster.start_workers(3)
    assert cluster.master.wait() == 0
    assert sorted(worker.wait() for worker in workers) == [-signal.SIGKILL] * 2 + [0]
    words = " ".join(path.read_text() for path in texts.iterdir()).split()
    by_letter = Counter("abcd"[ord(word[0]) % 4] for word in words)
    assert output_of(out) == {
        f"mr-out-{ord(letter) % 4}": f"{letter}\t{n}\n".encode() for letter, n in by_letter.items()
    }
