"""Requests for snapshots: whoever asks is answered, and a turn makes few answers."""

from __future__ import annotations

from zmr import messages as m
from zmr.net.event_log import EventLog
from zmr.net.snapshot_requests import SnapshotRequests


def _log(events: int) -> EventLog:
    log = EventLog()
    for number in range(1, events + 1):
        log.append(m.JobEvent("job-1", "map", str(number)), 0.0)
    return log


def _taken(requests: SnapshotRequests, log: EventLog) -> list[tuple[list[bytes], list[int]]]:
    answers = requests.take(log)
    return [(peers, [published.seq for published in events]) for peers, events in answers]


def test_the_same_answer_is_made_once_for_all_who_get_it() -> None:
    requests = SnapshotRequests()
    for peer, after_seq in ((b"a", -1), (b"b", 1), (b"c", 99), (b"d", 1), (b"e", 3), (b"f", -7)):
        requests.add(peer, after_seq)

    assert _taken(requests, _log(3)) == [([b"a", b"c", b"e", b"f"], []), ([b"b", b"d"], [2, 3])]
    assert not requests


def test_a_peer_that_asks_often_is_answered_once_and_its_last_question() -> None:
    requests = SnapshotRequests()
    for after_seq in (0, 1, 2):
        requests.add(b"a", after_seq)

    assert _taken(requests, _log(3)) == [([b"a"], [3])]


def test_who_asks_for_an_answer_too_many_gets_it_in_the_next_turn() -> None:
    requests, log = SnapshotRequests(answers_a_turn=2), _log(9)
    for number, peer in enumerate((b"a", b"b", b"c", b"d")):
        requests.add(peer, 5 + number)
    requests.add(b"e", 5)  # this one costs nothing more

    assert [peers for peers, _ in requests.take(log)] == [[b"a", b"e"], [b"b"]]
    assert requests
    requests.add(b"f", 7)
    assert [peers for peers, _ in requests.take(log)] == [[b"c", b"f"], [b"d"]]
    assert not requests
    assert requests.take(log) == []
