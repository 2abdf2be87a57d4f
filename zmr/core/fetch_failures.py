"""Map outputs that a reduce could not read: is it the output, or the way to it?

A report by a reduce on the very worker that has the output is a proof: the map runs again. After
any other report the worker is asked first (`CheckOutputs`), and no reduce of the job begins until
it has answered. What it finds damaged or gone is made again, and so is what it does not answer
for in time. What it finds whole stays, and the reduce is tried again; when a reduce that was
handed out after this answer still can't read it, the map runs again, whatever the reason. As soon
as a second reduce reports outputs of one worker, all of those outputs are looked at.

All of this is forgotten when the master is started again: then the next report leads to a question.
"""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.cluster import Cluster
from zmr.core.jobs import JobRun
from zmr.core.notices import Notices
from zmr.core.outbox import Outbox
from zmr.core.settings import MasterSettings
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker
from zmr.display import counted


class FetchFailures:
    def __init__(
        self, cluster: Cluster, outbox: Outbox, settings: MasterSettings, notices: Notices
    ) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._settings = settings
        self._notices = notices

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
            worker = self._cluster.workers.get(owner)
            if worker is None or owner == reader.peer:
                self._lose(job, outputs, f"{reader.task} can't read it", now)
            else:
                self._look_into(job, worker, reader, outputs, now)

    def answered(self, worker: Worker, checked: m.OutputsChecked, now: float) -> None:
        """A worker has looked at some of its map outputs."""
        job = self._cluster.active.get(checked.job_id)
        if job is None or job.output_checks.get(worker.peer) is None:
            self._outbox.ignored["an answer without a question"] += 1
            return
        damaged = self._cluster.outputs_are_not_whole(job, worker.peer, checked.damaged)
        self._cluster.outputs_are_whole(job, worker, checked.whole, self._answer_by(now))
        self._lose(job, damaged, "others can't read it, and it is damaged or gone", now)

    def tick(self, now: float) -> None:
        """What a worker does not answer for in time is lost."""
        for job in self._cluster.active.values():
            for peer, check in list(job.output_checks.awaited.items()):
                if check.answer_by <= now:
                    asked = tuple(check.unanswered)
                    outputs = self._cluster.outputs_are_not_whole(job, peer, asked)
                    name, count = self._cluster.name_of(peer), counted(len(outputs), "map output")
                    self._outbox.log(Level.WARNING, f"worker {name} does not answer for {count}")
                    why = "others can't read it, and its worker does not answer"
                    self._lose(job, outputs, why, now)

    def next_deadline(self) -> float | None:
        """When the next answer is overdue."""
        jobs = self._cluster.active.values()
        awaited = (check for job in jobs for check in job.output_checks.awaited.values())
        return min((check.answer_by for check in awaited), default=None)

    def _look_into(
        self, job: JobRun, worker: Worker, reader: Attempt, outputs: dict[int, int], now: float
    ) -> None:
        """Ask the worker about its outputs, or rely on its answer no more."""
        self._cluster.failed_to_read(job, worker, reader.task)
        check = job.output_checks.get(worker.peer)
        assert check is not None
        verified = check.verified
        # Of a reduce that was under way before the answer, the report says nothing about it.
        again = {a: i for a, i in outputs.items() if a in verified and reader.id > verified[a]}
        self._lose(job, again, f"{reader.task} can't read it, although it is whole", now)
        if len(check.readers) > 1:
            outputs = worker.outputs.get(job.id, {}) | outputs
        new = {a: i for a, i in outputs.items() if a not in check.unanswered and a not in verified}
        if new:
            self._cluster.ask_for_outputs(job, worker, new, self._answer_by(now))
            self._outbox.send(worker.peer, m.CheckOutputs(job.id, tuple(new)))
            count = counted(len(new), "map output")
            text = f"worker {worker.name} is asked whether {count} can be read"
            self._outbox.log(Level.INFO, text)

    def _answer_by(self, now: float) -> float:
        """A worker has as long to answer for each output as to show that it lives."""
        return now + self._settings.lost_after_s

    def _lose(self, job: JobRun, outputs: dict[int, int], why: str, now: float) -> None:
        for attempt_id, index in outputs.items():
            task = job.maps.tasks[index]
            if task.is_result(attempt_id):
                self._notices.lose_output(job, task, why, may_return=False, now=now)
