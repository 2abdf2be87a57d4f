"""Nodes and processes of a Ray cluster are killed on the way: the bytes are the same."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest
from support import Zmr
from support.cluster import output_of
from support.orders import JOBS, Orders
from support.ray_cluster import RayNodes, held_process, manifest

pytest.importorskip("ray", reason="Ray is not installed: tox -e ray")

N_FILES = 6
N_REDUCE = "3"


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Return a folder of files with words that take more room than what Ray keeps in messages."""
    folder = tmp_path / "words"
    folder.mkdir()
    source = random.Random(1)
    for number in range(N_FILES):
        names = (f"{source.randrange(1 << 40):010x}" for _ in range(12_000))
        (folder / f"text{number}.txt").write_text(" ".join(names))
    return folder


@pytest.mark.parametrize("job", ["Obedient", "ObedientSort"])
@pytest.mark.parametrize("fault", ["map", "shuffle", "reduce"])
def test_a_node_is_killed(
    zmr: Zmr, ray_nodes: RayNodes, tmp_path: Path, words: Path, job: str, fault: str
) -> None:
    ray_nodes.repair()
    orders = Orders(tmp_path / "orders")
    what = (f"{JOBS / 'obedient.py'}:{job}", words, "-p", f"orders={orders.folder}", "-r", N_REDUCE)
    ended = zmr.run("run", *what, "--engine", "inline", "-o", "expected")
    assert ended.status == 0, ended.stderr
    orders.hold("map text4.txt" if fault == "map" else "reduce")

    command = ray_nodes.run(zmr, *what, "-o", "out")
    pid = held_process(zmr.folder / "out", command)
    if fault == "shuffle":  # of a node with map outputs that other reduces have yet to read
        ray_nodes.kill_another_node(pid)
    else:
        ray_nodes.kill_node_of(pid)
    orders.go_on()

    ended = command.finish()
    assert ended.status == 0, ended.stderr
    assert output_of(zmr.folder / "out") == output_of(zmr.folder / "expected")
    assert manifest(zmr.folder / "out") == manifest(zmr.folder / "expected")
    assert list((zmr.folder / "out").glob(".zmr-*")) == []


def test_a_worker_process_is_killed(
    zmr: Zmr, ray_nodes: RayNodes, tmp_path: Path, words: Path
) -> None:
    ray_nodes.repair()
    orders = Orders(tmp_path / "orders")
    orders.hold("map text1.txt")
    what = (*orders.job[:1], words, *orders.job[1:], "-r", N_REDUCE)
    local = zmr.temporary / "local"
    command = ray_nodes.run(zmr, *what, "-o", "out", "--local-dir", local)
    os.kill(held_process(zmr.folder / "out", command), signal.SIGKILL)
    orders.go_on()

    ended = command.finish()
    assert ended.status == 0, ended.stderr
    assert zmr.run("run", *what, "--engine", "inline", "-o", "expected").status == 0
    assert output_of(zmr.folder / "out") == output_of(zmr.folder / "expected")
    assert list(local.iterdir()) == []
