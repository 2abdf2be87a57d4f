"""What programs that call `zmr.run` do to it: signals, threads, iterables that fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.process import WAIT_S

import zmr
import zmr.engines.run


class Doubles(zmr.Job):
    def map(self, n: int) -> Iterator[tuple[int, int]]:
        yield n, 2 * n


def test_a_caller_that_ignores_sigchld_gets_its_result() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert dict(zmr.run(Doubles, iter([1, 2]), slots=1)) == {1: 2, 2: 4}
    finally:
        signal.signal(signal.SIGCHLD, before)


class Loaded(zmr.Job):
    """What takes long to load, and is not needed, by the end of a reduce."""

    def map(self, n: int) -> Iterator[tuple[str, Any]]:
        yield from ((str(key), n) for key in range(n))

    def reduce(self, key: str, values: Any) -> Iterator[tuple[str, bool]]:
        list(values)
        yield key, "numpy.ma" in sys.modules


def test_slots_load_nothing_that_only_takes_time() -> None:
    assert {loaded for _, loaded in zmr.run(Loaded, iter(range(20)), slots=1)} == {False}


def test_an_interrupt_as_the_job_ends_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupts:
        def show(self, status: Any) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    @contextmanager
    def report(progress: bool | None) -> Iterator[Interrupts]:
        yield Interrupts()

    monkeypatch.setattr(zmr.engines.run, "progress_reporter", report)
    cancels: list[str] = []
    monkeypatch.setattr(
        "zmr.engines.local.LocalEngine.cancel", lambda self, job_id, why: cancels.append(job_id)
    )
    with pytest.raises(KeyboardInterrupt):
        zmr.run(Doubles, iter([1, 2]), slots=1)
    assert cancels  # in vain: the job was done


def test_a_cluster_that_another_thread_closes_ends_after_its_run() -> None:
    begun, closed = threading.Event(), threading.Event()

    def records() -> Iterator[int]:
        yield from range(1000)

    cluster = zmr.LocalCluster(slots=1)
    dict(cluster.run(Doubles, records()))

    class Says(Doubles):
        def map(self, n: int) -> Iterator[tuple[int, int]]:
            print("begun")
            yield n, 2 * n

    def close() -> None:
        begun.wait(WAIT_S)
        cluster.close()
        closed.set()

    closer = threading.Thread(target=close)
    closer.start()

    class Stderr:
        def write(self, text: str) -> int:
            begun.set()
            return len(text)

        def flush(self) -> None: ...

    before, sys.stderr = sys.stderr, Stderr()
    try:
        result = dict(cluster.run(Says, records()))
    finally:
        sys.stderr = before
    closer.join(WAIT_S)
    assert closed.is_set()
    assert len(result) == 1000
    with pytest.raises(zmr.ZmrError, match="was closed"):
        cluster.run(Doubles, records())


def test_what_an_iterable_raises_is_its_callers_own() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise ConnectionResetError(104, "the database is gone")

    with pytest.raises(ConnectionResetError, match="the database is gone"):
        zmr.run(Doubles, fails(), slots=1)


SCRIPT = """
import threading
import zmr

class Point:
    def __init__(self, x):
        self.x = x

class Holds:
    lock = threading.Lock()  # can't be pickled, and is not the job's

class Points(zmr.Job):
    def map(self, n):
        yield n, make(n)

def make(n):
    import sys
    return sys.modules["__main__"].Point(n)  # by its module, as pickle finds classes

if __name__ == "__main__":
    print(sorted((key, value.x) for key, value in zmr.run(Points, iter([1, 2]), slots=1)))
"""


def test_a_class_that_cannot_be_sent_keeps_back_no_other(tmp_path: Path) -> None:
    script = tmp_path / "points.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.stdout == "[(1, 1), (2, 2)]\n", done.stderr
