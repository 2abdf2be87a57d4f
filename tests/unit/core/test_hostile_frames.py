"""Well-formed frames that nobody should have sent: none raises, and none of a stranger counts."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.story import Cluster, Work
from support.strategies import Vocabulary, messages

from zmr import messages as m
from zmr.core.master import Master
from zmr.wire import codec

EPOCH = 7

# Words that hit what a small job really has: attempts 1 to 12 of this epoch, tasks 0 to 4.
KINDS = messages(
    Vocabulary(
        job_ids=st.sampled_from(["job-1", "job-1", "job-9"]),
        attempts=st.integers(1, 12).map(lambda n: EPOCH << 32 | n) | st.integers(0, 2**64 - 1),
        indices=st.integers(0, 4),
        paths=st.sampled_from(["", "/w1/job-1/0.1", "/nowhere"]),
        file_names=st.sampled_from(["job-1-mr-out-0", "other"]),
        slots=st.integers(1, 3),
        reduces=st.integers(0, 3),
        sizes=st.sampled_from([0, 10**8, 2**64 - 1]),
        credits=st.sampled_from([0, 1, 1000]),
    )
)
FROM_WORKERS = get_args(m.FromWorker)
ANYTHING = st.one_of(*KINDS.values())
A_WORKERS = st.one_of(*(KINDS[kind] for kind in FROM_WORKERS))
FEW = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],  # to shrink a story takes minutes
)


def frames(message: st.SearchStrategy[m.Message]) -> st.SearchStrategy[m.Frame]:
    epochs = st.sampled_from([EPOCH, EPOCH, EPOCH, 0, 6])
    return st.builds(m.Frame, epochs, st.lists(message, min_size=1, max_size=4).map(tuple))


def busy_cluster() -> Cluster:
    """Return a cluster with something of everything: a failure, a straggler, a map and a reduce."""
    cluster = Cluster(workers=2, slots=2, death_timeout_s=1e6, is_judged=False)
    cluster.plan(Work(fails="once"), m.TaskKind.MAP, index=1, times=1)
    cluster.plan(Work(takes_s=8.0), m.TaskKind.MAP, index=3, times=1)
    cluster.submit(maps=4, reduces=2, backup_after_s=2.0, max_attempts=1000)
    return cluster


def through_the_codec(frame: m.Frame) -> m.Frame | None:
    """What a machine would see of the frame: most hostile ones don't get further than this."""
    try:
        return codec.decode(codec.encode(frame))
    except codec.BadFrame:
        return None


@FEW
@given(st.data())
def test_nothing_that_anybody_says_raises_or_confuses(data: st.DataObject) -> None:
    cluster = busy_cluster()
    for _ in range(data.draw(st.integers(1, 12))):
        for _ in range(data.draw(st.integers(0, 20))):
            cluster.step()
        frame = through_the_codec(data.draw(frames(ANYTHING)))
        to = data.draw(st.sampled_from(["master as w1", "master as w2", "master as x", "w1", "w2"]))
        if frame is None:
            continue
        if to.startswith("master"):
            # The cores are validated after each step: it must not even be out of sorts.
            cluster.hear(to[-2:].strip(), frame)
        else:
            cluster.workers[to].tell(*frame.messages, epoch=frame.epoch)
    for _ in range(200):
        cluster.step()


@FEW
@given(st.data())
def test_the_promises_hold_whatever_strangers_and_ghosts_say(data: st.DataObject) -> None:
    cluster = busy_cluster()
    for _ in range(data.draw(st.integers(1, 12))):
        for _ in range(data.draw(st.integers(0, 20))):
            cluster.step()
        frame = through_the_codec(data.draw(frames(A_WORKERS)))
        if frame is not None:
            # Either not a worker's peer, or a worker's, but of another epoch.
            peer = "x" if frame.epoch == EPOCH else "w1"
            if peer == "x" or not any(isinstance(each, m.Register) for each in frame.messages):
                cluster.hear(peer, frame)

    cluster.run_until_over()

    cluster.check("job-1")
    assert len(cluster.attempts("succeeded")) == 4 + 2
    assert {event.worker for event in cluster.attempts("succeeded")} == {"w1", "w2"}


@pytest.mark.parametrize("kind", [m.Registered, m.Snapshot, m.StartJob, m.Progress])
def test_what_is_not_for_a_master_is_refused_once(kind: type) -> None:
    cluster = Cluster(workers=0)
    examples: dict[type, m.Message] = {
        m.Registered: m.Registered(1.0, 5.0),
        m.Snapshot: m.Snapshot(1, ""),
        m.StartJob: m.StartJob(m.JobSpec("j", "", "", b"", "", (), 1, "/o"), "", 0, 1.0),
        m.Progress: m.Progress(1),
    }
    cluster.hear("client", m.Frame(7, (examples[kind],) * 100))
    (refused,) = cluster.replies
    assert isinstance(refused, m.Refused)
    assert refused.reason.startswith("a peer may not send a master ")


@pytest.mark.parametrize(
    "wrong",
    [
        m.MapDone("job-1", 1, EPOCH << 32 | 1, "", m.Stats()),
        m.ReduceDone(
            "job-1", 0, EPOCH << 32 | 1, m.OutputFile("job-1-mr-out-0", 1, "1"), m.Stats()
        ),
        m.TaskFailed(
            "job-1", m.TaskKind.MAP, 1, EPOCH << 32 | 1, m.FailureReason.USER_ERROR, "wrong"
        ),
        m.CommitRequest("job-1", m.TaskKind.REDUCE, 0, EPOCH << 32 | 1),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_that_fits_its_attempt_in_part_changes_nothing(wrong: m.Message) -> None:
    """Its attempt is the sender's, its task is another one."""
    cluster = Cluster(workers=1, is_judged=False)
    job = cluster.submit(maps=2, reduces=1, max_attempts=1)
    cluster.run(lambda: bool(cluster.attempts("running")))
    (running,) = cluster.attempts("running")
    assert (running.index, running.attempt) == (0, 1)

    cluster.hear("w1", m.Frame(EPOCH, (wrong,)))
    cluster.run(lambda: cluster.core.ignored["attempt is not the sender's"] == 1)

    assert cluster.core.cluster.active[job].attempts[EPOCH << 32 | 1].is_live
    assert not cluster.attempts("succeeded")


@pytest.mark.parametrize("epoch", [0, 2**32])
def test_an_epoch_that_does_not_fit_into_attempts_is_our_own_mistake(epoch: int) -> None:
    with pytest.raises(ValueError, match="can't be an epoch"):
        Master(epoch)
