"""Mistakes of workers, planted like those of `defects`: what they owe their master is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zmr import messages as m
from zmr.core import slots, worker
from zmr.core.actions import DiscardFiles, Level, Log, SendMaster, WorkerAction
from zmr.core.events import StopRequested
from zmr.core.worker import WorkerCore

from .planting import defect

# --- what is said ------------------------------------------------------------------------------


@defect("nothing is said of outputs that are not there", worker._FROM_MASTER, m.CheckOutputs)
def _(
    core: WorkerCore, check: m.CheckOutputs, right: Any = worker._FROM_MASTER[m.CheckOutputs]
) -> None:
    right(core, replace(check, attempts=tuple(a for a in check.attempts if a in core.held)))


@defect("a request to publish is made once", WorkerCore, "_heartbeat")
def _(core: WorkerCore, now: float, right: Any = WorkerCore._heartbeat) -> None:
    commits, core.commits = core.commits, {}
    right(core, now)
    core.commits = commits


@defect("registrations come as often as at first", WorkerCore, "_register")
def _(core: WorkerCore, now: float, right: Any = WorkerCore._register) -> None:
    right(core, now)
    core._register_wait_s = 0.5


@defect("a worker waits for ever, and never says so", WorkerCore, "_log")
def _(core: WorkerCore, level: Level, text: str) -> None:
    if level is not Level.WARNING:
        core._actions.append(Log(level, text))


@defect("a worker never gives up its master", WorkerCore, "_gives_up_at")
def _(core: WorkerCore) -> float:
    return float("inf")


@defect("what waits seems to run", WorkerCore, "_send")
def _(core: WorkerCore, message: m.Message) -> None:
    if isinstance(message, m.Heartbeat):
        rows = tuple(row._replace(queued=False) for row in message.progress)
        message = replace(message, progress=rows)
    core._actions.append(SendMaster(message))


@defect("a slot that dies is blamed on its first record", worker, "slot_death")
def _(ended: m.SlotEnded, memory_bytes: int, read: int, right: Any = slots.slot_death) -> Any:
    return right(replace(ended, record=max(ended.record, 0)), memory_bytes, read)


# --- what is done ------------------------------------------------------------------------------


@defect("the outputs of cancelled attempts stay", WorkerCore, "_settle")
def _(core: WorkerCore, now: float, right: Any = WorkerCore._settle) -> list[WorkerAction]:
    return [action for action in right(core, now) if not isinstance(action, DiscardFiles)]


@defect("a worker that drains does not wait for its results to count", WorkerCore, "_may_leave")
def _(core: WorkerCore, right: Any = WorkerCore._may_leave) -> bool:
    return right.fget(core) or not any(slot.tasks for slot in core.slots.slots)


@defect("a worker that drains lets no one read its outputs", WorkerCore, "_stop")
def _(core: WorkerCore, stop: StopRequested, now: float, right: Any = WorkerCore._stop) -> None:
    right(core, stop, now)
    core._serves_until = None


@defect("a worker that drains serves its outputs for ever", WorkerCore, "tick")
def _(core: WorkerCore, now: float, right: Any = WorkerCore.tick) -> list[WorkerAction]:
    core._serves_until = core._serves_until and float("inf")
    return right(core, now)  # type: ignore[no-any-return]


@defect("quick tasks are asked for one by one", WorkerCore, "_depth")
def _(core: WorkerCore) -> int:
    return 1


@defect("tasks wait in the first slot while others have fewer", slots.SlotTable, "place")
def _(self: slots.SlotTable, most: int, right: Any = slots.SlotTable.place) -> slots.Slot | None:
    slot: slots.Slot | None = right(self, most)
    if slot is None or not slot.tasks:
        return slot
    of_job = (each for each in self.slots if each.job_id == slot.job_id)
    return next((each for each in of_job if len(each.tasks) < most), None)
