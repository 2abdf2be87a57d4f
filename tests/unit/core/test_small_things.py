"""What goes wrong rarely, or only in a line of the log: each is said here once, directly."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.worker import Worker, done, spec, task

from zmr import messages as m
from zmr.core.actions import (
    Level,
    Log,
    MasterAction,
    Outcome,
    Quit,
    Send,
    SendSlot,
)
from zmr.core.events import FilesChecked, FrameReceived, JobGiven, StopRequested
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.slots import SlotTable
from zmr.core.states import JobState
from zmr.core.tasks import TaskRecord
from zmr.core.workers import Health
from zmr.messages import FailureReason, TaskKind

SPEC = m.JobSpec("job", "job", "wordcount", b"", "", (), 1, "/out")


class Cluster:
    """A master whose workers' words are written by the test."""

    def __init__(self, maps: int, job: m.JobSpec = SPEC) -> None:
        self.master = Master(1, MasterSettings())
        self.now = 0.0
        inputs = tuple(m.InputFile(f"/in{n}", 1, False) for n in range(maps))
        self.master.handle(JobGiven(m.Submit(job, inputs)), self.now)
        self.actions: list[MasterAction] = []

    def hears(self, worker: str, *messages: m.Message) -> list[m.Task]:
        """A frame of a worker; the tasks that it is given for it."""
        event = FrameReceived(worker.encode(), m.Frame(1, messages))
        self.actions = self.master.handle(event, self.now)
        sent = [a.message for a in self.actions if isinstance(a, Send) and a.peer == event.peer]
        return [task for each in sent if isinstance(each, m.TaskResponse) for task in each.tasks]

    def joins(self, worker: str, credit: int = 1) -> list[m.Task]:
        return self.hears(worker, m.Register(worker, worker, 1, 1), m.GetTask(credit))

    @property
    def log(self) -> list[tuple[Level, str]]:
        return [(a.level, a.text) for a in self.actions if isinstance(a, Log)]

    def fails(self, worker: str, task: m.Task, reason: FailureReason, text: str) -> list[m.Task]:
        failed = m.TaskFailed("job", task.kind, task.index, task.attempt, reason, text, text)
        return self.hears(worker, failed)


# --- the master ---


def test_a_worker_that_leaves_says_what_goes_to_others() -> None:
    cluster = Cluster(maps=3)
    [first] = cluster.joins("w1")
    [_] = cluster.hears(
        "w1", m.MapDone("job", first.index, first.attempt, "/o", m.Stats(), input_bytes=1)
    )
    cluster.hears("w1", m.Leave("enough"))
    assert any("1 running task and 1 map output go to others" in text for _, text in cluster.log)


def test_a_worker_that_leaves_with_a_map_output_alone_says_so() -> None:
    cluster = Cluster(maps=2)
    [first] = cluster.joins("w1")
    done = m.MapDone("job", first.index, first.attempt, "/o", m.Stats(), input_bytes=1)
    assert not cluster.hears("w1", done, m.GetTask(0))
    cluster.hears("w1", m.Leave("enough"))
    assert any("0 running tasks and 1 map output go to others" in text for _, text in cluster.log)


def test_a_worker_that_leaves_with_a_task_alone_says_so() -> None:
    cluster = Cluster(maps=2)
    [_] = cluster.joins("w1")
    cluster.hears("w1", m.Leave("enough"))
    assert any("1 running task and 0 map outputs go to others" in text for _, text in cluster.log)


def test_a_worker_that_leaves_with_nothing_is_no_warning() -> None:
    cluster = Cluster(maps=1)
    assert not cluster.joins("w1", credit=0)
    cluster.hears("w1", m.Leave("enough"))
    assert not [text for level, text in cluster.log if level >= Level.WARNING]


def test_a_map_whose_output_goes_to_reduces_commits_no_file() -> None:
    cluster = Cluster(maps=1)
    [first] = cluster.joins("w1")
    file = m.OutputFile("mr-out-0", 1, "crc32:00000000")
    forged = m.MapDone("job", first.index, first.attempt, "/o", m.Stats(), file=file)
    assert not cluster.hears("w1", forged)
    assert cluster.master.ignored["result of another kind of job"] == 1
    assert cluster.master.jobs["job"].maps.remaining == 1


@pytest.mark.parametrize("read", [0, 2])
def test_a_map_that_has_not_read_its_input_has_failed(read: int) -> None:
    # Given a worker that says of a map over a byte that it is done, and put out nothing
    cluster = Cluster(maps=1)
    [first] = cluster.joins("w1")
    done = m.MapDone("job", first.index, first.attempt, "", m.Stats(), input_bytes=read)
    [second] = cluster.hears("w1", done, m.GetTask(1))
    # Then that is not believed, and the map runs again
    assert (second.kind, second.index) == (TaskKind.MAP, 0)
    assert any(f"it read {read} of 1 bytes of its input" in text for _, text in cluster.log)
    # But where files may be left out, it is not known how much there was to be read
    spec = replace(SPEC, skip_bad_files=1)
    cluster = Cluster(maps=1, job=spec)
    [first] = cluster.joins("w1")
    left_out = replace(done, attempt=first.attempt, skipped_files=1, last_skipped="/in0")
    [reduce] = cluster.hears("w1", left_out, m.GetTask(1))
    assert reduce.kind is TaskKind.REDUCE


def test_only_the_first_error_of_the_jobs_own_code_is_no_warning() -> None:
    cluster = Cluster(maps=1)
    [first] = cluster.joins("w1")
    [second] = cluster.fails("w1", first, FailureReason.USER_ERROR, "ValueError: x")
    assert [level for level, text in cluster.log if "ValueError" in text] == [Level.INFO]
    cluster.fails("w1", second, FailureReason.SLOT_DIED, "killed by SIGKILL")
    assert [level for level, text in cluster.log if "SIGKILL" in text] == [Level.WARNING]


def test_the_one_that_can_work_is_let_out_of_quarantine() -> None:
    # Given two workers without room, of which the first takes no tasks any more
    cluster = Cluster(maps=4)
    [one], [other] = cluster.joins("w1"), cluster.joins("w2")
    cluster.hears("w1", m.GetTask(0))
    cluster.fails("w1", one, FailureReason.DISK_FULL, "No space left on device")
    cluster.now += 1.0
    cluster.fails("w2", other, FailureReason.DISK_FULL, "No space left on device")
    # Then the second is given tasks again, although its quarantine began later
    states = {w.name: w.condition for w in cluster.master.cluster.workers.present}
    assert states["w1"] == "quarantined"
    assert states["w2"] != "quarantined"


def test_of_two_that_can_work_the_one_that_would_be_out_first_is() -> None:
    cluster = Cluster(maps=6)
    [one], [other], [third] = (cluster.joins(worker) for worker in ("w1", "w2", "w3"))
    for worker, given in (("w1", one), ("w2", other), ("w3", third)):
        cluster.now += 1.0
        if worker == "w3":
            cluster.hears("w3", m.GetTask(0))
        cluster.fails(worker, given, FailureReason.DISK_FULL, "No space left on device")
    states = {w.name: w.condition for w in cluster.master.cluster.workers.present}
    assert states["w1"] != "quarantined"
    assert states["w2"] == states["w3"] == "quarantined"


def test_only_what_was_thought_lost_is_said_to_have_been() -> None:
    # Given a map that is complete on a worker, and another one that runs there when it falls silent
    cluster = Cluster(maps=2)
    [first] = cluster.joins("w1")
    [second] = cluster.hears(
        "w1",
        m.MapDone("job", first.index, first.attempt, "/o", m.Stats(), input_bytes=1),
        m.GetTask(1),
    )
    assert not [text for _, text in cluster.log if "thought lost" in text]
    for cluster.now in (50.0, 100.0):
        cluster.master.tick(cluster.now)
    # When it is back with both
    other = m.MapDone("job", second.index, second.attempt, "/p", m.Stats(), input_bytes=1)
    cluster.hears("w1", m.Register("w1", "w1", 1, 1, held=(other,)))
    assert any("thought lost, is complete on w1" in text for _, text in cluster.log)


def test_a_failure_of_just_too_long_ago_is_forgotten() -> None:
    health = Health()
    for n, at in enumerate((0.0, 30.0, 60.0)):
        health.failed(TaskRecord(TaskKind.MAP, n), at)
    assert health.bad_since != 0.0


def test_an_outcome_is_not_for_want_of_workers_unless_it_says_so() -> None:
    assert not Outcome(SPEC, JobState.FAILED).out_of_workers


def test_a_master_that_has_ended_for_its_next_start_does_nothing_more() -> None:
    master = Master(1, MasterSettings(keeps_jobs=True))
    master.restore((), 0.0)
    inputs = (m.InputFile("/in", 1, False),)
    master.handle(JobGiven(m.Submit(SPEC, inputs)), 0.0)
    register = FrameReceived(b"w1", m.Frame(1, (m.Register("w1", "w1", 1, 1),)))
    master.handle(register, 0.0)
    ended = master.handle(StopRequested("SIGTERM", 143), 0.0)
    assert [a.exit_status for a in ended if isinstance(a, Quit)] == [143]
    asks = FrameReceived(b"w1", m.Frame(1, (m.GetTask(1),)))
    sent = [a.message for a in master.handle(asks, 0.0) if isinstance(a, Send)]
    assert not [each for each in sent if isinstance(each, m.TaskResponse)]


def test_what_a_worker_said_before_it_registers_is_no_reason_to_register_again() -> None:
    cluster = Cluster(maps=1)
    cluster.hears("w1", m.Heartbeat(1), m.Register("w1", "w1", 1, 1))
    sent = [type(a.message) for a in cluster.actions if isinstance(a, Send)]
    assert m.Registered in sent
    assert m.RegisterAgain not in sent


def test_a_map_output_is_not_made_again_when_all_reduces_are_complete() -> None:
    cluster = Cluster(maps=1)
    [first] = cluster.joins("w1")
    [reduce] = cluster.hears(
        "w1",
        m.MapDone("job", first.index, first.attempt, "/o", m.Stats(), input_bytes=1),
        m.GetTask(1),
    )
    cluster.hears("w1", m.CommitRequest("job", TaskKind.REDUCE, 0, reduce.attempt))
    file = m.OutputFile("mr-out-0", 1, "crc32:00000000")
    cluster.hears("w1", m.ReduceDone("job", 0, reduce.attempt, file, m.Stats()))
    # While the manifest is written, the worker leaves, and another one asks for work
    cluster.hears("w1", m.Leave("enough"))
    assert not cluster.joins("w2")
    assert cluster.master.jobs["job"].maps.remaining == 0


# --- the worker ---


def test_a_task_behind_one_that_was_here_before_is_taken_on() -> None:
    worker = Worker()
    worker.gets(1)
    worker.hears(m.TaskResponse((task(1), task(2)), (spec(),)))
    assert worker.core.attempts == [1, 2]


def test_what_is_damaged_is_said() -> None:
    worker = Worker()
    worker._event(FilesChecked("job", (), (1, 2)))
    assert [a.text for a in worker.did(Log)] == ["job job: 2 map outputs damaged or gone"]
    worker._event(FilesChecked("job", (1,), ()))
    assert not worker.did(Log)


def test_who_has_failed_asks_no_more_to_publish() -> None:
    worker = Worker()
    worker.gets(1)
    worker.slot_says(m.CommitRequest("job", TaskKind.MAP, 1, 1))
    assert worker.said(m.CommitRequest)
    failed = m.TaskFailed("job", TaskKind.MAP, 1, 1, FailureReason.USER_ERROR, "ValueError")
    worker.slot_says(failed)
    worker.passes(3.0)
    assert not worker.said(m.CommitRequest)


def test_a_job_that_is_dropped_leaves_nothing_in_the_queue() -> None:
    table = SlotTable(1)
    table.queue.extend([task(1, "one"), task(2, "other"), task(3, "one")])
    table.drop_job("one")
    assert [each.attempt for each in table.queue] == [2]


def test_a_task_is_given_to_a_slot_once() -> None:
    worker = Worker()
    worker.gets(1)
    assert len([each for each in worker.did(SendSlot) if isinstance(each.message, m.Task)]) == 1
    worker.slot_says(done(1))
    assert not worker.did(SendSlot)
