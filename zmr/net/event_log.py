"""The events of one start of the master: numbered, and the last of them kept.

Owns the numbers. Pure: broadcasting is for `zmr.net.publisher`.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from zmr.messages import Event, Published

# Of these limits, the one that is reached first holds. Texts are of workers and clients.
_KEPT = 100_000
_KEPT_BYTES = 50_000_000

# So many in one snapshot: the master must not be busy for long with one subscriber, and answers
# wait in memory for subscribers that do not read.
_MOST_AT_ONCE = 5_000
_MOST_AT_ONCE_BYTES = 1_000_000

# An event takes about so much memory, without its text.
_EVENT_BYTES = 400


class EventLog:
    """Numbers are 1, 2, 3, ...; `kept` events are kept, and `after` returns `most_at_once`.

    If their texts are long, there are fewer of both.
    """

    def __init__(self, kept: int = _KEPT, most_at_once: int = _MOST_AT_ONCE) -> None:
        self.seq = 0  # of the last event
        self._most_kept = kept
        self._most_at_once = most_at_once
        self._kept: deque[Published] = deque()
        self._kept_bytes = 0

    def append(self, event: Event, time_s: float) -> Published:
        """Number the event, and keep it. `time_s` is Unix time."""
        self.seq += 1
        published = Published(self.seq, time_s, event)
        kept = self._kept
        kept.append(published)
        self._kept_bytes += _size_bytes(published)
        while len(kept) > self._most_kept or self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= _size_bytes(kept.popleft())
        return published

    def skip(self) -> None:
        """Number an event that nothing can ask for."""
        self.seq += 1

    def after(self, seq: int) -> tuple[Published, ...]:
        """The first of the events after that number that are still kept; for -1 none.

        More of them, if there are more, are to be had by asking again.
        """
        if not 0 <= seq < self.seq or not self._kept:
            return ()
        skipped = max(0, seq + 1 - self._kept[0].seq)
        found: list[Published] = []
        size_bytes = 0
        for published in islice(self._kept, skipped, skipped + self._most_at_once):
            size_bytes += _size_bytes(published)
            if found and size_bytes > _MOST_AT_ONCE_BYTES:
                break
            found.append(published)
        return tuple(found)


def _size_bytes(published: Published) -> int:
    """How much memory it takes, about; a character may take 4 bytes."""
    return _EVENT_BYTES + 4 * len(published.event.text)
