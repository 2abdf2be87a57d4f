"""A log that nobody reads holds nothing up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from zmr.net.client import Client
from zmr.net.keyring import Keyring
from zmr.wire.address import parse
from zmr.wire.roles import Role


def test_a_master_whose_log_nobody_reads_goes_on() -> None:
    # Given a master that logs each message to a pipe, which nobody reads
    log, unread = os.pipe()
    os.set_blocking(log, False)
    command = [sys.executable, "-m", "zmr", "master", "--port", "0", "-v"]
    with (
        open(log, "rb", buffering=0) as reader,
        open(unread, "wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as master,
    ):
        try:
            assert master.stdout is not None
            address = parse(master.stdout.readline().strip())
            with Client(Keyring(address), Role.WATCH, 20.0) as client:
                # When it is asked so often that the pipe is full
                for _ in range(3000):
                    client.snapshot()
                # Then it has answered, and says how much is missing once somebody reads
                told = reader.read(1 << 20) or b""
                assert len(told) > 10_000
                client.snapshot()
            deadline = time.monotonic() + 30
            while b"lines of the log dropped: nobody read this" not in told:
                assert time.monotonic() < deadline
                told += reader.read(1 << 20) or b""
        finally:
            master.kill()  # one that hangs hears no other signal


PRINTING = """
import sys
import zmr

class Printing(zmr.Job):
    def map(self, line):
        print(line * 100)
        print(line * 100, file=sys.stderr)
        yield line, 1
"""


def test_what_jobs_print_and_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(PRINTING)
    (tmp_path / "in.txt").write_text("".join(f"{n:09}\n" for n in range(1000)))
    command = [sys.executable, "-m", "zmr", "run", "job.py", "in.txt", "-o", "out"]
    read, unread = os.pipe()
    try:
        with subprocess.Popen(command, stderr=unread, cwd=tmp_path) as run:
            assert run.wait(60) == 0
    finally:
        os.close(read)
        os.close(unread)
    assert (tmp_path / "out" / "_SUCCESS").exists()
