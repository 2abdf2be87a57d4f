"""The events of one start of the master: numbered, and the last of them kept.

Owns the numbers. Pure: broadcasting is for `zmr.net.publisher`.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from zmr.messages import Event, Published

_KEPT = 100_000

# So many in one snapshot: the master must not be busy for long with one subscriber.
_MOST_AT_ONCE = 5_000


class EventLog:
    """Numbers are 1, 2, 3, ...; `kept` events are kept, and `after` returns `most_at_once`."""

    def __init__(self, kept: int = _KEPT, most_at_once: int = _MOST_AT_ONCE) -> None:
        self.seq = 0  # of the last event
        self._most_at_once = most_at_once
        self._kept: deque[Published] = deque(maxlen=kept)

    def append(self, event: Event, time_s: float) -> Published:
        """Number the event, and keep it. `time_s` is Unix time."""
        self.seq += 1
        published = Published(self.seq, time_s, event)
        self._kept.append(published)
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
        return tuple(islice(self._kept, skipped, skipped + self._most_at_once))
