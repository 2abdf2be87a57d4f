"""Map outputs that somebody could not read: is it the output, or the way to it?

A report by a reduce on the very worker that has the output is a proof: the map runs again. After
any other report the worker is asked first (`CheckOutputs`), and no reduce of the job begins until
it has answered. What it says is damaged or gone is made again, and so is what it does not answer
for in time. What it says is whole stays, and the reduce is tried again; when a reduce that was
handed out after this answer still can't read it, the map runs again, whatever the reason. As soon
as a second reduce reports outputs of one worker, all of those outputs are looked at.

All of this is forgotten when the master is started again: then the next report leads to a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.humanize import counted
from zmr.core.jobs import JobRun
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker

if TYPE_CHECKING:
    from zmr.core.master import Master


class Doubt:
    """What is known of the reported outputs of one worker and one job."""

    __slots__ = ("answer_by", "asked", "readers", "vouched")

    def __init__(self) -> None:
        self.asked: dict[int, int] = {}  # no answer yet: attempt to the map's number
        self.answer_by = 0.0
        self.readers: set[int] = set()  # reduces that could not read some
        # Said to be whole: attempt to the newest attempt of any task by then.
        self.vouched: dict[int, int] = {}


class Doubts:
    """The part of the master that hears of unreadable map outputs. It shares the master's state."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._doubts: dict[tuple[bytes, str], Doubt] = {}  # by worker and job

    def reported(
        self, job: JobRun, reader: Attempt, lost: tuple[tuple[int, int], ...], now: float
    ) -> None:
        """A reduce could not read these map outputs: (map's number, attempt) each."""
        by_owner: dict[bytes, dict[int, int]] = {}
        for index, attempt_id in lost:
            if index < len(job.maps):
                source = job.maps.tasks[index]
                if source.is_result(attempt_id):
                    by_owner.setdefault(source.owner, {})[attempt_id] = index
        for owner, outputs in by_owner.items():
            worker = self._master.workers.get(owner)
            if worker is None or owner == reader.peer:
                self._lose(job, outputs, f"{reader.task} can't read it")
            else:
                self._weigh(job, worker, reader, outputs, now)

    def answered(self, worker: Worker, checked: m.OutputsChecked, now: float) -> None:
        """A worker has looked at some of its map outputs."""
        job = self._master.active.get(checked.job_id)
        doubt = self._doubts.get((worker.peer, checked.job_id))
        if job is None or doubt is None:
            self._master.ignored["nobody asked"] += 1
            return
        damaged = {a: doubt.asked.pop(a) for a in checked.damaged if a in doubt.asked}
        for attempt_id in checked.whole:
            if doubt.asked.pop(attempt_id, None) is not None:
                doubt.vouched[attempt_id] = self._master.newest_attempt
        doubt.answer_by = self._answer_by(now)
        self._lose(job, damaged, "others can't read it, and it is damaged or gone")
        self._go_on(job, worker.peer, doubt)

    def worker_gone(self, worker: Worker) -> None:
        """Nothing of it can be read any more, which is seen to elsewhere."""
        for peer, job_id in [key for key in self._doubts if key[0] == worker.peer]:
            del self._doubts[peer, job_id]
            if job := self._master.active.get(job_id):
                job.in_doubt.discard(peer)

    def job_ended(self, job: JobRun) -> None:
        """Nobody reads anything of it, or of this step of it, any more."""
        for key in [key for key in self._doubts if key[1] == job.id]:
            del self._doubts[key]
        job.in_doubt.clear()

    def tick(self, now: float) -> None:
        """Who does not answer has lost what was asked for."""
        for (peer, job_id), doubt in list(self._doubts.items()):
            if doubt.asked and doubt.answer_by <= now:
                job = self._master.active[job_id]
                name = self._master.name_of(peer)
                outputs, doubt.asked = doubt.asked, {}
                count = counted(len(outputs), "map output")
                self._master.log(Level.WARNING, f"worker {name} does not answer for {count}")
                self._lose(job, outputs, "others can't read it, and its worker does not answer")
                self._go_on(job, peer, doubt)

    def next_deadline(self) -> float | None:
        """When the next answer is overdue."""
        return min((d.answer_by for d in self._doubts.values() if d.asked), default=None)

    def _weigh(
        self, job: JobRun, worker: Worker, reader: Attempt, outputs: dict[int, int], now: float
    ) -> None:
        """Ask the worker about its outputs, or don't trust its answer any more."""
        doubt = self._doubts.setdefault((worker.peer, job.id), Doubt())
        doubt.readers.add(reader.task.index)
        vouched = doubt.vouched
        # Of a reduce that was under way before the answer, the report is none about it.
        again = {a: i for a, i in outputs.items() if a in vouched and reader.id > vouched[a]}
        self._lose(job, again, f"{reader.task} can't read it, although it is whole")
        if len(doubt.readers) > 1:
            held = worker.outputs.get(job.id, {})
            outputs = {a: i for a, i in held.items() if job.maps.tasks[i].is_result(a)} | outputs
        new = {a: i for a, i in outputs.items() if a not in doubt.asked and a not in vouched}
        if new:
            doubt.asked |= new
            doubt.answer_by = self._answer_by(now)
            job.in_doubt.add(worker.peer)
            self._master.send(worker.peer, m.CheckOutputs(job.id, tuple(new)))
            count = counted(len(new), "map output")
            self._master.log(
                Level.INFO, f"worker {worker.name} is asked whether {count} can be read"
            )

    def _answer_by(self, now: float) -> float:
        """A worker has as long to answer for each output as to show that it lives."""
        return now + self._master.settings.lost_after_s

    def _go_on(self, job: JobRun, peer: bytes, doubt: Doubt) -> None:
        if not doubt.asked:
            job.in_doubt.discard(peer)

    def _lose(self, job: JobRun, outputs: dict[int, int], why: str) -> None:
        for attempt_id, index in outputs.items():
            task = job.maps.tasks[index]
            if task.is_result(attempt_id):
                self._master.results.lose_output(job, task, why, may_return=False)
