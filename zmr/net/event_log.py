"""The events of one start of the master: numbered, and the last of them kept.

Owns the numbers. They are kept as they are sent, which takes a third of the memory. Pure:
broadcasting is for `zmr.net.publisher`.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from zmr.messages import Event, Published
from zmr.wire import codec

# Of these limits, the one that is reached first holds: texts may be long.
_KEPT = 100_000
_KEPT_BYTES = 16_000_000

# So many in one snapshot: the master must not be busy for long with one subscriber, and answers
# wait in memory for subscribers that do not read.
_MOST_AT_ONCE = 5_000
_MOST_AT_ONCE_BYTES = 300_000

_OBJECT_BYTES = 48  # what Python takes for each, besides its content


class EventLog:
    """Numbers are 1, 2, 3, ...; `kept` events are kept, and `after` returns `most_at_once`.

    If their texts are long, there are fewer of both.
    """

    def __init__(self, kept: int = _KEPT, most_at_once: int = _MOST_AT_ONCE) -> None:
        self.seq = 0  # of the last event
        self._most_kept = kept
        self._most_at_once = most_at_once
        self._kept: deque[bytes] = deque()  # each as `codec.encode_event` has it; none is left out
        self._kept_bytes = 0

    def append(self, event: Event, time_s: float) -> Published:
        """Number the event, and keep it. `time_s` is Unix time."""
        published = self.number(event, time_s)
        data = codec.encode_event(published)
        kept = self._kept
        kept.append(data)
        self._kept_bytes += len(data) + _OBJECT_BYTES
        while len(kept) > self._most_kept or self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= len(kept.popleft()) + _OBJECT_BYTES
        return published

    def number(self, event: Event, time_s: float) -> Published:
        """Number an event that nothing can ask for."""
        self.seq += 1
        return Published(self.seq, time_s, event)

    def skip(self) -> None:
        """Count an event that nobody sees at all."""
        self.seq += 1

    def newest(self, n: int) -> list[bytes]:
        """The last `n` events, encoded; of those, the ones that are still kept."""
        kept = self._kept
        return list(islice(kept, max(0, len(kept) - n), None))

    def after(self, seq: int) -> tuple[Published, ...]:
        """The first of the events after that number that are still kept; for -1 none.

        More of them, if there are more, are to be had by asking again.
        """
        if not 0 <= seq < self.seq or not self._kept:
            return ()
        skipped = max(0, seq - self.seq + len(self._kept))
        found: list[bytes] = []
        size_bytes = 0
        for data in islice(self._kept, skipped, skipped + self._most_at_once):
            size_bytes += len(data)
            if found and size_bytes > _MOST_AT_ONCE_BYTES:
                break
            found.append(data)
        return codec.decode_joined_events(found)
