"""Which events a subscriber has seen, and whether it misses some.

The Clone pattern of the ZeroMQ guide: a snapshot with the events up to now, then what the
subscription brings; whenever a number is missing, the events after the last one seen are asked
for. Pure: `zmr.net.client` asks and listens.
"""

from __future__ import annotations

from collections.abc import Iterable

from zmr.messages import Published, Snapshot


class Follower:
    """Has seen the events up to `seq` of the master with that epoch.

    Both methods return events that were not seen before, in order. While `is_behind`, it has to
    get a snapshot with the events after `seq`.
    """

    def __init__(self, epoch: int, seq: int) -> None:
        self.epoch = epoch
        self.seq = seq
        self.is_behind = True

    def answered(self, epoch: int, snapshot: Snapshot) -> tuple[Published, ...]:
        """The snapshot that was asked for. Of another epoch, it only shows that there is one."""
        if epoch != self.epoch:
            self.epoch, self.seq, self.is_behind = epoch, 0, True
            return ()
        if snapshot.events and snapshot.events[-1].seq < snapshot.seq:
            self.seq, self.is_behind = snapshot.events[-1].seq, True  # more than go into one answer
        else:
            self.seq, self.is_behind = snapshot.seq, False
        return snapshot.events

    def heard(self, epoch: int, events: Iterable[Published]) -> tuple[Published, ...]:
        """Events that were broadcast."""
        new: list[Published] = []
        if epoch != self.epoch:
            self.is_behind = True
            return ()
        for event in events:
            if event.seq > self.seq + 1:
                self.is_behind = True
                break
            if event.seq == self.seq + 1:
                self.seq = event.seq
                new.append(event)
        return tuple(new)
