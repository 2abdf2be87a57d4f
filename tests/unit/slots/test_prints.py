"""What user code prints, at the agent's end."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from zmr.slots.prints import PrintReader, show


class Reactor:
    """Watches one file, and calls nobody by itself."""

    def __init__(self) -> None:
        self.on_readable: Callable[[], None] | None = None

    def watch(self, source: int, on_readable: Callable[[], None]) -> None:
        self.on_readable = on_readable

    def unwatch(self, source: int) -> None:
        self.on_readable = None

    def watch_writable(self, fd: int, on_writable: Callable[[], None]) -> None: ...

    def unwatch_writable(self, fd: int) -> None: ...


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def reader(shown: list[str]) -> Iterator[PrintReader]:
    reader = PrintReader(Reactor(), shown.append)
    yield reader
    reader.close()


def written(reader: PrintReader, data: bytes) -> None:
    reader.slot_end.write(data)
    reader.drain()


@pytest.mark.timeout(60)
def test_a_program_that_prints_without_end_holds_nobody_up(
    reader: PrintReader, shown: list[str]
) -> None:
    with subprocess.Popen(["yes"], stdout=reader.slot_end) as yes:
        try:
            while not shown:
                reader.drain()
            for _ in range(100):
                reader.drain()
        finally:
            yes.kill()
    assert set(shown) - {"(it prints more than 1 MiB: the rest is not shown)"} == {"y"}


def test_what_is_beyond_the_limit_costs_no_look_and_hides_no_mark(
    reader: PrintReader, shown: list[str]
) -> None:
    written(reader, b"\0zmr:job-1 map 0\n")
    for _ in range(20):
        written(reader, b"x" * 65_000 + b"\n")
    del shown[:]
    written(reader, b"of map 0\n" * 1000 + b"cut\0z")
    written(reader, b"mr:job-1 map 1\nof map 1\n")
    assert shown == ["job-1 map 1: of map 1"]


def test_a_mark_of_others_is_no_longer_than_a_name(reader: PrintReader, shown: list[str]) -> None:
    written(reader, b"\0zmr:" + b"\x1bn" * 500 + b"\ntext\n")
    assert shown == ["\\x1bn" * 150 + ": text"]


def test_without_a_log_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert not logging.getLogger("zmr.prints").isEnabledFor(logging.INFO)
    show("100 %s")
    assert capsys.readouterr().err == "100 %s\n"


def test_a_stderr_that_is_closed_or_not_there_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    show("nobody hears this")
    with open(f"{tmp_path}/closed", "w") as file:
        pass
    monkeypatch.setattr(sys, "stderr", file)
    show("nor this")
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        show("nor that")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.close()
