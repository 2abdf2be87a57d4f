"""What a worker owes its master: results until they are acknowledged, and answers.

Kept of what goes into a worker's core and what comes out of it; the core's own tables are not read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from zmr import messages as m
from zmr.core.actions import CheckFiles, KillSlot, SendMaster, SendSlot, WorkerAction
from zmr.core.events import FilesChecked, FrameReceived

_NUMBER = 0xFFFFFFFF  # of an attempt, in its id

# A frame with one of these changes what the others in it are.
_TURNING = (m.Registered, m.RegisterAgain, m.Exit)

_RESULTS = (m.MapDone, m.ReduceDone, m.TaskFailed)


class Duties:
    """Those of one process."""

    def __init__(self, applied: Counter[str]) -> None:
        self._applied = applied
        self._in_slot: dict[int, int] = {}  # attempts that a slot was given, and which
        self._owed: set[int] = set()  # attempts with a result that is not acknowledged
        self._looked_at: set[int] = set()  # map outputs, by attempt

    def worker_did(
        self, event: Any, actions: list[WorkerAction], epoch: int, is_registered: bool
    ) -> None:
        """What followed from an event; None: from the time. `epoch` and so on are from before."""
        self._hears(event)
        sent = [action.message for action in actions if isinstance(action, SendMaster)]
        checks = [action for action in actions if isinstance(action, CheckFiles)]
        asked = self._questions(event, epoch)
        begun = {attempt for check in checks for attempt, _ in check.files}
        self._looked_at |= begun
        if asked:
            told = _answered(sent)
            left = asked - self._looked_at - told
            assert not left, f"no look at the outputs of {[n & _NUMBER for n in left]}"
            self._applied["a question about outputs is looked into"] += 1
        if isinstance(event, FilesChecked):
            checked = {*event.whole, *event.damaged}
            self._looked_at -= checked
            if is_registered:
                left = checked - _answered(sent)
                assert not left, f"nothing is said of the outputs of {[n & _NUMBER for n in left]}"
                self._applied["what a look at outputs has shown is told"] += 1
        if any(isinstance(message, m.Heartbeat) for message in sent):
            self._check_repeated(sent)
        self._slots(actions)

    def _hears(self, event: Any) -> None:
        if isinstance(event, m.SlotSaid):
            for message in event.messages:
                is_its = self._in_slot.get(message.attempt) == event.slot
                if isinstance(message, _RESULTS) and is_its:
                    del self._in_slot[message.attempt]
                    self._owed.add(message.attempt)
        elif isinstance(event, m.SlotEnded):
            self._vacate(event.slot)
        elif isinstance(event, FrameReceived):
            for answer in event.frame.messages:
                if isinstance(answer, m.Ack | m.Cancel):
                    self._owed.difference_update(answer.attempts)

    def _questions(self, event: Any, epoch: int) -> set[int]:
        """The attempts about whose outputs a master asks."""
        if not isinstance(event, FrameReceived) or event.frame.epoch != epoch:
            return set()
        messages = event.frame.messages
        if any(isinstance(message, _TURNING) for message in messages):
            return set()
        asked = [message for message in messages if isinstance(message, m.CheckOutputs)]
        return {attempt for message in asked for attempt in message.attempts}

    def _check_repeated(self, sent: list[m.Message]) -> None:
        """With each heartbeat goes every result that is owed."""
        told = {message.attempt for message in sent if isinstance(message, _RESULTS)}
        left = self._owed - told
        assert not left, f"the results of {[n & _NUMBER for n in left]} are not repeated"
        self._applied["a result is repeated until it is acknowledged"] += len(self._owed)

    def _slots(self, actions: list[WorkerAction]) -> None:
        for action in actions:
            if isinstance(action, SendSlot) and isinstance(action.message, m.Task):
                self._in_slot[action.message.attempt] = action.slot
            elif isinstance(action, KillSlot):
                self._vacate(action.slot)

    def _vacate(self, slot: int) -> None:
        self._in_slot = {a: number for a, number in self._in_slot.items() if number != slot}


def _answered(sent: list[m.Message]) -> set[int]:
    """The attempts of whose outputs the worker says something."""
    answers = [message for message in sent if isinstance(message, m.OutputsChecked)]
    return {attempt for each in answers for attempt in (*each.whole, *each.damaged)}
