"""What a worker missed of a job's end, or of its master, is made good by what comes next."""

from __future__ import annotations

from support.story import Cluster

from zmr import messages as m


def test_a_worker_that_missed_the_end_of_a_job_is_told_at_its_next_heartbeat() -> None:
    cluster = Cluster(workers=1)
    cluster.network.drop(m.ForgetJob)
    job = cluster.submit(maps=2, reduces=1)
    cluster.run_until_over()
    cluster.check(job)
    worker = cluster.workers["w1"]
    assert worker.disk.files
    assert worker.slots

    cluster.run_for(3.0)

    assert not worker.disk.files
    assert not worker.slots
    assert not worker.core.jobs


def test_a_registration_behind_other_messages_of_the_frame_is_heard() -> None:
    cluster = Cluster(workers=1)
    asks = m.CommitRequest("job", m.TaskKind.REDUCE, 0, 1)
    register = m.Register("back", "back", 1, 1)

    cluster.to_master("back", m.Frame(6, (asks, register)))
    cluster.run_for(0.01)

    assert "alive" in cluster.worker_states("back")
    assert cluster.core.ignored["not registered"] == 1
