"""Questions about map outputs that reduces could not read: asked in time, and not in vain.

Each is about outputs of the worker that gets it, none of which it was asked about already; all that
it holds of the job, or step, once two reduces could not read some. No reduce begins before the
answer, and a worker has a while for it: as long as to show that it lives, again after each answer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish, Send
from zmr.core.events import FrameReceived

from ..machines.site import Site
from .books import ENDED, FROM_PEERS, NUMBER, PRESENT
from .ledger import Ledger

# A turn of the master takes no longer.
_TURN_S = 1.0

_ROUNDING_S = 1e-6

_Key = tuple[str, str]  # a job, or step, and the worker that is asked


@dataclass(slots=True)
class _Check:
    """What is known of the outputs of one worker and one job, or step; they are attempts."""

    readers: set[int] = field(default_factory=set)  # reduces that could not read some
    perhaps: set[int] = field(default_factory=set)  # ... if what they could not read counted then
    open: set[int] = field(default_factory=set)
    whole: dict[int, int] = field(default_factory=dict)  # and the newest attempt by then
    answer_by: float = 0.0


class Questions:
    def __init__(self, site: Site, ledger: Ledger, applied: Counter[str]) -> None:
        self._site = site
        self._ledger = ledger
        self._applied = applied
        self._checks: dict[_Key, _Check] = {}
        self._newest = 0  # attempt, before this event
        self._reported: dict[_Key, set[int]] = {}  # in this turn

    def before(self, event: Any) -> None:
        """The ledger is about to see this."""
        if self._checks and isinstance(event, FrameReceived):
            self._newest = max(self._ledger.attempts, default=0)

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """What followed from an event; None: from the time. The ledger has seen it."""
        self._reported.clear()
        if self._checks and isinstance(event, FrameReceived):
            self._hears(event, now, epoch)
        for action in actions:
            if isinstance(action, Publish):
                self._published(action.event, now)
            elif isinstance(action, Send):
                if isinstance(action.message, m.CheckOutputs):
                    self._asks(action.peer.decode(), action.message, now)
                elif isinstance(action.message, m.TaskResponse) and self._checks:
                    self._check_hand_outs(action.message)
        for key, outputs in self._reported.items():
            self._check_asked(key, outputs)
        for (job_id, worker), check in self._checks.items():
            if check.open and now > check.answer_by + _ROUNDING_S:
                is_late = event is None or now > check.answer_by + _TURN_S
                assert not is_late, f"{worker} does not answer for outputs of {job_id}: waited for"

    def master_restarted(self) -> None:
        """A new master asks anew."""
        self._checks.clear()

    # --- what is heard ---

    def _hears(self, event: FrameReceived, now: float, epoch: int) -> None:
        if not self._ledger.is_fresh or event.frame.epoch != epoch:
            return
        worker = event.peer.decode()
        # What is no peer's to say ends a frame.
        for message in takewhile(lambda said: isinstance(said, FROM_PEERS), event.frame.messages):
            if isinstance(message, m.OutputsChecked):
                check = self._checks.get((message.job_id, worker))
                if check is not None:
                    self._answered(check, message, now)

    def _answered(self, check: _Check, message: m.OutputsChecked, now: float) -> None:
        damaged = check.open.intersection(message.damaged)
        check.open -= damaged
        for output in check.open.intersection(message.whole):
            check.open.remove(output)
            check.whole[output] = self._newest
        check.answer_by = now + self._site.settings.lost_after_s
        left = [n & NUMBER for n in damaged if self._counts(n)]
        assert not left, f"the outputs of {left} are damaged, and not made again"

    def _counts(self, output: int) -> bool:
        """Whether the output of this attempt is one of a job, or step, that goes on."""
        seen = self._ledger.attempts.get(output)
        return (
            seen is not None
            and self._ledger.winners.get(seen.task) == output
            and self._goes_on(seen.task[0])
        )

    def _goes_on(self, step_id: str) -> bool:
        job = self._site.answers[step_id].job
        step, state = self._ledger.phases[job.id]
        return state not in ENDED and job.steps[step - 1].id == step_id

    # --- what is published ---

    def _published(self, event: m.Event, now: float) -> None:
        match event:
            case m.TaskEvent(state="failed", reason=m.FailureReason.LOST_INPUT):
                if event.kind is m.TaskKind.REDUCE:
                    self._reports(event)
            case m.TaskEvent(state="lost", text=text) if self._checks:
                self._lost(event, text, now)
            case m.TaskEvent(job_id=id, kind=m.TaskKind.REDUCE, state="succeeded"):
                if self._checks and self._ledger.has_all_files(self._site.answers[id]):
                    self._drop(lambda key: key[0] == id)  # nothing reads outputs any more
            case m.WorkerEvent(worker, "lost" | "left"):
                self._drop(lambda key: key[1] == worker)
            case m.JobEvent() if self._checks:
                self._drop(lambda key: not self._goes_on(key[0]))

    def _drop(self, is_over: Any) -> None:
        for key in [key for key in self._checks if is_over(key)]:
            del self._checks[key]

    def _reports(self, event: m.TaskEvent) -> None:
        """A reduce could not read some outputs."""
        id, job_id = self._ledger.id_of(event), event.job_id
        failed = self._ledger.failing.get(id)
        for index, output in failed.lost if failed is not None else ():
            seen = self._ledger.attempts.get(output)
            if seen is None or seen.task != (job_id, m.TaskKind.MAP, index):
                continue
            key = job_id, seen.worker
            is_own, number = seen.worker == event.worker, output & NUMBER
            if not is_own and self._ledger.peers[seen.worker].state in PRESENT:
                self._checks.setdefault(key, _Check()).perhaps.add(event.index)
            if not self._counts(output):
                continue
            assert not is_own, f"the output of {number} can't be read where it is, and is kept"
            check = self._checks[key]
            check.readers.add(event.index)
            is_known = id <= check.whole.get(output, id)
            assert is_known, f"the output of {number} can't be read, though whole, and is kept"
            self._reported.setdefault(key, set()).add(output)

    def _lost(self, event: m.TaskEvent, text: str, now: float) -> None:
        check = self._checks.get((event.job_id, event.worker))
        output = self._ledger.id_of(event)
        if "does not answer" in text:
            assert check is not None, f"{event}: it was not asked"
            assert output in check.open, f"{event}: it was not asked"
            assert now >= check.answer_by - _ROUNDING_S, f"{event} before its time"
            self._applied["an output is made again for want of an answer"] += 1
        if check is not None:
            check.open.discard(output)
            check.whole.pop(output, None)

    # --- what is asked ---

    def _asks(self, worker: str, message: m.CheckOutputs, now: float) -> None:
        key, asked = (message.job_id, worker), set(message.attempts)
        assert asked, f"{worker} is asked about no outputs"
        assert len(asked) == len(message.attempts), f"{worker} is asked twice at once: {message}"
        check = self._checks[key]
        again = asked & (check.open | check.whole.keys())
        assert not again, f"{worker} is asked once more about {[n & NUMBER for n in again]}"
        check.answer_by = now + self._site.settings.lost_after_s
        if not self._goes_on(message.job_id):
            return  # it has ended by the failure that led to the question
        for output in asked:
            is_its = self._counts(output) and self._ledger.attempts[output].worker == worker
            assert is_its, f"{worker} is asked about {output & NUMBER}, which it does not hold"
        others = asked - self._reported.get(key, set())
        assert not others or len(check.perhaps) > 1, f"{worker} is asked about others: {message}"
        check.open |= asked

    def _check_asked(self, key: _Key, outputs: set[int]) -> None:
        """The worker has been asked about what can't be read, or has said that it is whole."""
        job_id, worker = key
        check = self._checks.get(key)
        if check is None or not self._goes_on(job_id):
            return
        if len(check.readers) > 1:
            self._applied["all outputs are looked at when two reduces can't read some"] += 1
            outputs = outputs | self._held(job_id, worker)
        left = outputs - check.open - check.whole.keys()
        assert not left, f"{worker} is not asked about {[n & NUMBER for n in left]}"

    def _held(self, job_id: str, worker: str) -> set[int]:
        """The outputs of the job, or step, that the worker holds, and that count."""
        ledger = self._ledger
        return {
            output
            for task, output in ledger.winners.items()
            if task[0] == job_id and task[1] is m.TaskKind.MAP
            if ledger.attempts[output].worker == worker and output not in ledger.empty
        }

    def _check_hand_outs(self, response: m.TaskResponse) -> None:
        """No reduce begins before it is clear what can be read."""
        asked = {job_id for (job_id, _), check in self._checks.items() if check.open}
        begun = {task.job_id for task in response.tasks if task.kind is m.TaskKind.REDUCE}
        assert not asked & begun, f"a reduce of {asked & begun} begins, and a question is open"
