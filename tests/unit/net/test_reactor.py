"""The reactor's clock and its turns, on a clock of the test's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from zmr.net.reactor import Reactor


class Deadline:
    """Someone with one deadline, who notes when he was called."""

    def __init__(self, at: float) -> None:
        self.at: float | None = at
        self.ticks: list[float] = []

    def next_deadline(self) -> float | None:
        return self.at

    def tick(self, now: float) -> None:
        self.ticks.append(now)
        self.at = None


class Setting:
    """A reactor, a clock that moves as the test says, and something to read."""

    def __init__(self) -> None:
        self.real_s = 100.0
        self.reactor = Reactor(lambda: self.real_s)
        self.reader, self.writer = os.pipe()
        self.read: list[bytes] = []
        self.reactor.watch(self.reader, lambda: self.read.append(os.read(self.reader, 10)))


@pytest.fixture
def setting() -> Iterator[Setting]:
    setting = Setting()
    yield setting
    os.close(setting.reader)
    os.close(setting.writer)


def test_a_deadline_is_kept(setting: Setting) -> None:
    deadline = Deadline(setting.reactor.clock() + 0.2)
    setting.reactor.add(deadline)
    setting.real_s += 0.1
    setting.reactor.turn(0.0)
    assert deadline.ticks == []
    setting.real_s += 0.2
    setting.reactor.turn(0.0)
    assert deadline.ticks == [setting.reactor.clock()]


def test_a_pause_lets_no_deadline_pass_before_what_came_meanwhile_is_read(
    setting: Setting,
) -> None:
    # Given a deadline, and someone whose word puts it off
    reactor = setting.reactor
    deadline = Deadline(reactor.clock() + 5.0)
    reactor.add(deadline)
    reactor.watch(setting.reader, lambda: setattr(deadline, "at", reactor.clock() + 5.0))

    # When the process is stopped for a minute, and the word comes a turn later than the end of that
    setting.real_s += 60.0
    reactor.turn(0.0)
    os.write(setting.writer, b"still here")
    reactor.turn(0.0)

    # Then nobody has been condemned, and the clock went on as time did for the loop
    assert deadline.ticks == []
    assert deadline.at is not None
    assert 104.9 < deadline.at < 106.0
    assert reactor.clock() < 101.0


def test_a_long_callback_is_a_pause_too(setting: Setting) -> None:
    reactor = setting.reactor
    deadline = Deadline(reactor.clock() + 5.0)
    reactor.add(deadline)

    def dawdle() -> None:
        setting.real_s += 60.0
        os.read(setting.reader, 10)

    reactor.watch(setting.reader, dawdle)
    os.write(setting.writer, b"x")
    reactor.turn(0.0)
    reactor.turn(0.0)
    assert deadline.ticks == []


def test_a_source_unwatched_in_the_same_turn_is_not_read(setting: Setting) -> None:
    reactor = setting.reactor
    other_reader, other_writer = os.pipe()
    both = (setting.reader, other_reader)
    read: list[int] = []

    def take(fd: int) -> None:
        read.append(fd)
        for source in both:
            reactor.unwatch(source)

    for fd in both:
        reactor.watch(fd, lambda fd=fd: take(fd))  # type: ignore[misc]
    for fd in (setting.writer, other_writer):
        os.write(fd, b"x")
    reactor.turn(1.0)
    assert len(read) == 1
    os.close(other_reader)
    os.close(other_writer)


def test_a_signal_is_delivered_between_callbacks(setting: Setting) -> None:
    reactor = setting.reactor
    story: list[object] = []
    reactor.on_signals((signal.SIGUSR1,), lambda number: story.append(signal.Signals(number).name))

    def handle() -> None:
        os.read(setting.reader, 10)
        signal.raise_signal(signal.SIGUSR1)
        story.append("callback ends")

    reactor.watch(setting.reader, handle)
    os.write(setting.writer, b"x")
    during = signal.getsignal(signal.SIGUSR1)
    for _ in range(2):
        reactor.turn(0.1)
    assert story == ["callback ends", "SIGUSR1"]
    reactor.close()
    assert signal.getsignal(signal.SIGUSR1) != during
