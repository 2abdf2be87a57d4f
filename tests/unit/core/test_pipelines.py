"""Jobs of several steps: each begins when the one before is complete, whatever happens."""

from __future__ import annotations

import pytest
from support.story import Cluster, Work

from zmr import messages as m
from zmr.core.actions import Outcome
from zmr.core.journal import StepBegun
from zmr.core.states import JobState
from zmr.messages import TaskKind
from zmr.pipeline_steps import step_spec, whole_output

OUT = "/out"
STEPS = (m.Step("First", (("a", "1"),), 3), m.Step("Second", (), 0), m.Step("Third", (), 2))
TASKS = [
    {TaskKind.MAP: 4, TaskKind.REDUCE: 3},
    {TaskKind.MAP: 3},
    {TaskKind.MAP: 3, TaskKind.REDUCE: 2},
]


def submit(cluster: Cluster, steps: tuple[m.Step, ...] = STEPS, maps: int = 4) -> str:
    return cluster.submit(maps, steps[-1].n_reduce, steps=steps)


def of_step(cluster: Cluster, job: str, number: int) -> list[m.Task]:
    """The attempts that were begun of a step."""
    return [task for task in cluster.begun if task.job_id == f"{job}.{number}"]


def check_files(cluster: Cluster, job: str) -> None:
    """Each step has read what the one before put out, and the last has put out what it should."""
    files = cluster.outcomes[job].files
    assert [file.name for file in files] == [f"mr-out-{i}" for i in range(2)]
    between = f"{OUT}/{job}/.zmr-{job}/step"
    for number in (2, 3):
        wanted = {f"{between}-{number - 1}/mr-out-{i}" for i in range(3)}
        maps_of_step = [t for t in of_step(cluster, job, number) if t.kind is TaskKind.MAP]
        assert {split.path for task in maps_of_step for split in task.splits} == wanted
    assert {task.output for task in of_step(cluster, job, 3)} == {f"{OUT}/{job}"}


def check(cluster: Cluster, job: str, maps: int = 4) -> Outcome:
    """The files are right, and so are the figures of each step."""
    outcome = cluster.check(job)
    status = cluster.core.jobs[job].status()
    assert (status.step, status.n_steps) == (3, 3)
    assert [step.name for step in outcome.steps] == ["First", "Second", "Third"]
    tasks = [{k: n for k, n in step.counters if k != "records"} for step in outcome.steps]
    assert tasks == [
        {"maps": maps, "reduces": 3} if maps else {"reduces": 3},
        {"maps": 3},
        {"maps": 3, "reduces": 2},
    ]
    check_files(cluster, job)
    return outcome


def test_steps_follow_each_other_and_each_task_is_done_once() -> None:
    cluster = Cluster(workers=2)
    job = submit(cluster)
    cluster.run_until_over()
    check(cluster, job)
    for number, tasks in enumerate(TASKS, 1):
        times = cluster.times_begun(f"{job}.{number}")
        assert set(times.values()) == {1}
        assert len(times) == sum(tasks.values())
    # Workers are told of each step when it is over, and keep nothing of it.
    cluster.run_for(1.0)
    assert not any(worker.disk.files for worker in cluster.workers.values())
    assert all(not worker.core.jobs for worker in cluster.workers.values())


def test_phases_say_which_step_it_is() -> None:
    cluster = Cluster(workers=2)
    job = submit(cluster)
    cluster.run(lambda: cluster.core.jobs[job].status().step == 3)
    assert cluster.core.jobs[job].status().n_map == 3
    cluster.run_until_over()
    events = [e for e in cluster.published if isinstance(e, m.JobEvent)]
    assert {event.job_id for event in events} == {job}
    assert [(event.state, event.text) for event in events] == [
        ("queued", "test: 3 steps, 4 map tasks"),
        ("map", "step 1 of 3: First"),
        ("reduce", "step 1 of 3: First"),
        ("map", "step 2 of 3: Second"),
        ("map", "step 3 of 3: Third"),
        ("reduce", "step 3 of 3: Third"),
        ("done", ""),
    ]


def test_phases_of_a_job_without_steps_name_none() -> None:
    cluster = Cluster()
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_until_over()
    events = [e for e in cluster.published if isinstance(e, m.JobEvent)]
    assert [(e.job_id, e.state, e.text) for e in events[1:]] == [
        (job, "map", ""),
        (job, "reduce", ""),
        (job, "done", ""),
    ]


def test_a_step_without_any_input_still_feeds_the_next() -> None:
    cluster = Cluster()
    job = submit(cluster, maps=0)
    cluster.run_until_over()
    check(cluster, job, maps=0)
    # And one that is map-only and has none puts out nothing, of which the next makes nothing.
    job = submit(cluster, (m.Step("Nothing", (), 0), m.Step("Of nothing", (), 2)), maps=0)
    cluster.run_until_over()
    assert len(cluster.check(job).files) == 2


def test_what_fails_says_in_which_step() -> None:
    cluster = Cluster(workers=1)
    cluster.plan(Work(fails="ValueError: no (in map)"), TaskKind.MAP, 1)
    cluster.plan(Work(), times=4)
    job = cluster.submit(1, 2, steps=(STEPS[0], STEPS[2]))
    cluster.run_until_over()
    outcome = cluster.outcomes[job]
    assert outcome.state is JobState.FAILED
    assert outcome.reason.startswith("step 2 of 2, Third: map 1 failed twice with the same error, ")
    assert outcome.traceback.endswith("no (in map)")
    assert [dict(step.counters).get("reduces") for step in outcome.steps] == [3, None]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_pipeline_is_cancelled_by_its_own_id_in_any_step(step: int) -> None:
    cluster = Cluster(workers=2)
    job = submit(cluster)
    cluster.run(lambda: bool(of_step(cluster, job, step)))
    cluster.ask(m.CancelJob(job, "by a person"))
    cluster.run_for(5.0)
    assert cluster.outcomes[job].state is JobState.CANCELLED
    assert cluster.replies == [m.Submitted(job)]
    assert all(not worker.core.jobs for worker in cluster.workers.values())
    assert not of_step(cluster, job, step + 1)


def test_results_of_a_step_that_is_over_change_nothing() -> None:
    cluster = Cluster(workers=2)
    job = submit(cluster)
    cluster.run(lambda: bool(of_step(cluster, job, 2)))
    late = next(task for task in cluster.begun if task.kind is TaskKind.MAP)
    worker = cluster.workers["w1"]
    done = m.MapDone(late.job_id, late.index, late.attempt, "/w1/old", m.Stats())
    asked = m.CommitRequest(late.job_id, TaskKind.REDUCE, 0, late.attempt)
    frame = m.Frame(cluster.core.epoch, (done, asked))
    cluster.to_master(worker.name, frame)
    cluster.run_until_over()
    check(cluster, job)


def test_a_worker_that_was_lost_in_one_step_comes_back_in_the_next() -> None:
    cluster = Cluster(workers=2)
    job = submit(cluster)
    cluster.plan(Work(takes_s=12.0), TaskKind.MAP, worker="w2")
    cluster.run(lambda: len(cluster.attempts("succeeded", TaskKind.MAP)) > 1)
    cluster.workers["w1"].stop()
    cluster.run(lambda: bool(of_step(cluster, job, 2)))
    cluster.workers["w1"].resume()
    cluster.run_until_over()
    check(cluster, job)
    cluster.run_for(3.0)
    assert all(not worker.core.jobs for worker in cluster.workers.values())


def test_a_master_that_dies_in_a_step_goes_on_in_it() -> None:
    for at_s in (0.5, 4.0, 6.0, 8.0, 9.3):
        cluster = Cluster(workers=2, journal=True)
        job = submit(cluster)
        cluster.run_for(at_s)
        step = cluster.core.jobs[job].status().step
        cluster.crash_master()
        cluster.run_for(1.0)
        cluster.restart_master()
        assert cluster.core.jobs[job].status().step == step
        cluster.run(lambda: job in cluster.outcomes)  # noqa: B023
        check(cluster, job)
        for number in (1, 2, 3):
            assert set(cluster.times_begun(f"{job}.{number}").values()) == {1}


def test_a_master_that_dies_between_two_steps_goes_on_with_the_second() -> None:
    cluster = Cluster(workers=2, journal=True)
    died: list[bool] = []

    def dies() -> bool:
        if died or not any(isinstance(record, StepBegun) for record in cluster.records):
            return False
        died.append(True)
        return True

    cluster.dies_after_writing = dies  # type: ignore[method-assign]
    job = submit(cluster)
    cluster.run(lambda: not cluster.master.is_up)
    assert not of_step(cluster, job, 2)
    cluster.restart_master()
    assert cluster.core.jobs[job].status().step == 2
    cluster.run(lambda: job in cluster.outcomes)
    check(cluster, job)
    cluster.crash_master()
    cluster.restart_master()
    assert cluster.core.jobs[job].status().step == 3
    assert cluster.core.jobs[job].status().state == "done"


def test_a_master_that_dies_after_a_step_without_any_task_goes_on_with_the_next() -> None:
    cluster = Cluster(workers=0, journal=True)
    job = submit(cluster, (m.Step("Nothing", (), 0), m.Step("Of nothing", (), 2)), maps=0)
    cluster.add_worker()
    cluster.run(lambda: any(isinstance(record, StepBegun) for record in cluster.records))
    cluster.crash_master()
    cluster.restart_master()
    assert cluster.core.jobs[job].status().step == 2
    cluster.run(lambda: job in cluster.outcomes)
    assert len(cluster.check(job).files) == 2


def test_ids_of_steps_are_nobody_elses() -> None:
    cluster = Cluster()
    spec = m.JobSpec("mine.2", "test", "test", b"", "", (), 1, OUT)
    cluster.ask(m.Submit(spec, ()))
    (refused,) = cluster.replies
    assert isinstance(refused, m.Refused)
    assert "mine.2 can't be the id of a job" in refused.reason


def test_the_output_of_the_whole_is_known_from_that_of_a_step() -> None:
    whole = m.JobSpec("j1", "Whole", "x", b"", "", (("a", "1"), ("b", "2")), 2, OUT, steps=STEPS)
    steps = [step_spec(whole, number) for number in (1, 2, 3)]
    assert [step.output for step in steps] == ["/out/.zmr-j1/step-1", "/out/.zmr-j1/step-2", OUT]
    assert [step.params for step in steps] == [(("a", "1"),), (), ()]
    assert {whole_output(step.output) for step in steps} == {OUT}
    assert whole_output("/a/.zmr-b") == "/a/.zmr-b"
