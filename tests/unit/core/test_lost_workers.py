"""Workers that fall silent, come back, leave, or wait for a master that is silent itself."""

from __future__ import annotations

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core.settings import MasterSettings
from zmr.messages import TaskKind


def in_reduce(cluster: Cluster, job: str) -> None:
    """Let the job come into its reduce phase."""
    cluster.run(lambda: cluster.job_states(job)[-1] == "reduce")


@pytest.mark.parametrize("phase", ["map", "reduce"])
def test_a_worker_that_dies_is_suspect_then_lost_and_others_do_its_work(phase: str) -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=4, reduces=2)
    cluster.run(lambda: cluster.job_states(job)[-1] == phase)
    cluster.run_for(0.5)

    cluster.workers["w1"].crash()
    silent_from = cluster.now
    cluster.run(lambda: cluster.worker_states("w1")[-1] == "suspect")
    assert cluster.now - silent_from <= 2.5
    cluster.run(lambda: cluster.worker_states("w1")[-1] == "lost")
    assert 4.0 <= cluster.now - silent_from <= 5.0
    cluster.run_until_over()

    cluster.check(job)
    assert cluster.worker_states("w1") == ["alive", "suspect", "lost"]
    # It was at one task. In the reduce phase, it also had the outputs of two maps, without which
    # the other reduce had to begin again, too.
    again = cluster.times_begun(job).total() - 6
    assert again == {"map": 1, "reduce": 1 + 2 + 1}[phase]


def test_a_suspect_gets_nothing_new_until_it_is_heard_again() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=12, reduces=1)
    cluster.run_for(0.5)
    cluster.workers["w1"].stop()
    cluster.run(lambda: cluster.worker_states("w1")[-1] == "suspect")
    had = len([e for e in cluster.attempts("running") if e.worker == "w1"])
    cluster.run_for(1.0)
    assert len([e for e in cluster.attempts("running") if e.worker == "w1"]) == had

    cluster.workers["w1"].resume()
    cluster.run_until_over()

    cluster.check(job)
    assert cluster.worker_states("w1") == ["alive", "suspect", "alive"]
    assert set(cluster.times_begun(job).values()) == {1}


# --- a lost worker comes back ------------------------------------------------------------------


def lose_w1_in_reduce(cluster: Cluster, job: str) -> int:
    """Lose a worker with map outputs and a running reduce. Returns the number of its outputs."""
    in_reduce(cluster, job)
    cluster.run_for(0.5)
    cluster.workers["w1"].stop()
    cluster.run(lambda: cluster.worker_states("w1")[-1] == "lost")
    outputs = len(cluster.workers["w1"].disk.files)
    assert cluster.said(f"1 running task and {outputs} map outputs go to others")
    return outputs


def test_outputs_that_come_back_before_they_were_made_again_are_used() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=20.0), TaskKind.REDUCE)
    job = cluster.submit(maps=4, reduces=2)
    outputs = lose_w1_in_reduce(cluster, job)
    assert outputs == 2

    cluster.workers["w1"].resume()
    cluster.run_until_over()

    cluster.check(job)
    assert len(cluster.attempts("lost", TaskKind.MAP)) == outputs
    assert len(cluster.attempts("lost", TaskKind.REDUCE)) == 1
    assert cluster.times_begun(job).total() == 4 + 2
    assert cluster.said("thought lost, is complete on w1")
    assert cluster.said("reduce 0, attempt 5 is back with worker w1")


def test_outputs_that_come_back_after_they_were_made_again_are_discarded() -> None:
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=20.0), TaskKind.REDUCE, times=2)
    job = cluster.submit(maps=4, reduces=2, backup_after_s=100.0)
    outputs = lose_w1_in_reduce(cluster, job)
    # The other worker's own reduce ends, it makes the maps again, and is at the other reduce.
    cluster.run(lambda: len(cluster.begun) == 4 + 2 + outputs + 1)

    worker = cluster.workers["w1"]
    worker.resume()
    cluster.run_for(0.01)
    assert not worker.disk.files
    assert not worker.core.held
    assert not cluster.outcomes  # with which all would go
    cluster.run_until_over()

    cluster.check(job)
    # The reduce that it had run on with completes first, by far.
    assert [e.worker for e in cluster.attempts("cancelled", TaskKind.REDUCE)] == ["w2"]


def test_the_first_completion_wins_and_the_late_one_changes_nothing() -> None:
    # Given a worker that finishes its map while it is thought dead, and another that did it too.
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_for(0.5)
    cluster.workers["w1"].stop()
    cluster.run(lambda: cluster.job_states(job)[-1] == "reduce")
    published = len(cluster.attempts("succeeded"))

    cluster.workers["w1"].resume()
    cluster.run_for(0.1)

    assert len(cluster.attempts("succeeded")) == published
    assert not cluster.workers["w1"].disk.files
    cluster.run_until_over()
    cluster.check(job)


def test_figures_of_a_map_whose_output_is_lost_but_not_needed_any_more_still_count() -> None:
    # Given a map that would have to run again, when the last reduce completes without it.
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=8.0), TaskKind.REDUCE)
    job = cluster.submit(maps=2, reduces=1)
    in_reduce(cluster, job)
    cluster.run_for(0.1)
    (reducer,) = {event.worker for event in cluster.attempts("running", TaskKind.REDUCE)}
    other = ({"w1", "w2"} - {reducer}).pop()

    cluster.workers[other].stop()
    cluster.run_until_over()

    assert len(cluster.attempts("lost", TaskKind.MAP)) == 1
    assert cluster.times_begun(job).total() == 3
    cluster.check(job)


def test_a_reduce_gets_no_backup_while_a_map_output_is_missing() -> None:
    # Given a straggling reduce, a free slot, and a lost map that takes a while to run again.
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=100.0), TaskKind.REDUCE, index=1, times=1)
    job = cluster.submit(maps=4, reduces=2, backup_after_s=10.0)
    cluster.run(lambda: bool(cluster.attempts("succeeded", TaskKind.REDUCE)))
    (done,) = cluster.attempts("succeeded", TaskKind.REDUCE)
    cluster.plan(Work(takes_s=20.0), TaskKind.MAP)
    cluster.add_worker(slots=4)
    cluster.run_for(2.0)
    cluster.workers[done.worker].crash()

    cluster.run_until_over()

    cluster.check(job)
    n_maps = 4
    (backup,) = [task for task in cluster.begun if task.kind is TaskKind.REDUCE][2:]
    assert len(backup.sources) == n_maps


def test_a_straggler_whose_sibling_comes_back_gets_no_third_attempt() -> None:
    # Given a map of a worker that was lost, done for so long by another one that it wants a backup.
    cluster = Cluster(workers=2)
    cluster.plan(Work(takes_s=60.0), TaskKind.MAP, index=2)
    job = cluster.submit(maps=3, reduces=1, backup_after_s=2.0)
    cluster.run(lambda: len(cluster.attempts("succeeded")) == 2)
    cluster.run_for(0.5)
    (first,) = [w for w in cluster.workers.values() if w.core.attempts]
    cluster.network.cut_off(first.name)
    cluster.run(lambda: bool(cluster.core.cluster.active[job].backups_wanted))
    cluster.network.heal(first.name)
    cluster.run(lambda: cluster.said(f"is back with worker {first.name}"))

    cluster.add_worker(slots=2)
    cluster.run_until_over()

    cluster.check(job)
    assert cluster.times_begun(job)[TaskKind.MAP, 2] == 2


# --- a worker leaves ---------------------------------------------------------------------------


def test_a_worker_that_leaves_with_nothing_is_no_warning() -> None:
    cluster = Cluster(workers=1)
    cluster.run_for(1.0)
    cluster.workers["w1"].interrupt()
    cluster.run_for(1.0)
    assert cluster.worker_states("w1") == ["alive", "left"]
    assert cluster.warnings == []


def test_a_worker_that_is_told_to_stop_goes_on_serving_and_nothing_runs_again() -> None:
    # Given a worker that has done some of the maps of a job, whose reduces take time
    cluster = Cluster(workers=2, slots=2)
    cluster.plan(Work(takes_s=3.0), TaskKind.REDUCE)
    job = cluster.submit(maps=8, reduces=4)
    cluster.run(lambda: bool(cluster.attempts("running", TaskKind.REDUCE)))
    leaving = cluster.workers["w1"]

    # When it is told to stop
    leaving.interrupt()
    cluster.run(lambda: leaving.quit is not None)

    # Then it ends what runs, and leaves when nobody needs its map outputs any more
    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}


def test_a_worker_that_is_told_to_stop_ends_what_runs_and_leaves() -> None:
    cluster = Cluster(workers=2, slots=2, drain_timeout_s=0.0)
    job = cluster.submit(maps=12, reduces=1)
    cluster.run_for(1.5)
    leaving = cluster.workers["w1"]
    at_work = set(leaving.core.attempts)

    leaving.interrupt()
    cluster.run(lambda: leaving.quit is not None)

    assert leaving.quit is not None
    assert leaving.quit.exit_status == 130
    assert cluster.now == pytest.approx(2.0, abs=0.1)
    cluster.run_for(0.1)
    assert cluster.worker_states("w1") == ["alive", "left"]
    succeeded = {event.attempt for event in cluster.attempts("succeeded")}
    assert {attempt & 0xFFFFFFFF for attempt in at_work} <= succeeded
    cluster.run_until_over()
    cluster.check(job)


def test_a_worker_that_is_told_twice_stops_at_once() -> None:
    cluster = Cluster(workers=2)
    job = cluster.submit(maps=4, reduces=1)
    cluster.run_for(0.5)
    leaving = cluster.workers["w1"]
    is_up = []
    for _ in range(2):
        leaving.interrupt()
        is_up.append(leaving.is_up)
    assert is_up == [True, False]
    cluster.run_until_over()
    cluster.check(job)
    # Its goodbye saved the wait for its silence to be noticed.
    assert cluster.now < 6.0


# --- the master is silent ----------------------------------------------------------------------


def test_a_worker_waits_for_its_master_says_so_and_gives_up_in_the_end() -> None:
    cluster = Cluster(workers=1, death_timeout_s=60.0)
    cluster.submit(maps=1, reduces=1)
    cluster.run_for(0.5)
    cluster.network.cut_off("w1")

    worker = cluster.workers["w1"]
    cluster.run(lambda: worker.quit is not None)

    assert worker.quit is not None
    assert worker.quit.exit_status == 4
    assert worker.quit.reason == "no master at master for 60 s (--death-timeout)"
    assert cluster.now == pytest.approx(60.0, abs=1.0)
    waits = [line for line in cluster.log if "w1: waiting for the master" in line]
    assert len(waits) == 2
    assert "(gives up in 55 s)" in waits[0]


def test_a_worker_that_is_there_before_its_master_waits_for_it() -> None:
    cluster = Cluster(workers=1)
    cluster.network.cut_off("w1")
    cluster.run_for(20.0)
    cluster.network.heal("w1")
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    registrations = len(cluster.network.messages(m.Register))
    assert 5 <= registrations <= 8  # less and less often


def test_a_cut_that_heals_costs_no_work() -> None:
    cluster = Cluster(workers=2, settings=MasterSettings(lost_after_s=5.0))
    cluster.plan(Work(takes_s=10.0))
    job = cluster.submit(maps=2, reduces=2)
    cluster.run_for(3.0)
    for worker in cluster.workers:
        cluster.network.cut_off(worker)
    cluster.run(lambda: not cluster.core.cluster.workers.any_present)
    for worker in cluster.workers:
        cluster.network.heal(worker)

    cluster.run_until_over()

    cluster.check(job)
    assert set(cluster.times_begun(job).values()) == {1}
    assert cluster.worker_states("w1") == ["alive", "suspect", "lost", "alive"]


def test_of_many_workers_that_never_come_back_the_latest_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zmr.core.workers._LOST_KEPT", 3)
    cluster = Cluster(workers=1)
    for _ in range(8):
        worker = cluster.add_worker()
        cluster.run_for(0.5)
        worker.crash()
        cluster.run_for(10.0)
    assert cluster.worker_states("w9") == ["alive", "suspect", "lost"]
    assert [*cluster.core.cluster.workers.workers] == [b"w1", b"w6", b"w7", b"w8", b"w9"]
