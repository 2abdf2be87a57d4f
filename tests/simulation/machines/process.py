"""What master and workers have in common: an inbox, turns, stops, and a clock of their own.

As the reactor's, a machine's clock counts only the time in which the machine listened. What has
come meanwhile is handled in one turn, before any deadline.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zmr import messages as m
from zmr.wire import codec
from zmr.wire.parts import FramesToMaster

from .site import Site

# So much of a pause counts, as in `zmr.net.reactor`.
_LATE_S = 0.25

# A tick may leave something for the next one, which is due at once: hand-outs, if there are many.
_MOST_TICKS = 500

# Two clocks are never nearer to each other than the rounding of their difference.
_ROUNDING_S = 1e-9


class Process:
    """A machine's process with a core. Subclasses say what a turn is."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.name = name
        self.is_up = False
        self.is_stopped = False
        self.inbox: deque[Any] = deque()
        self._read = 0.0  # its clock, when it was last looked at
        self._behind_s = 0.0  # how far its clock is behind the world's
        self.stopped_at = 0.0
        self._busy_until = 0.0
        self._ticked_for: float | None = None
        self._ticks = 0  # in a row, for the same deadline
        self._wakes_at: float | None = None  # when it is going to look at its deadlines
        self._starts = 0  # of its process

    @property
    def starts(self) -> int:
        """How often its process has been started."""
        return self._starts

    @property
    def now(self) -> float:
        """Its own clock, which only goes forward."""
        self._read = max(self._read, self.site.clock.now - self._behind_s)
        return self._read

    # --- what happens to it ---

    def post(self, event: Any) -> None:
        """Something has arrived."""
        if self.is_up:
            self.inbox.append(event)
            self._turn_soon()

    def stop(self) -> None:
        """As SIGSTOP does."""
        if self.is_up and not self.is_stopped:
            self.is_stopped = True
            self.stopped_at = self.site.clock.now
            self.say("stopped")

    def resume(self) -> None:
        """As SIGCONT does: all that it missed comes at once."""
        if self.is_stopped:
            self.is_stopped = False
            pause_s = self.site.clock.now - self.stopped_at
            self._behind_s += max(0.0, pause_s - _LATE_S)
            self.say("goes on")
            self._wakes_at = None
            if self.is_up:
                self._turn()

    def say(self, what: str) -> None:
        self.site.say(self.name, what)

    # --- turns ---

    def _started(self) -> None:
        """Its process has just begun."""
        self._starts += 1
        self.is_up, self.is_stopped = True, False
        self.inbox.clear()
        self._busy_until = 0.0
        self._wakes_at = None

    def _turn_soon(self) -> None:
        clock = self.site.clock
        if self.is_stopped:
            return
        if clock.now >= self._busy_until:
            self._turn()
        elif len(self.inbox) == 1:
            clock.at(self._busy_until, self._turn_of, self._starts)

    def _turn_of(self, start: int) -> None:
        if start == self._starts and self.is_up and not self.is_stopped and self.inbox:
            self._turn()

    def _turn(self) -> None:
        self._take_turn()
        if self.is_up:
            self._busy_until = self.site.clock.now + self.site.busy_s()
            self._set_alarm()

    def _set_alarm(self) -> None:
        deadline = self._next_deadline()
        if deadline is None:
            return
        wakes_at = max(deadline + self._behind_s, self.site.clock.now)
        if self._wakes_at is None or wakes_at < self._wakes_at:
            self._wakes_at = wakes_at
            self.site.clock.at(wakes_at, self._wake, self._starts, wakes_at)

    def _wake(self, start: int, alarm: float) -> None:
        if start != self._starts or not self.is_up or self.is_stopped or alarm != self._wakes_at:
            return
        self._wakes_at = None
        deadline = self._next_deadline()
        if deadline is not None and deadline + self._behind_s <= self.site.clock.now + _ROUNDING_S:
            self._turn()
        else:
            self._set_alarm()

    def _is_due(self) -> bool:
        """Whether a deadline has passed. Asked again after each tick, which has to clear it."""
        deadline = self._next_deadline()
        if deadline is not None and self.now < deadline <= self.now + _ROUNDING_S:
            self._read = deadline
        is_due = deadline is not None and deadline <= self.now
        self._ticks = self._ticks + 1 if is_due and deadline == self._ticked_for else 0
        assert self._ticks < _MOST_TICKS, "the tick does not clear its deadline"
        self._ticked_for = deadline if is_due else None
        return is_due

    def _next_deadline(self) -> float | None:
        raise NotImplementedError

    def _take_turn(self) -> None:
        raise NotImplementedError


def frames_of(
    epoch: int,
    messages: Sequence[m.Message],
    encode: Callable[[int, Sequence[m.Message]], Iterator[bytes]] = codec.encode_all,
) -> list[bytes]:
    """The frames with these messages: in their order, and no more frames than it takes."""
    frames = list(encode(epoch, messages))
    if len(frames) > 1:
        most = 2 * -(-len(messages) // codec.FRAME_LIMIT_MESSAGES) - 1
        is_small = sum(map(len, frames)) < codec.TO_MASTER_LIMIT_BYTES
        assert len(frames) <= most or not is_small, f"{len(messages)} messages in {len(frames)}"
        taken = FramesToMaster()
        is_to_master = encode is not codec.encode_all
        sent: list[m.Message] = []
        for data in frames:
            frame = taken.take(b"", None, [data]) if is_to_master else codec.decode(data)
            sent += frame.messages if frame is not None else ()
        assert sent == list(messages), "messages are lost between frames"
    return frames
