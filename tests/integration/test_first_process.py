"""A worker as the first process of a container, where nobody else reaps what has ended."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import Zmr
from support.process import ZMR

# Leaves two processes behind, one in a session of its own, and waits until nothing is left of them.
JOB = '''
import os, time
from pathlib import Path
import zmr


def named(text):
    """How many processes there are with that in their status."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            found += text in status.read_text()
        except OSError:
            pass
    return found


class Leaves(zmr.Job):
    def map(self, line):
        os.system("sleep 2 & setsid sleep 2 &")
        most, deadline = 0, time.monotonic() + 20
        while time.monotonic() < deadline:
            n = named("Name:\\tsleep")
            most = max(most, n)
            if most == 2 and not n:
                break
            time.sleep(0.01)
        yield f"{most} began", named("State:\\tZ")
'''


@pytest.fixture
def as_process_1() -> list[str]:
    """How to start zmr as process 1; skips where that can't be."""
    program = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    tried = subprocess.run([*program, "true"], capture_output=True)
    if os.geteuid() or tried.returncode:
        pytest.skip("process namespaces can't be made here")
    return [*program, *map(str, ZMR)]


def test_what_user_code_leaves_behind_is_reaped(
    zmr: Zmr, tmp_path: Path, as_process_1: list[str]
) -> None:
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "in.txt").write_text("x\n")
    master = zmr.start(
        *("master", "--port", "0", "--job", "job.py", "in.txt", "-o", "out", "-r", "1")
    )
    address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    worker = zmr.start("worker", address, "-j", "1", program=as_process_1)
    assert (master.wait(), worker.wait()) == (0, 0), (master, worker)
    assert (tmp_path / "out" / "mr-out-0").read_text() == "2 began\t0\n"
