"""A follower and the log that it follows: what is missed is had by asking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zmr import messages as m
from zmr.net.event_log import EventLog
from zmr.net.follower import Follower
from zmr.wire import codec


def _event(number: int) -> m.JobEvent:
    return m.JobEvent("job-1", "map", str(number))


def _log(events: int, kept: int = 100, most_at_once: int = 100) -> EventLog:
    log = EventLog(kept, most_at_once)
    for number in range(1, events + 1):
        log.append(_event(number), 0.0)
    return log


def _seqs(events: tuple[m.Published, ...]) -> list[int]:
    return [published.seq for published in events]


def _answer(log: EventLog, follower: Follower, epoch: int = 1) -> list[int]:
    snapshot = m.Snapshot(log.seq, "", events=log.after(follower.seq))
    return _seqs(follower.answered(epoch, snapshot))


def test_the_log_returns_what_it_still_keeps_a_part_at_a_time() -> None:
    log = _log(10, kept=6, most_at_once=4)

    assert _seqs(log.after(0)) == [5, 6, 7, 8]
    assert _seqs(log.after(8)) == [9, 10]
    assert _seqs(log.after(10)) == _seqs(log.after(99)) == _seqs(log.after(-1)) == []
    assert log.after(2**63 - 1) == ()  # whatever a client asks for


def test_of_long_texts_fewer_are_kept_and_sent_at_once() -> None:
    log = EventLog()
    for _ in range(100):
        log.append(m.JobEvent("job-1", "failed", "x" * 1_000_000), 0.0)
    # One at least: a follower has to get on.
    assert _seqs(log.after(0)) == [86]
    assert len(log.newest(100)) == 15

    for _ in range(20_000):
        log.append(m.JobEvent("job-1", "failed", "é" * 500), 0.0)
    first = _seqs(log.after(100))
    assert 200 < len(first) < 300
    assert _seqs(log.after(first[-1]))[0] == first[-1] + 1
    assert 10_000 < len(log.newest(30_000)) < 16_000


def test_the_newest_events_are_what_a_turn_broadcasts() -> None:
    log = _log(5)

    assert _seqs(codec.decode_events(codec.join_events(1, log.newest(2)))[1]) == [4, 5]
    assert log.newest(0) == []
    assert len(log.newest(9)) == 5


def test_a_gap_in_what_is_heard_is_filled_by_a_snapshot() -> None:
    log, follower = _log(2), Follower(1, 0)
    assert _answer(log, follower) == [1, 2]
    late = [log.append(_event(number), 0.0) for number in (3, 4, 5)]

    assert _seqs(follower.heard(1, late[:1])) == [3]
    assert _seqs(follower.heard(1, late[2:])) == []
    assert follower.is_behind
    assert _answer(log, follower) == [4, 5]
    assert not follower.is_behind


def test_the_events_of_a_master_that_was_started_again_follow_from_its_first() -> None:
    follower = Follower(1, 9)

    assert _seqs(follower.heard(2, (m.Published(10, 0.0, _event(10)),))) == []
    assert _answer(_log(3), follower, epoch=2) == []
    assert follower.is_behind
    assert _answer(_log(3), follower, epoch=2) == [1, 2, 3]


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_whatever_is_lost_each_event_is_seen_once_and_in_order(
    arrives: list[bool], most_at_once: int
) -> None:
    log, follower = _log(0, most_at_once=most_at_once), Follower(1, 0)
    seen: list[int] = []
    for number, is_there in enumerate(arrives, 1):
        published = log.append(_event(number), 0.0)
        if is_there:
            seen += _seqs(follower.heard(1, (published,)))
        while follower.is_behind:
            seen += _answer(log, follower)
    seen += _answer(log, follower)
    while follower.is_behind:
        seen += _answer(log, follower)

    assert seen == list(range(1, len(arrives) + 1))
