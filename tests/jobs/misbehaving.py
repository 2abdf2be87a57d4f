"""Word counts that go wrong on their way: a line "!raise" raises, and so on, for all of `WAYS`."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from zmr import Job

DAY_S = 86_400.0


class Misbehaving(Job):
    place: str = "map"  # where it happens; "setup" always raises
    once: str = ""  # a folder: each way is gone only once, which is noted there

    def setup(self) -> None:
        self._at("setup", "!raise")

    def map(self, line: str) -> Iterator[tuple[Any, Any]]:
        yield from self._at("map", line)
        for word in line.split():
            yield word, 1
            if self.place == "combine":  # a value that is alone is not combined
                yield word, 0

    def combine(self, word: str, counts: Iterable[int]) -> Iterator[tuple[Any, Any]]:
        for _, value in self._at("combine", word):
            yield word, value
        yield word, sum(counts)

    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[Any, Any]]:
        yield from self._at("reduce", word)
        yield word, sum(counts)

    def _at(self, place: str, text: str) -> list[Any]:
        """Misbehave, if it is the place and the time for it; return what to put out."""
        if place != self.place or not text.startswith("!") or not self._is_first(text):
            return []
        return WAYS[text[1:]]() or []

    def _is_first(self, text: str) -> bool:
        if not self.once:
            return True
        try:
            os.close(os.open(os.path.join(self.once, text), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("not for the road")


def raise_error() -> None:
    raise ValueError("no good")


def interrupt() -> None:
    raise KeyboardInterrupt


def hang() -> None:
    while True:
        pass


def fill_memory() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(10_000_000))


def read_stdin() -> list[Any]:
    return [(f"stdin={sys.stdin.read()!r}", 1)]


def speak() -> None:
    print("said on stdout")
    os.write(1, b"written to 1\n")


def leave_children() -> None:
    """Leave a forked process, and a program in a session of its own."""
    if os.fork() == 0:
        time.sleep(DAY_S)
    subprocess.Popen(["sleep", str(DAY_S)], start_new_session=True)


WAYS: dict[str, Any] = {
    "raise": raise_error,
    "sys.exit": lambda: sys.exit("enough"),
    "interrupt": interrupt,
    "os._exit": lambda: os._exit(7),
    "segfault": lambda: ctypes.string_at(0),
    "hang": hang,
    "fill-memory": fill_memory,
    "read-stdin": read_stdin,
    "speak": speak,
    "leave-children": leave_children,
    "not-a-pair": lambda: [5],
    "int-key": lambda: [(5, 1)],
    "unpicklable": lambda: [("bad", Unpicklable())],
    "long-value": lambda: [
        ("long", os.urandom(500_000).hex())
    ],  # nothing shrinks it to half a megabyte
}
