"""Which peers have asked for a snapshot, and which of them are answered in this turn.

A snapshot costs as much as there are jobs and events, and whoever may watch may ask for it at any
rate. So a peer has one request at a time, the same answer is made once for all peers that get it,
and a turn makes few different ones. Pure: the answers are sent by `zmr.net.master_server`.
"""

from __future__ import annotations

from zmr.messages import Published
from zmr.net.event_log import EventLog

_ANSWERS_A_TURN = 4

# The peers that get an answer, and the events in it.
Answer = tuple[list[bytes], tuple[Published, ...]]


class SnapshotRequests:
    def __init__(self, answers_a_turn: int = _ANSWERS_A_TURN) -> None:
        self._answers_a_turn = answers_a_turn
        self._waiting: dict[bytes, int] = {}  # `after_seq` by peer, in the order of the requests

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, peer: bytes, after_seq: int) -> None:
        """The peer asks for the events after that number; of several requests, the last counts."""
        self._waiting[peer] = after_seq

    def peers(self) -> list[bytes]:
        """Those that wait."""
        return list(self._waiting)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, log: EventLog) -> list[Answer]:
        """The answers of this turn. Those that have waited longest come first."""
        answers: dict[int, Answer] = {}  # by the number of the first event; 0: none
        taken: dict[int, Answer] = {}  # the same, by `after_seq`
        for peer, after_seq in list(self._waiting.items()):
            answer = taken.get(after_seq)
            if answer is None:
                events = log.after(after_seq)
                first = events[0].seq if events else 0
                if first not in answers and len(answers) == self._answers_a_turn:
                    continue
                answer = taken[after_seq] = answers.setdefault(first, ([], events))
            answer[0].append(peer)
            del self._waiting[peer]
        return list(answers.values())
