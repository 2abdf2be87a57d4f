"""Tasks on more data than they have memory for: one that takes more would be killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import CHECKOUT, Zmr

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

LIMIT = ("--memory", "48M", "-j", "1", "--max-attempts", "1")
RECORD_BYTES = 100
N_RECORDS = 1_000_000  # a partition of them is as large as the limit
N_LINES = 1_000_000


def test_records_are_sorted(zmr: Zmr) -> None:
    # Given records of random keys
    records = np.random.default_rng(1).integers(0, 256, (N_RECORDS, RECORD_BYTES), np.uint8)
    (zmr.folder / "records").write_bytes(records.tobytes())
    # When they are sorted in half of their size
    ended = zmr.run(
        "run", "sort", "-p", f"record_bytes={RECORD_BYTES}", "records", "-o", "out", "-r", "2",
        *LIMIT,
    )  # fmt: skip
    assert ended.status == 0, ended.stderr
    # Then the files of the output, one after the other, are what they are to be
    data = b"".join((zmr.folder / "out" / f"mr-out-{i}").read_bytes() for i in range(2))
    rows = records.view(f"V{RECORD_BYTES}").ravel()
    assert data == np.sort(rows.view(f"S{RECORD_BYTES}")).tobytes()


@pytest.fixture
def lines(zmr: Zmr) -> Path:
    """Return a file of 50 MB in which hardly a line comes twice."""
    numbers = np.random.default_rng(1).integers(0, 10**9, N_LINES)
    path = zmr.folder / "lines.txt"
    path.write_text("\n".join(f"a line that has some words and a number {n:09}" for n in numbers))
    return path


@pytest.mark.parametrize("job", ["wordcount", "sort"])
def test_many_keys(zmr: Zmr, lines: Path, job: str) -> None:
    ended = zmr.run("run", job, lines, "-o", "out", "-r", "1", *LIMIT)
    assert ended.status == 0, ended.stderr
    out = (zmr.folder / "out" / "mr-out-0").read_bytes()
    if job == "sort":
        assert out.splitlines() == sorted(lines.read_bytes().splitlines())
    else:
        assert sum(int(line.split(b"\t")[1]) for line in out.splitlines()) == 10 * N_LINES


def test_a_key_with_values_larger_than_the_memory(zmr: Zmr, lines: Path) -> None:
    job = CHECKOUT / "tests" / "jobs" / "one_key.py"
    ended = zmr.run("run", job, lines, "-r", "1", *LIMIT)
    assert (ended.status, ended.stdout) == (0, f"all\t{N_LINES} {N_LINES * 49}\n"), ended.stderr
