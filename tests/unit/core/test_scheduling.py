"""Who gets which task, and when."""

from __future__ import annotations

import math

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core.scheduler import Scheduler
from zmr.core.states import JobState
from zmr.core.workers import Worker
from zmr.messages import TaskKind


def test_two_workers_run_two_tasks_at_once_and_every_task_once() -> None:
    cluster = Cluster(workers=2, slots=1)
    job = cluster.submit(maps=4, reduces=2)

    cluster.run_until_over()

    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}
    # Four maps of a second by two at a time, then two reduces of a second at once.
    assert cluster.now == pytest.approx(3.0, abs=0.2)
    outcome = cluster.outcomes[job]
    assert outcome.totals.map_s == pytest.approx(2.0, abs=0.1)
    assert outcome.totals.reduce_s == pytest.approx(1.0, abs=0.1)


def test_each_transition_is_published_in_its_turn() -> None:
    cluster = Cluster(workers=1)
    job = cluster.submit(maps=2, reduces=1)

    cluster.run_until_over()

    told = []
    for event in cluster.published:
        if isinstance(event, m.JobEvent):
            told.append(event.state)
        elif isinstance(event, m.TaskEvent):
            told.append(f"{event.kind.label} {event.index} {event.state}")
    assert told == [
        "queued", "map",
        "map 0 running", "map 0 succeeded", "map 1 running", "map 1 succeeded",
        "reduce",
        "reduce 0 running", "reduce 0 committing", "reduce 0 succeeded",
        "done",
    ]  # fmt: skip
    assert cluster.job_states(job) == ["queued", "map", "reduce", "done"]
    (queued, *_) = [event for event in cluster.published if isinstance(event, m.JobEvent)]
    assert queued.text == "test: 2 map tasks, 1 reduce task"


@pytest.mark.parametrize(
    ("maps", "reduces", "states"),
    [
        (3, 0, ["queued", "map", "done"]),
        (0, 2, ["queued", "map", "reduce", "done"]),
        (0, 0, ["queued", "map", "done"]),
    ],
    ids=["map-only", "no inputs", "nothing at all"],
)
def test_jobs_that_lack_a_phase(maps: int, reduces: int, states: list[str]) -> None:
    cluster = Cluster()
    job = cluster.submit(maps, reduces)

    cluster.run_until_over()

    outcome = cluster.check(job)
    assert len(outcome.files) == (reduces or maps)
    assert cluster.job_states(job) == states


def test_jobs_are_served_in_the_order_of_their_submission() -> None:
    cluster = Cluster(workers=2)
    first = cluster.submit(maps=3, reduces=1)
    second, third = cluster.submit(maps=2, reduces=1), cluster.submit(maps=1, reduces=1)

    cluster.run_until_over()

    for job in (first, second, third):
        cluster.check(job)
    order = [task.job_id for task in cluster.begun]
    assert order[:3] == [first] * 3
    # The slot that the first job leaves over in its last map is not left idle.
    assert order[3] == second
    assert list(cluster.outcomes) == [first, second, third]


def test_an_output_folder_belongs_to_one_job_until_it_has_ended() -> None:
    cluster = Cluster(workers=1)
    first = cluster.submit(maps=2, reduces=1)
    second = cluster.outcomes[cluster.submit(shares_output_of=first)]
    assert second.state is JobState.FAILED
    assert second.reason == f"/out/{first} is the output folder of {first}, which goes on"

    cluster.run_until_over()

    cluster.check(first)
    third = cluster.submit(shares_output_of=first)
    cluster.run_until_over()
    cluster.check(third)


def test_a_cancelled_job_leaves_nothing_running_and_the_next_goes_on() -> None:
    cluster = Cluster(workers=2)
    given_up = cluster.submit(maps=8, reduces=1, ask=True)
    waiting, other = cluster.submit(maps=1, ask=True), cluster.submit(maps=2, reduces=1, ask=True)
    cluster.run_for(1.5)

    for job in (waiting, given_up):
        cluster.ask(m.CancelJob(job, "no longer wanted"))
    cluster.ask(m.CancelJob("job-99", "a typo"))
    cluster.run_until_over()

    cluster.check(other)
    assert cluster.outcomes[given_up].state is JobState.CANCELLED
    assert cluster.outcomes[given_up].reason == "no longer wanted"
    assert cluster.times_begun(given_up).total() == 4
    assert cluster.times_begun(waiting).total() == 0
    assert len(cluster.attempts("cancelled")) == 2
    refused = cluster.replies[-1]
    assert isinstance(refused, m.Refused)
    assert "'job-99'; there are: job-1, job-2, job-3" in refused.reason


def test_the_same_submission_twice_is_one_job() -> None:
    cluster = Cluster()
    job = cluster.submit(maps=1, reduces=1, ask=True)
    spec = cluster.core.jobs[job].spec
    cluster.ask(m.Submit(spec, ()))

    cluster.run_until_over()
    cluster.ask(m.Submit(spec, ()))

    assert cluster.replies == [m.Submitted(job)] * 3
    assert cluster.job_states(job) == ["queued", "map", "reduce", "done"]


# --- reserves ----------------------------------------------------------------------------------


def test_quick_tasks_are_handed_out_several_to_a_frame_and_never_hoarded() -> None:
    cluster = Cluster(workers=2, slots=2)
    cluster.plan(Work(takes_s=0.002))
    job = cluster.submit(maps=1000, reduces=1)

    cluster.run_until_over()

    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}
    batches = [len(response.tasks) for response in cluster.network.messages(m.TaskResponse)]
    assert max(batches) > 10
    # With as many tasks left as there are slots, nobody gets more than its slots can run.
    assert batches[-2] <= 2
    # 250 tasks of 2 ms a slot, and no slot waited for the network between them.
    assert cluster.outcomes[job].totals.map_s < 1.4 * 0.5


def test_slow_tasks_are_not_held_in_reserve() -> None:
    cluster = Cluster(workers=1, slots=2)
    cluster.submit(maps=20, reduces=1)
    cluster.run_for(5.5)
    assert len(cluster.workers["w1"].core.attempts) == 2


def test_what_waits_in_a_busy_workers_queue_is_taken_back() -> None:
    # Given a worker that has proved quick, and holds a reserve behind a map that is not.
    cluster = Cluster(workers=1)
    cluster.plan(Work(takes_s=60.0), index=40)
    cluster.plan(Work(takes_s=0.01))
    job = cluster.submit(maps=60, reduces=1, backup_after_s=1000.0)
    cluster.run(lambda: any(task.index == 40 for task in cluster.begun))
    assert len(cluster.workers["w1"].core.attempts) > 2

    cluster.add_worker()
    cluster.run(lambda: len(cluster.attempts("succeeded")) == 59, limit_s=10)
    cluster.run_until_over()

    cluster.check(job)
    # What waits in the slot itself can't be called back: it is stopped as soon as it begins.
    assert cluster.times_begun(job).total() == 60 + 1 + 1


# --- stragglers --------------------------------------------------------------------------------


def test_only_the_last_straggler_gets_a_backup_on_another_worker() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=100.0), TaskKind.MAP, index=2, times=1)
    job = cluster.submit(maps=5, reduces=1, backup_after_s=10.0)

    cluster.run_until_over()

    cluster.check(job)
    assert cluster.times_begun(job)[TaskKind.MAP, 2] == 2
    assert cluster.times_begun(job).total() == 5 + 1 + 1
    (straggler,) = cluster.attempts("cancelled")
    (backup,) = [event for event in cluster.attempts("running") if event.text == "backup"]
    assert straggler.worker != backup.worker
    assert 12.0 < cluster.now < 20.0  # --backup-after, and not a hundred seconds


@pytest.mark.parametrize(("slow", "backups"), [(6, 0), (5, 5)])
def test_no_backup_while_more_than_a_quarter_of_the_tasks_remains(slow: int, backups: int) -> None:
    # Given 20 maps, of which five are a quarter, and slots that have nothing else to do.
    cluster = Cluster(workers=8, slots=2)
    for index in range(slow):
        cluster.plan(Work(takes_s=30.0), TaskKind.MAP, index)
    job = cluster.submit(maps=20, reduces=1)
    cluster.run_for(25.0)
    assert cluster.times_begun(job).total() == 20 + backups
    cluster.run_until_over()
    cluster.check(job)


def test_a_slow_worker_costs_no_more_than_one_more_task_at_the_end_of_a_phase() -> None:
    # Given a worker on which maps take ten times as long, and which has its third for some seconds
    # when nothing is left for the others.
    cluster = Cluster(workers=4)
    cluster.plan(Work(takes_s=10.0), TaskKind.MAP, worker="w1")
    job = cluster.submit(maps=81, reduces=1)

    cluster.run_until_over()

    # Then its backup begins as soon as nothing else is to be done, with no wait for a heartbeat.
    outcome = cluster.check(job)
    (backup,) = [event for event in cluster.attempts("running") if event.text == "backup"]
    assert backup.worker != "w1"
    assert outcome.totals.map_s == pytest.approx((81 - 3) / 3 + 1, abs=0.3)


def test_who_was_slow_only_beside_the_first_tasks_gets_no_backup() -> None:
    # Given maps of which those at the beginning are quick, and all others take long.
    cluster = Cluster(workers=4)
    for index, takes_s in enumerate((0.5, 0.5, 0.5, 0.5, 7.5, 4.0, 6.0, 6.0)):
        cluster.plan(Work(takes_s), TaskKind.MAP, index)
    job = cluster.submit(maps=8, reduces=1, backup_after_s=1.0)
    cluster.run(
        lambda: any(a.task.index == 4 for a in cluster.core.jobs[job].backups_wanted.values())
    )

    # When the others show, while slots are not free yet, that a fresh attempt would take as long.
    cluster.run_until_over()

    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


@pytest.mark.parametrize(("median_s", "after_s"), [(1.0, 10.0), (6.0, 16.0)])
def test_a_straggler_that_says_nothing_gets_a_backup_late(median_s: float, after_s: float) -> None:
    # Given maps that sleep, of which one does for long.
    cluster = Cluster(workers=4)
    cluster.plan(Work(takes_s=29.0, tells=False), TaskKind.MAP, index=2, times=1)
    cluster.plan(Work(median_s, tells=False), TaskKind.MAP)
    job = cluster.submit(maps=4, reduces=1)

    cluster.run(lambda: cluster.times_begun(job)[TaskKind.MAP, 2] == 2)

    # Then a heartbeat shows it. Time runs from the first one that says that the attempt runs.
    assert after_s < cluster.now < after_s + 2.1
    cluster.run_until_over()
    cluster.check(job)
    assert cluster.times_begun(job).total() == 4 + 1 + 1


def test_a_straggler_that_tells_how_far_it_is_gets_a_backup_soon() -> None:
    cluster = Cluster(workers=4)
    cluster.plan(Work(takes_s=10.0), TaskKind.MAP, index=2, times=1)
    job = cluster.submit(maps=4, reduces=1)
    cluster.run(lambda: cluster.times_begun(job)[TaskKind.MAP, 2] == 2)
    assert 2.0 < cluster.now < 4.1  # --backup-after
    cluster.run_until_over()
    cluster.check(job)


def test_who_is_nearly_done_gets_no_backup() -> None:
    # Given a map that takes four times as long as the others, and has less left than they take when
    # --backup-after is over.
    cluster = Cluster(workers=4)
    cluster.plan(Work(takes_s=12.0), TaskKind.MAP, index=2)
    cluster.plan(Work(takes_s=3.0), TaskKind.MAP)
    job = cluster.submit(maps=4, reduces=1, backup_after_s=9.5)
    cluster.run_until_over()
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


def test_without_backups_a_straggler_is_waited_for() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=20.0), TaskKind.MAP, index=2)
    job = cluster.submit(maps=5, reduces=1, backup_after_s=math.inf)
    cluster.run_until_over()
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}
    assert cluster.now > 20.0


def test_a_backup_is_not_put_beside_its_straggler() -> None:
    # Given a worker that is slow as a whole, and has a slot to spare.
    cluster = Cluster(workers=1, slots=2)
    cluster.plan(Work(takes_s=100.0), TaskKind.MAP, index=0, times=1)
    job = cluster.submit(maps=5, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


@pytest.mark.parametrize(
    ("maps", "takes_s"), [(8, 30.0), (1, 100.0)], ids=["all are slow", "nothing to compare it with"]
)
def test_without_stragglers_every_task_runs_once(maps: int, takes_s: float) -> None:
    cluster = Cluster(workers=3)
    cluster.plan(Work(takes_s=takes_s), TaskKind.MAP)
    job = cluster.submit(maps, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


def test_time_in_a_queue_does_not_make_a_straggler() -> None:
    # Given a map that begins late, because it waited behind two slow ones of the same worker, and
    # another worker that comes when it has only just begun.
    cluster = Cluster(workers=1, slots=2)
    for index in (38, 39):
        cluster.plan(Work(takes_s=20.0), TaskKind.MAP, index)
    cluster.plan(Work(takes_s=5.0), TaskKind.MAP, index=40)
    cluster.plan(Work(takes_s=0.01))
    job = cluster.submit(maps=60, reduces=1, backup_after_s=8.0)
    cluster.run(lambda: any(task.index == 40 for task in cluster.begun))
    assert cluster.now > 20.0
    cluster.add_worker(slots=3)
    cluster.run_until_over()
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


# --- several jobs on one worker ----------------------------------------------------------------


def test_a_slot_that_idles_for_another_job_is_replaced() -> None:
    cluster = Cluster(workers=1, slots=2)
    # The first job keeps one slot; the other has run a map of it, and then idles.
    cluster.plan(Work(takes_s=5.0), TaskKind.MAP, index=1, times=1)
    first = cluster.submit(maps=2, reduces=1)
    second = cluster.submit(maps=1, reduces=1)

    cluster.run(lambda: second in cluster.outcomes)

    assert first not in cluster.outcomes
    assert len(cluster.network.messages(m.ForgetJob)) == 1
    cluster.run_until_over()
    cluster.check(first)
    cluster.check(second)


def test_when_a_job_ends_its_workers_drop_all_of_it() -> None:
    cluster = Cluster(workers=2)
    cluster.submit(maps=4, reduces=2)
    cluster.run_until_over()
    assert any(worker.disk.files for worker in cluster.workers.values())

    cluster.run_for(0.1)

    for worker in cluster.workers.values():
        assert not worker.disk.files
        assert not worker.slots
        assert not worker.core.jobs
        assert not worker.core.held


def test_only_who_takes_tasks_is_another_one_to_take_them() -> None:
    scheduler = Scheduler()
    leaving, taking, register = b"w1", b"w2", m.Register("w", "host", 1, 1)
    workers = [Worker(peer, register, 0.0) for peer in (leaving, taking)]
    workers[1].credit = 1
    for worker in workers:
        scheduler.update(worker)

    assert scheduler.has_takers_beside(workers[0])
    assert not scheduler.has_takers_beside(workers[1])
    assert scheduler.has_takers_beside(None)
