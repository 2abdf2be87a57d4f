"""What clients can make a master keep has bounds, whatever they send."""

from __future__ import annotations

import pytest

from zmr import messages as m
from zmr.core.actions import Send
from zmr.core.events import FrameReceived
from zmr.core.master import Master


class Claimant:
    """A client of a master without workers."""

    def __init__(self) -> None:
        self.master = Master(1)
        self.submitted = 0

    def says(self, message: m.Message) -> m.Message:
        """Send the message; return the answer."""
        actions = self.master.handle(FrameReceived(b"client", m.Frame(0, (message,))), 0.0)
        [answer] = [action.message for action in actions if isinstance(action, Send)]
        return answer

    def submits(
        self, params: tuple[tuple[str, str], ...] = (), source: bytes = b"", size_bytes: int = 1
    ) -> m.Message:
        """Submit a new job."""
        name = f"job-{self.submitted}"
        self.submitted += 1
        spec = m.JobSpec(name, "test", "test", source, "", params, 1, f"/out/{name}")
        file = m.InputFile("/in", size_bytes, splittable=True)
        return self.says(m.Submit(spec, (file,)))

    def cancels(self, number: int, reason: str = "") -> None:
        job_id = f"job-{number}"
        assert self.says(m.CancelJob(job_id, reason)) == m.Submitted(job_id)

    @property
    def job_ids(self) -> list[str]:
        return list(self.master.jobs)


@pytest.fixture
def client() -> Claimant:
    return Claimant()


def is_refused(answer: m.Message, reason: str) -> bool:
    return isinstance(answer, m.Refused) and reason in answer.reason


def test_jobs_that_have_not_ended_are_only_so_many(
    client: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zmr.core.clients._MOST_JOBS", 3)
    for number in range(3):
        assert client.submits() == m.Submitted(f"job-{number}")

    assert is_refused(client.submits(), "3 jobs have not ended: a master takes at most 3")

    client.cancels(1)
    assert client.submits() == m.Submitted("job-4")
    assert is_refused(client.submits(), "3 jobs have not ended")


def test_jobs_that_have_not_ended_take_only_so_much(
    client: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zmr.core.clients._MOST_BYTES", 5_000_000)
    assert client.submits(source=b"x" * 4_000_000) == m.Submitted("job-0")

    assert is_refused(client.submits((("a", "x" * 2_000_000),)), "as much as a master takes")
    assert client.submits() == m.Submitted("job-2")
    client.cancels(0)

    # Alone, a job may be as large as its frames.
    client.cancels(2)
    assert client.submits(source=b"x" * 9_000_000) == m.Submitted("job-3")
    assert is_refused(client.submits(), "as much as a master takes")


def test_claimed_tasks_are_bounded_over_all_jobs(client: Claimant) -> None:
    assert client.submits(size_bytes=900_000 << 26) == m.Submitted("job-0")

    assert is_refused(
        client.submits(size_bytes=900_000 << 26), "with those of other jobs 1,800,002"
    )
    client.cancels(0)
    assert client.submits(size_bytes=900_000 << 26) == m.Submitted("job-2")


def test_of_a_job_that_has_ended_its_source_is_not_kept(client: Claimant) -> None:
    client.submits((("a", "1"),), source=b"x" * 1_000_000)
    client.cancels(0)

    job = client.master.jobs["job-0"]
    assert (job.spec.source, job.step.source) == (b"", b"")
    assert job.spec.params == (("a", "1"),)
    assert job.size_bytes < 10_000


def test_ended_jobs_with_long_texts_are_forgotten_sooner(client: Claimant) -> None:
    for number in range(20):
        client.submits((("a", "x" * 2_000_000),))
        client.cancels(number)

    assert client.job_ids == [f"job-{number}" for number in range(13, 20)]
    client.submits((("a", "x" * 50_000_000),))
    client.cancels(20)
    assert client.job_ids == ["job-20"]  # the last one is there for its client


def test_an_answer_names_the_last_jobs(client: Claimant) -> None:
    assert is_refused(client.says(m.CancelJob("none", "")), "there are: none")
    for _ in range(20):
        client.submits()
    names = [f"job-{number}" for number in range(20)]
    assert is_refused(client.says(m.CancelJob("none", "")), f"there are: {', '.join(names)}")
    client.submits()
    last = ", ".join([*names[1:], "job-20"])
    assert is_refused(client.says(m.CancelJob("none", "")), f"there are: ..., {last}")
