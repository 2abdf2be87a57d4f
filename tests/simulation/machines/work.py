"""How one attempt goes: what a slot of a simulated worker does when it begins a task."""

from __future__ import annotations

from dataclasses import dataclass

from zmr.messages import FailureReason


@dataclass(frozen=True)
class Work:
    takes_s: float = 1.0
    publishes_s: float = 0.05  # between the leave to publish and the file's appearance
    renames_s: float = 0.0  # without links: between a look whether the name is taken, and the name
    fails: str = ""  # it fails, with this message; {}: the number of the attempt
    fails_at: int = -1  # the number of the record at which it does
    reason: FailureReason = FailureReason.USER_ERROR
    dies: int = 0  # its process ends by this signal
    exits: int | None = None  # its process ends with this status
    outgrows: bool = False  # it is killed for using too much memory
    is_late: bool = False  # ... when its work is done, before that is said
    record: int = -1  # of which it dies or hangs, unless that is left out; -1: of something else
    hangs: bool = False  # it makes no progress from there on, for ever
    fetches: float = 0.1  # a reduce: the part of its time that it reads its input
    pulses: int = 1000  # so often at most it says how far it is
    tells: float = 1.0  # what of its input it says is done, of what is
    counts: bool = True  # whether it says at which record it is

    @property
    def text(self) -> str:
        """For the trace."""
        end = self.fails
        if self.hangs:
            end = f"hang at record {self.record}"
        elif self.dies or self.exits is not None:
            end = "die late" if self.is_late else "die"
            end += f" of record {self.record}" if self.record >= 0 else ""
        return f"takes {self.takes_s:.3f} s" + (f", will {end}" if end else "")

    @property
    def ends_slot(self) -> bool:
        """Whether its process ends."""
        return bool(self.dies) or self.exits is not None
