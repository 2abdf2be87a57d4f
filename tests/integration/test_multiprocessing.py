"""A job whose code starts processes of its own, in each way that Python has."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from support import Zmr

JOB = """
import multiprocessing
import zmr


def square(n):
    return n * n


class Squares(zmr.Job):
    method: str

    def map(self, line):
        with multiprocessing.get_context(self.method).Pool(2) as pool:
            for n in pool.map(square, [int(word) for word in line.split()]):
                yield n, 1

    reduce = zmr.Sum()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes_in_map(zmr: Zmr, tmp_path: Path, method: str) -> None:
    (tmp_path / "squäres.py").write_text(JOB)
    (tmp_path / "in.txt").write_text("1 2 3 3\n")
    with tempfile.TemporaryDirectory() as short:  # Python's own socket has a path there
        ran = zmr.run(
            *("run", "squäres.py", "in.txt", "-p", f"method={method}", "-r", "1"),
            env={"TMPDIR": short},
        )
    assert (ran.status, ran.stdout) == (0, "1\t1\n4\t1\n9\t2\n"), ran.stderr
