"""A worker core by itself: what its master and its slots say, and what it does about it."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from support.worker import Worker, done, spec, task

from zmr import messages as m
from zmr.core.actions import (
    CheckFiles,
    DiscardFiles,
    DiscardJob,
    KillSlot,
    Quit,
    SendMaster,
    SendSlot,
    StartSlot,
)
from zmr.core.slots import slot_death
from zmr.core.worker import WorkerCore
from zmr.messages import SlotEnded, TaskKind

# --- what it says ------------------------------------------------------------------------------


def test_a_result_is_repeated_until_it_is_acknowledged() -> None:
    worker = Worker()
    worker.gets(1)
    worker.slot_says(done(1))
    assert worker.said(m.MapDone) == [done(1)]
    worker.passes(2.0)
    assert worker.said(m.MapDone) == [done(1)] * 2
    worker.hears(m.Ack((1,)))
    worker.passes(2.0)
    assert not worker.said(m.MapDone)


def test_a_result_from_before_it_is_registered_is_told_afterwards() -> None:
    worker = Worker()
    worker.gets(1)
    worker.hears(m.RegisterAgain())
    (register,) = worker.said(m.Register)
    assert register.running == (1,)
    worker.slot_says(done(1))
    assert not worker.said(m.MapDone)

    worker.hears(m.Registered(1.0, 5.0))

    assert worker.said(m.MapDone) == [done(1)]
    worker.hears(m.RegisterAgain())
    (register,) = worker.said(m.Register)
    assert (register.running, register.held) == ((), (done(1),))


def test_a_heartbeat_tells_of_all_that_it_has() -> None:
    worker = Worker(slots=2)
    worker.gets(1, 2, 3)
    worker.slot_says(m.Progress(1, 10, 100))
    worker.slot_says(m.Progress(1, 20, 200))
    worker.passes(1.0)
    (heartbeat,) = worker.said(m.Heartbeat)
    assert heartbeat.progress == (
        m.Progress(1, 20, 200), m.Progress(2, starting=True), m.Progress(3, queued=True)
    )  # fmt: skip
    assert heartbeat.credit == 2


def test_it_asks_for_more_at_a_time_when_tasks_are_quick() -> None:
    worker = Worker(slots=2)
    worker.gets(1)
    worker.now += 0.02
    worker.slot_says(done(1))
    assert worker.said(m.GetTask) == [m.GetTask(2 * 4)]
    worker.gets(2)
    worker.now += 60.0
    worker.slot_says(done(2))
    assert worker.said(m.GetTask) == [m.GetTask(2)]


@pytest.mark.parametrize(("asked_s", "interval_s"), [(1e-6, 0.01), (0.02, 0.02), (1000.0, 60.0)])
def test_heartbeats_are_no_flood_and_come_now_and_then(asked_s: float, interval_s: float) -> None:
    worker = Worker(register=False)
    worker.hears(m.Registered(asked_s, 5.0))
    worker.passes(0.99 * interval_s)
    assert not worker.said(m.Heartbeat)
    worker.passes(0.02 * interval_s)
    assert len(worker.said(m.Heartbeat)) == 1


# --- slots -------------------------------------------------------------------------------------


def test_a_slot_starts_with_its_job_and_goes_on_with_it() -> None:
    worker = Worker(slots=2)
    worker.gets(1)
    (start,) = worker.did(StartSlot)
    assert (start.slot, start.job.spec, start.job.folder) == (0, spec(), "/local/job")
    worker.slot_says(done(1))
    worker.gets(2)
    assert not worker.did(StartSlot)
    assert worker.begun() == [(0, 2)]


def test_what_waits_behind_a_task_that_dies_keeps_its_turn() -> None:
    worker = Worker()
    worker.make_quick()
    worker.gets(2, 3, 4)
    assert worker.begun() == [(0, 2), (0, 3), (0, 4)]

    worker.slot_ends(signal=11)

    (failed,) = worker.said(m.TaskFailed)
    assert (failed.attempt, failed.reason) == (2, m.FailureReason.SLOT_DIED)
    assert worker.begun() == [(0, 3), (0, 4)]


def test_what_waits_behind_a_cancelled_task_keeps_its_turn() -> None:
    worker = Worker()
    worker.make_quick()
    worker.gets(2, 3, 4)
    worker.hears(m.Cancel((2, 4), "no use"))
    assert worker.did(KillSlot) == [KillSlot(0)]
    worker.slot_says(done(2))  # its last words, too late
    assert not worker.did(SendMaster)
    worker.slot_ends()
    assert worker.begun() == [(0, 3)]
    assert not worker.said(m.TaskFailed)


def test_a_cancelled_task_in_a_slot_is_stopped_when_its_turn_comes() -> None:
    worker = Worker()
    worker.make_quick()
    worker.gets(2, 3)
    worker.hears(m.Cancel((3,), "no use"))
    assert not worker.did(KillSlot)
    assert worker.core.attempts == [2]
    worker.slot_says(done(2))
    assert worker.did(KillSlot) == [KillSlot(0)]


def test_an_idle_slot_dies_in_silence() -> None:
    worker = Worker()
    worker.gets(1)
    worker.slot_says(done(1))
    worker.slot_ends()
    assert not worker.said(m.TaskFailed)
    worker.gets(2)
    assert worker.did(StartSlot)


def test_one_idle_slot_of_another_job_is_replaced_for_one_task() -> None:
    worker = Worker(slots=3)
    worker.gets(1, 2, 3, job_id="old")
    for slot in range(3):
        worker.slot_says(done(slot + 1, "old"), slot)

    worker.gets(4, job_id="new")
    assert worker.did(KillSlot) == [KillSlot(0)]
    worker.hears(m.HeartbeatReply())
    assert not worker.did(KillSlot)
    worker.slot_ends(0)

    assert [start.job.spec.job_id for start in worker.did(StartSlot)] == ["new"]
    assert worker.begun() == [(0, 4)]


def test_a_commit_is_asked_for_until_it_is_answered_once() -> None:
    worker = Worker()
    worker.gets(1)
    request = m.CommitRequest("job", TaskKind.MAP, 1, 1)
    worker.slot_says(request)
    assert worker.said(m.CommitRequest) == [request]
    worker.passes(1.0)
    assert worker.said(m.CommitRequest) == [request]
    worker.hears(m.CommitReply(1, granted=True))
    assert worker.did(SendSlot) == [SendSlot(0, m.CommitReply(1, granted=True))]
    worker.hears(m.CommitReply(1, granted=False))
    assert not worker.did(SendSlot)
    worker.passes(1.0)
    assert not worker.said(m.CommitRequest)


def test_the_leave_to_publish_goes_to_the_slot_that_asks() -> None:
    worker = Worker(slots=3)
    worker.gets(1, 2)
    worker.slot_says(m.CommitRequest("job", TaskKind.MAP, 2, 2), slot=1)
    reply = m.CommitReply(2, granted=True)
    worker.hears(reply)
    assert worker.did(SendSlot) == [SendSlot(1, reply)]


# --- late, doubled, contradictory --------------------------------------------------------------


def test_a_task_that_comes_twice_is_begun_once_even_long_after_its_end() -> None:
    worker = Worker()
    worker.gets(1)
    worker.gets(1)
    assert not worker.begun()
    worker.slot_says(done(1))
    worker.hears(m.Ack((1,)))
    worker.gets(1)
    assert not worker.begun()
    assert worker.core.ignored["task that was here before"] == 2


def test_another_master_counts_its_attempts_from_where_it_likes() -> None:
    worker = Worker(slots=2)
    worker.gets(5)
    worker.hears(m.RegisterAgain(), epoch=8)
    worker.hears(m.Registered(1.0, 5.0), epoch=8)
    worker.hears(m.TaskResponse((task(3),), (spec(),)), epoch=8)
    assert worker.begun() == [(1, 3)]


def test_a_task_whose_job_is_unknown_is_left_for_the_master_to_miss() -> None:
    worker = Worker()
    worker.hears(m.TaskResponse((task(1),)))
    assert not worker.begun()
    assert worker.core.attempts == []


def test_a_job_can_be_forgotten_while_a_slot_of_it_is_being_stopped() -> None:
    # Given a slot that is stopped, and a task of the same job that waits in it.
    worker = Worker()
    worker.make_quick()
    worker.gets(2, 3)
    worker.hears(m.Cancel((2,), "no use"))
    worker.hears(m.ForgetJob("job"))
    # The folder stays until the slot can write there no more.
    assert not worker.did(DiscardJob)
    worker.slot_ends()
    assert worker.did(DiscardJob) == [DiscardJob("job")]
    assert not worker.begun()
    assert worker.core.attempts == []


def test_a_cancelled_output_is_discarded_and_not_offered_again() -> None:
    worker = Worker()
    worker.gets(1)
    worker.slot_says(done(1))
    worker.hears(m.Cancel((1,), "another attempt was first"))
    assert worker.did(DiscardFiles) == [DiscardFiles(("/local/job/1",))]
    worker.hears(m.RegisterAgain())
    assert worker.said(m.Register)[0].held == ()


def test_a_worker_that_registers_anew_drops_jobs_of_which_it_has_nothing() -> None:
    # Given two jobs, of which one has left an output here and the other an idle slot.
    worker = Worker(slots=2)
    worker.gets(1, job_id="held")
    worker.gets(2, job_id="over")
    worker.slot_says(done(1, "held"), 0)
    worker.slot_says(m.TaskFailed("over", TaskKind.MAP, 2, 2, m.FailureReason.USER_ERROR, ""), 1)
    worker.hears(m.RegisterAgain())

    worker.hears(m.Registered(1.0, 5.0))

    assert worker.did(KillSlot) == [KillSlot(1)]
    assert worker.core.jobs.keys() == {"held"}


def test_messages_of_another_master_change_nothing() -> None:
    worker = Worker()
    worker.gets(1)
    worker.hears(m.Exit("go"), m.Cancel((1,)), m.ForgetJob("job"), epoch=6)
    assert not worker.actions
    assert worker.core.ignored["not from this master"] == 3


def test_a_second_answer_to_its_registration_changes_nothing() -> None:
    worker = Worker()
    worker.gets(1)
    worker.hears(m.Registered(1.0, 5.0))
    assert not worker.actions


# --- the end -----------------------------------------------------------------------------------


def test_a_draining_worker_begins_nothing_new() -> None:
    worker = Worker(slots=2)
    worker.gets(1, 2, 3)
    worker.interrupted()
    assert worker.said(m.GetTask) == [m.GetTask(0)]
    worker.gets(4)  # it was on its way
    assert worker.core.attempts == [1, 2]
    worker.slot_says(done(1))
    assert not worker.begun()
    worker.slot_says(done(2), 1)
    assert not worker.did(Quit), "results are not told for sure yet"
    worker.hears(m.Ack((1, 2)))
    assert not worker.did(Quit), "others may read its map outputs"
    worker.hears(m.ForgetJob("job"))
    assert worker.did(Quit) == [Quit("stopped by SIGTERM", 143)]
    assert worker.said(m.Leave)


def test_a_draining_worker_serves_its_outputs_until_their_job_is_over() -> None:
    worker = Worker()
    worker.gets(1)
    worker.slot_says(done(1))
    worker.hears(m.Ack((1,)))
    worker.interrupted()
    assert not worker.did(Quit), "others may read its map output"
    worker.hears(m.ForgetJob("job"))
    assert worker.did(Quit) == [Quit("stopped by SIGTERM", 143)]


def test_a_draining_worker_serves_its_outputs_for_so_long_and_no_longer() -> None:
    worker = Worker()
    worker.gets(1, 2)
    worker.slot_says(done(1))
    worker.hears(m.Ack((1,)))
    worker.interrupted()
    worker.passes(worker.core.settings.drain_timeout_s + 1.0)
    assert not worker.did(Quit), "a task runs"
    worker.slot_says(done(2))
    worker.hears(m.Ack((2,)))
    assert worker.did(Quit)


def test_a_draining_workers_slot_that_dies_is_not_replaced() -> None:
    worker = Worker()
    worker.make_quick()
    worker.gets(2, 3)
    worker.interrupted()
    worker.slot_ends()
    assert not worker.did(StartSlot)
    assert worker.core.attempts == []


@pytest.mark.parametrize("registered", [True, False])
def test_with_nothing_to_wait_for_the_first_signal_is_enough(registered: bool) -> None:
    worker = Worker(register=registered)
    worker.interrupted()
    assert worker.did(Quit)
    assert bool(worker.said(m.Leave)) == registered


def test_a_deadline_that_is_met_to_the_bit_is_met() -> None:
    # 0.7 s after some of these moments is, in floating point, a little less than 0.7 s after.
    for tenths in range(100):
        worker = Worker(register=False)
        settings = replace(worker.core.settings, death_timeout_s=0.7)
        core = WorkerCore(settings, tenths / 10)
        for _ in range(10):
            deadline = core.next_deadline()
            if deadline is None:
                break
            core.tick(deadline)
        assert deadline is None, "it never gives up"


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15])
def test_a_signal_is_called_by_its_name(number: int) -> None:
    _, text, known = slot_death(SlotEnded(0, None, number, 0, over_memory=False), 0, 0)
    is_named = number not in (5, 7, 10)  # these differ from system to system
    name = signal.Signals(number).name if is_named else f"signal {number}"
    assert f"killed by {name}" in text
    assert known.signal == number


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (TaskKind.MAP, "of memory, and had read 1,234 records or more"),
        (TaskKind.REDUCE, "of memory"),
    ],
)
def test_of_a_map_whose_slot_dies_it_says_how_far_it_was(kind: TaskKind, text: str) -> None:
    worker = Worker()
    worker.hears(m.TaskResponse((task(1)._replace(kind=kind),), (spec(),)))
    worker.slot_says(m.Progress(1, 1234, 9999))
    worker.slot_ends()
    (failed,) = worker.said(m.TaskFailed)
    assert failed.message.endswith(text)


def test_of_outputs_that_it_does_not_have_it_says_so_at_once() -> None:
    worker = Worker()
    worker.gets(1)
    worker.slot_says(done(1))
    worker.hears(m.CheckOutputs("job", (1, 5, 6)))
    assert worker.said(m.OutputsChecked) == [m.OutputsChecked("job", damaged=(5, 6))]
    assert worker.did(CheckFiles) == [CheckFiles("job", ((1, "/local/job/1"),))]


def test_exit_is_obeyed_at_once() -> None:
    worker = Worker()
    worker.gets(1)
    worker.hears(m.Exit("the job has ended"))
    assert worker.did(Quit) == [Quit("the job has ended", 0)]
    assert worker.core.next_deadline() is None


def test_what_comes_behind_an_exit_changes_nothing() -> None:
    """A registration that arrived twice is answered twice, the second time by one that ends."""
    worker = Worker()
    worker.hears(m.Exit("the job has ended"), m.Registered(1.0, 5.0), m.Exit("the master ends"))
    assert worker.did(Quit) == [Quit("the job has ended", 0)]
    assert not worker.said(m.Heartbeat)


def test_who_is_refused_before_it_has_registered_gives_up() -> None:
    worker = Worker(register=False)
    worker.hears(m.Refused("protocol version 2"), epoch=9)
    assert worker.did(Quit) == [Quit("the master at tcp://m:1 refused: protocol version 2", 4)]


def test_who_is_refused_later_goes_on() -> None:
    worker = Worker()
    worker.hears(m.Refused("what was that"))
    assert not worker.did(Quit)


def test_a_late_word_of_a_past_master_does_not_bring_its_epoch_back() -> None:
    worker = Worker()
    worker.hears(m.RegisterAgain(), epoch=8)
    worker.hears(m.Registered(1.0, 5.0), epoch=8)

    worker.hears(m.Registered(1.0, 5.0), m.TaskResponse((task(1),), (spec(),)), epoch=7)

    assert worker.core.epoch == 8
    assert not worker.core.attempts
    assert worker.core.ignored["of a past epoch"] == 1


def test_a_late_frame_of_a_past_master_does_not_make_the_present_one_past() -> None:
    # Given a worker of master 9, which has been one of master 8
    worker = Worker()
    worker.hears(m.Registered(1.0, 5.0), epoch=8)
    worker.hears(m.RegisterAgain(), epoch=9)
    worker.hears(m.Registered(1.0, 5.0), epoch=9)
    # When a late frame of master 8 has both of its words
    worker.hears(m.Registered(1.0, 5.0), m.RegisterAgain(), epoch=8)
    # Then the worker registers, and the answer of master 9 counts
    worker.hears(m.Registered(1.0, 5.0), epoch=9)
    assert worker.core.epoch == 9
    assert worker.core.is_registered


def test_late_frames_of_a_past_master_one_by_one_leave_a_way_back() -> None:
    # Given a worker of master 9 that late frames of master 8 have won back, and lost again
    worker = Worker()
    worker.hears(m.Registered(1.0, 5.0), epoch=8)
    worker.hears(m.RegisterAgain(), epoch=9)
    worker.hears(m.Registered(1.0, 5.0), epoch=9)
    worker.hears(m.RegisterAgain(), epoch=8)
    worker.hears(m.Registered(1.0, 5.0), epoch=8)
    worker.hears(m.RegisterAgain(), epoch=8)
    # When master 9 answers the registration
    worker.hears(m.Registered(1.0, 5.0), epoch=9)
    # Then it is master 9's
    assert worker.core.epoch == 9
    worker.hears(m.TaskResponse((task(1),), (spec(),)), epoch=9)
    assert worker.core.attempts


def test_a_late_word_of_a_master_never_heard_does_not_make_the_present_one_past() -> None:
    # Given a worker that takes the late word of master 6 for that of a new one, after 7
    worker = Worker()
    worker.hears(m.Registered(1.0, 5.0), epoch=6)
    assert worker.core.epoch == 6
    # When master 7 answers that it knows no such worker
    worker.hears(m.RegisterAgain(), epoch=7)
    worker.hears(m.Registered(1.0, 5.0), epoch=7)
    # Then it is master 7's again
    assert worker.core.epoch == 7
    worker.hears(m.TaskResponse((task(1),), (spec(),)), epoch=7)
    assert worker.core.attempts


def test_a_doubled_task_is_begun_once_though_another_master_was_heard_meanwhile() -> None:
    # Given a worker with a task of master 7, which the late word of master 6 wins for a moment
    worker = Worker(slots=2)
    worker.gets(1)
    worker.hears(m.Registered(1.0, 5.0), epoch=6)
    worker.hears(m.RegisterAgain(), epoch=7)
    worker.hears(m.Registered(1.0, 5.0), epoch=7)
    # When the task arrives once more
    worker.gets(1)
    # Then it was here before
    assert not worker.begun()
    assert worker.core.attempts == [1]
