"""What the judge accepts and what it rejects, in histories that are written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.checker import Judgement, judge
from judge.history import History
from zmr import messages as m

pytestmark = pytest.mark.usefixtures("go")

JOB = "count"
WORKER, OTHER, CLIENT = "w1", "w2", "c1"
REDUCE = m.TaskKind.REDUCE
PARTITION = (JOB, REDUCE, 0)


class Story:
    """A history of one job with one partition. Each step takes a second."""

    def __init__(self) -> None:
        self._history = History(lambda job_id: [f"{job_id} reduce 0"])
        self._now_ns = 0
        self.asks(m.Submit(_spec(), ()))
        self.is_answered(m.Submitted(JOB))

    def asks(self, *messages: m.Message, peer: str = CLIENT) -> None:
        self._history.sends(self._later(), peer, messages)

    def is_answered(self, *messages: m.Message, peer: str = CLIENT) -> None:
        self._history.gets(self._later(), peer, messages)

    def hands_out(self, attempt: int) -> None:
        task = m.Task(*PARTITION, attempt, 1, "/out")
        self._history.hands_out(self._later(), self._now_ns, [task])

    def is_granted(self, attempt: int) -> None:
        self.asks(m.CommitRequest(*PARTITION, attempt), peer=WORKER)
        self.is_answered(m.CommitReply(attempt, granted=True), peer=WORKER)

    def reports(self, attempt: int) -> None:
        file = m.OutputFile("mr-out-0", 1, "crc32:0")
        self.asks(m.ReduceDone(*(JOB, 0, attempt), file, m.Stats()), peer=WORKER)

    def counts(self, attempt: int) -> None:
        self.reports(attempt)
        self.is_answered(m.Ack((attempt,)), peer=WORKER)

    def loses(self, attempt: int) -> None:
        self._publishes(m.TaskEvent(*PARTITION, attempt, "lost", OTHER))

    def ends(self, state: str) -> None:
        self._publishes(m.JobEvent(JOB, state))

    def judged(self, folder: Path) -> Judgement:
        path = folder / "story.jsonl"
        with path.open("w") as out:
            self._history.write("story", out)
        return judge([path])

    def _publishes(self, event: m.Event) -> None:
        self._history.publishes(self._later(), self._now_ns, event)

    def _later(self) -> int:
        self._now_ns += 1_000_000_000
        return self._now_ns


def _spec() -> m.JobSpec:
    return m.JobSpec(JOB, JOB, JOB, b"", "", (), 1, "/out")


def accepted(story: Story, folder: Path) -> bool:
    judgement = story.judged(folder)
    assert (judgement.histories, judgement.jobs) == (1, 1)
    assert {each.verdict for each in judgement.rejected} <= {"Illegal"}
    return not judgement.rejected


def test_a_job_as_it_should_be(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.is_granted(1)
    story.counts(1)
    story.ends("done")
    assert accepted(story, tmp_path)


def test_a_partition_is_not_published_twice(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.is_granted(1)
    story.loses(1)
    story.hands_out(2)
    story.is_granted(2)
    story.counts(2)
    assert accepted(story, tmp_path)
    story.counts(1)
    assert not accepted(story, tmp_path)


def test_a_result_of_no_use_may_come_after_another(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.is_granted(1)
    story.loses(1)
    story.hands_out(2)
    story.is_granted(2)
    story.counts(2)
    story.reports(1)
    story.is_answered(m.Ack((1,)), m.Cancel((1,), "another attempt was first"), peer=WORKER)
    story.ends("done")
    assert accepted(story, tmp_path)


def test_a_commit_needs_a_grant(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.hands_out(2)
    story.is_granted(1)
    story.asks(m.CommitRequest(*PARTITION, 2), peer=WORKER)
    story.counts(2)
    assert not accepted(story, tmp_path)


def test_one_attempt_at_a_time_may_publish(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.is_granted(1)
    story.hands_out(2)
    story.is_granted(2)
    assert not accepted(story, tmp_path)


def test_a_grant_needs_a_hand_out(tmp_path: Path) -> None:
    story = Story()
    story.is_granted(1)
    assert not accepted(story, tmp_path)


@pytest.mark.parametrize("step", [Story.hands_out, Story.is_granted, Story.counts])
def test_nothing_goes_on_once_a_cancel_is_answered(tmp_path: Path, step: object) -> None:
    story = Story()
    story.hands_out(1)
    if step is Story.counts:
        story.is_granted(1)
    story.asks(m.CancelJob(JOB, ""))
    assert accepted(story, tmp_path)
    story.is_answered(m.Submitted(JOB))
    assert accepted(story, tmp_path)
    if step is Story.hands_out:
        story.hands_out(2)
    elif step is Story.is_granted:
        story.is_granted(1)
    else:
        story.counts(1)
    assert not accepted(story, tmp_path)


def test_what_happens_while_a_cancel_is_on_its_way_is_before_it(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.asks(m.CancelJob(JOB, ""))
    story.is_granted(1)
    story.counts(1)
    story.is_answered(m.Submitted(JOB))
    story.ends("cancelled")
    assert accepted(story, tmp_path)


@pytest.mark.parametrize(
    ("answer", "is_true"), [(m.Refused("too late"), True), (m.Submitted(JOB), False)]
)
def test_a_job_that_is_done_was_not_cancelled(
    tmp_path: Path, answer: m.Message, is_true: bool
) -> None:
    story = Story()
    story.hands_out(1)
    story.is_granted(1)
    story.counts(1)
    story.asks(m.CancelJob(JOB, ""), peer="c2")
    story.is_answered(answer, peer="c2")
    story.ends("done")
    assert accepted(story, tmp_path) == is_true


def test_a_job_is_done_when_all_is_published(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.is_granted(1)
    story.ends("done")
    assert not accepted(story, tmp_path)


def test_a_result_without_an_answer_may_have_counted(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.is_granted(1)
    story.reports(1)
    assert accepted(story, tmp_path)
    story.ends("done")
    assert accepted(story, tmp_path)


def test_a_job_that_was_taken_on_can_be_cancelled(tmp_path: Path) -> None:
    story = Story()
    story.asks(m.CancelJob(JOB, ""), peer="c2")
    story.is_answered(m.Refused("there is no job"), peer="c2")
    assert not accepted(story, tmp_path)


def test_a_rejection_shows_the_history(tmp_path: Path) -> None:
    story = Story()
    story.hands_out(1)
    story.ends("done")
    (rejected,) = story.judged(tmp_path).rejected
    assert str(rejected).splitlines() == [
        "story, count, count reduce 0: Illegal",
        "  1.000 to 2.000: submit, c1",
        "  3.000 to 3.000: hand-out of attempt 1, master",
        "  4.000 to 4.000: end done, master",
    ]
