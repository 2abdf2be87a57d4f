"""The witness's book of the map outputs that somebody could not read."""

from __future__ import annotations

from zmr import messages as m

_NUMBER = 0xFFFFFFFF  # of an attempt, in its id


class Unreadable:
    """Map outputs that somebody could not read, by attempt."""

    def __init__(self) -> None:
        self._doubted: set[int] = set()  # reported, and not known to be whole
        self._condemned: set[int] = set()  # they have to be made again
        self._asked_at: dict[int, float] = {}
        self._vouched: dict[int, int] = {}  # whole when this was the newest attempt of all

    def reported(self, output: int, reader: int, is_own: bool) -> None:
        """A reduce could not read it, perhaps on the worker that has it."""
        if is_own or reader > self._vouched.get(output, reader):
            self._condemned.add(output)
        elif output not in self._vouched:
            self._doubted.add(output)

    def asked(self, message: m.CheckOutputs, now: float) -> None:
        for output in message.attempts:
            self._asked_at.setdefault(output, now)

    def answered(self, message: m.OutputsChecked, own: set[int], newest: int) -> None:
        """Its worker says this; of some that are not its `own`, perhaps, or of another job."""
        asked = (self._asked_at.keys() & own) - self._vouched.keys()
        self._condemned.update(asked & set(message.damaged))
        for output in asked & set(message.whole) - self._condemned:
            self._vouched[output] = newest
            self._doubted.discard(output)

    def lost(self, output: int, why: str, asked_by: float) -> None:
        """The map runs again. There has to be a reason."""
        asked_at = self._asked_at.pop(output, None)
        is_overdue = asked_at is not None and asked_at <= asked_by + 1e-6
        is_right = "can't read" not in why or output in self._condemned or is_overdue
        assert is_right, f"the output of attempt {output & _NUMBER} is given up without a question"
        self._doubted.discard(output)
        self._vouched.pop(output, None)

    @property
    def has_open_questions(self) -> bool:
        return not self._asked_at.keys() <= self._vouched.keys()

    def isdisjoint(self, outputs: list[int]) -> bool:
        """Whether all of these may be read."""
        return self._doubted.isdisjoint(outputs) and self._condemned.isdisjoint(outputs)

    def forget(self) -> None:
        """A new master asks anew."""
        self._doubted.clear()
        self._asked_at.clear()
        self._vouched.clear()
