"""`zmr run --engine ray` ends as on other engines: bad records, capsules, hangs, signals."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support import Zmr
from support.cluster import output_of
from support.orders import Orders
from support.ray_cluster import RayNodes, held_process

pytest.importorskip("ray", reason="Ray is not installed: tox -e ray")

ODD = """
import os, signal, time
from zmr import Job, Sum

class Odd(Job):
    reduce = Sum()
    seen: str

    def map(self, line):
        self.count("lines")
        if line == "raise":
            raise ValueError(line)
        if line == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if line == "hang" and self.is_first():
            while True:
                time.sleep(60)
        print("a line")
        yield line, 1

    def is_first(self):
        try:
            os.close(os.open(self.seen, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
"""


@pytest.fixture
def odd(zmr: Zmr, tmp_path: Path, ray_nodes: RayNodes) -> tuple[str, ...]:
    ray_nodes.repair()
    (zmr.folder / "odd.py").write_text(ODD)
    return "odd.py", "in", "-p", f"seen={tmp_path / 'seen'}", "-r", "2", "-o", "out"


def test_bad_records_are_left_out_also_those_that_kill(
    zmr: Zmr, ray_nodes: RayNodes, odd: tuple[str, ...]
) -> None:
    (zmr.folder / "in").write_text("a\nraise\nb\ndie\na\n")
    ended = ray_nodes.run(zmr, *odd, "--skip-bad-records", "2").finish()
    assert ended.status == 5, ended.stderr
    found = b"".join(path.read_bytes() for path in (zmr.folder / "out").glob("mr-out-*"))
    assert sorted(found.splitlines()) == [b"a\t2", b"b\t1"]
    rows = (zmr.folder / "out" / "_skipped" / "map-0.jsonl").read_text().splitlines()
    assert len(rows) == 2
    assert "in, line 2" in ended.stderr
    assert "line 4" in ended.stderr


def test_a_task_that_hangs_is_tried_again(
    zmr: Zmr, ray_nodes: RayNodes, odd: tuple[str, ...]
) -> None:
    (zmr.folder / "in").write_text("a\nhang\n")
    ended = ray_nodes.run(zmr, *odd, "--task-timeout", "1").finish()
    assert ended.status == 0, ended.stderr
    assert "no progress for 1 s (--task-timeout), at record 2 of its input" in ended.stderr
    assert b"hang\t1\n" in b"".join(output_of(zmr.folder / "out").values())


def test_an_error_ends_the_job_with_a_capsule_and_what_was_printed(
    zmr: Zmr, ray_nodes: RayNodes, odd: tuple[str, ...]
) -> None:
    (zmr.folder / "in").write_text("a\nraise\n")
    ended = ray_nodes.run(zmr, *odd).finish()
    assert ended.status == 1
    assert "failed twice with the same error" in ended.stderr
    assert "ValueError: raise" in ended.stderr
    assert ended.stderr.count("Traceback") == 1  # of the job's own code
    assert (zmr.folder / "out" / "_failed" / "map-0").is_dir()
    logs = list((zmr.folder / "out" / "_logs").iterdir())
    assert [path.read_text() for path in logs] == ["a line\n"] * 2
    replayed = zmr.run("replay", "out/_failed/map-0")
    assert "ValueError: raise" in replayed.stderr


def test_a_signal_ends_it_and_nothing_is_left(
    zmr: Zmr, ray_nodes: RayNodes, tmp_path: Path, corpus: Path
) -> None:
    ray_nodes.repair()
    orders = Orders(tmp_path / "orders")
    orders.hold("reduce")
    local = tmp_path / "local"
    what = (*orders.job[:1], corpus, *orders.job[1:], "-r", "2", "-o", "out")
    command = ray_nodes.run(zmr, *what, "--local-dir", local)
    pid = held_process(zmr.folder / "out", command)
    command.send(signal.SIGINT)
    ended = command.finish()
    assert ended.status == 128 + signal.SIGINT
    assert "cancelled: stopped by SIGINT" in ended.stderr
    assert not os.path.exists(f"/proc/{pid}")
    assert list(local.iterdir()) == []
    assert list((zmr.folder / "out").glob(".zmr-*")) == []
    assert not (zmr.folder / "out" / "_SUCCESS").exists()


def test_a_ray_of_its_own_prints_the_result(zmr: Zmr, ray_nodes: RayNodes, corpus: Path) -> None:
    # A short path, for Ray's sockets.
    env = {"RAY_TMPDIR": os.environ["RAY_TMPDIR"], "RAY_ADDRESS": ""}
    ended = zmr.run("run", "wordcount", corpus, "--engine", "ray", "-j", "1", "-q", env=env)
    assert (ended.status, ended.stderr) == (0, "")
    inline = zmr.run("run", "wordcount", corpus, "--engine", "inline", "-r", "1")
    assert ended.stdout == inline.stdout


def test_an_address_where_nothing_is(zmr: Zmr, corpus: Path) -> None:
    where = ("--engine", "ray", "--ray-address", "127.0.0.1:1")
    ended = zmr.run("run", "wordcount", corpus, "-o", "out", *where)
    assert ended.status == 4
    assert ended.stderr == "zmr: no Ray cluster at 127.0.0.1:1: Connection refused\n"
