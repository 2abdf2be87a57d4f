"""A journal that an earlier zmr has written is read, and its jobs go on to their end."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from zmr import messages as m
from zmr.core import journal as j
from zmr.core.actions import Append, CompleteOutput, JobEnded, MasterAction, Send
from zmr.core.events import FrameReceived, OutputCompleted
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.journal.store import VERSION, Journal

VERSION_1 = Path(__file__).parent / "version_1"
WORKER = b"a new worker"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The journal of the earlier zmr, which this one may write to."""
    copy = tmp_path / "state"
    shutil.copytree(VERSION_1, copy)
    return copy


class Restarted:
    """A master on the journal, and a worker that completes whatever it is given."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(str(folder))
        self.master = Master(self.journal.last_epoch() + 1, MasterSettings(keeps_jobs=True))
        self.now = 0.0
        self.ended: dict[str, JobState] = {}
        self._to_worker: list[m.Message] = []
        self._perform(self.master.restore(self.journal.read(), self.now))

    def say(self, *messages: m.Message) -> None:
        """Tell the master, as the worker."""
        frame = m.Frame(self.master.epoch, messages)
        self._perform(self.master.handle(FrameReceived(WORKER, frame), self.now))

    def _perform(self, actions: list[MasterAction]) -> None:
        for action in actions:
            match action:
                case Append(records):
                    self.journal.append(records)
                case Send(_, message):
                    self._to_worker.append(message)
                case CompleteOutput(outcome):
                    done = OutputCompleted(outcome.spec.job_id)
                    self._perform(self.master.handle(done, self.now))
                case JobEnded(outcome):
                    self.ended[outcome.spec.job_id] = outcome.state
        self.journal.commit()

    def work(self) -> None:
        """Let time pass, and complete what has been handed out."""
        self.now += 0.5
        self._perform(self.master.tick(self.now))
        messages, self._to_worker = self._to_worker, []
        self.say(m.Heartbeat(credit=8))
        for message in messages:
            for task in message.tasks if isinstance(message, m.TaskResponse) else ():
                self._complete(task)

    def _complete(self, task: m.Task) -> None:
        file = m.OutputFile(f"mr-out-{task.index}", 5, "crc32:00000001")
        job_id, index, attempt = task.job_id, task.index, task.attempt
        read = sum(split.size_bytes for split in task.splits)
        has_output = task.kind is m.TaskKind.REDUCE or not task.n_reduce
        if has_output:
            self.say(m.CommitRequest(job_id, task.kind, index, attempt))
        if task.kind is m.TaskKind.REDUCE:
            self.say(m.ReduceDone(job_id, index, attempt, file, m.Stats()))
        elif has_output:
            self.say(m.MapDone(job_id, index, attempt, "", m.Stats(), file=file, input_bytes=read))
        else:
            self.say(
                m.MapDone(job_id, index, attempt, f"/tmp/{attempt}", m.Stats(), input_bytes=read)
            )


def test_a_journal_of_version_1_is_read(folder: Path) -> None:
    assert VERSION == 1
    journal = Journal(str(folder))
    records = list(journal.read())
    journal.close()
    leave_nothing = {j.WorkerGone, j.JobForgotten}
    assert {type(record) for record in records} == set(get_args(j.Record)) - leave_nothing
    assert Counter(type(record) for record in records)[j.HandedOut] == 9
    submitted = next(record for record in records if isinstance(record, j.JobSubmitted))
    assert submitted.submit.spec.params == (("size", "3"),)
    assert submitted.submit.inputs[3] == m.InputFile("/in/3-\udcff.txt", 100, splittable=False)


def test_the_jobs_of_a_journal_of_version_1_go_on_to_their_end(folder: Path) -> None:
    restarted = Restarted(folder)
    states = {job.public_id: job.state for job in restarted.master.jobs.values()}
    assert states.pop("ended") is JobState.DONE
    assert states == dict.fromkeys(("unfinished", "pipeline", "map-only"), JobState.MAP)

    restarted.say(m.Register("new", "host", 1, 8, shuffle_address="tcp://127.0.0.1:5000"))
    for _ in range(200):
        restarted.work()
    restarted.journal.close()

    assert restarted.ended == dict.fromkeys(states, JobState.DONE)
    again = Journal(str(folder))
    closed = [record.status.job_id for record in again.firsts() if isinstance(record, j.JobClosed)]
    again.close()
    assert sorted(closed) == ["ended", "map-only", "pipeline", "unfinished"]
