"""Map outputs are verified in the background, and damage anywhere in them is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.map_outputs import write_map_output
from support.process import WAIT_S

from zmr.net.reactor import Reactor
from zmr.shuffle.verifier import OutputVerifier

KEYS = [f"key {number:05}" for number in range(3000)]


class Checks:
    """A verifier, and its results."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.results: list[tuple[str, int, bool]] = []
        self.verifier = OutputVerifier(self.reactor, lambda *result: self.results.append(result))

    def check(self, *paths: Path) -> tuple[set[int], set[int]]:
        """Return the numbers of the whole files and of the others."""
        self.results.clear()
        self.verifier.verify("job", [(n, str(p)) for n, p in enumerate(paths)])
        turns = 0
        while len(self.results) < len(paths):
            turns += 1
            assert turns < 1000, "no answer"
            self.reactor.turn(WAIT_S)
        assert [job_id for job_id, _, _ in self.results] == ["job"] * len(paths)
        whole = {attempt for _, attempt, is_whole in self.results if is_whole}
        return whole, {attempt for _, attempt, is_whole in self.results if not is_whole}


@pytest.fixture
def checks() -> Iterator[Checks]:
    """Give a verifier with a reactor."""
    checks = Checks()
    yield checks
    checks.verifier.close()
    checks.reactor.close()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Return a map output with two partitions."""
    path = tmp_path / "output"
    write_map_output(str(path), [(KEYS, [1] * len(KEYS)), (KEYS, [2] * len(KEYS))])
    return path


def test_whole_damaged_and_gone(checks: Checks, output: Path, tmp_path: Path) -> None:
    data = output.read_bytes()
    flipped = [tmp_path / f"flipped-{part}" for part in range(20)]
    for part, path in enumerate(flipped):
        at = len(data) * part // len(flipped) + 20
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    cut = tmp_path / "cut"
    cut.write_bytes(data[:-100])

    whole, damaged = checks.check(output, *flipped, cut, tmp_path / "gone")

    assert whole == {0}
    assert damaged == set(range(1, 23))
    assert checks.check(output) == ({0}, set())


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_without_a_thread_the_next_request_tries_again(
    checks: Checks, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        checks.verifier.verify("job", ())
    assert checks.check(output) == ({0}, set())


def test_it_ends_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = Checks()
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    checks.verifier.verify("job", ())
    checks.verifier.close()
    checks.reactor.close()


def test_it_ends_with_requests_left(checks: Checks, output: Path) -> None:
    checks.verifier.verify("job", [(1, str(output))] * 10_000)

    checks.verifier.close()

    assert len(checks.results) < 10_000
