"""What clients and workers get to know of attempts: events, and orders to stop."""

from __future__ import annotations

from collections.abc import Iterable

from zmr import messages as m
from zmr.core.cluster import Cluster
from zmr.core.jobs import JobRun
from zmr.core.journal import OutputLost
from zmr.core.outbox import Outbox
from zmr.core.tasks import Attempt, TaskRecord


class Notices:
    def __init__(self, cluster: Cluster, outbox: Outbox) -> None:
        self._cluster = cluster
        self._outbox = outbox

    def publish(self, attempt: Attempt, text: str = "", failed: m.TaskFailed | None = None) -> None:
        """Publish the attempt's state."""
        task, worker = attempt.task, self._cluster.name_of(attempt.peer)
        number, state = attempt.number, attempt.state.value
        job_id, kind, index = attempt.job_id, task.kind, task.index
        if failed is None:
            event = m.TaskEvent(job_id, kind, index, number, state, worker, text)
        else:
            reason, known = failed.reason, failed.circumstances
            event = m.TaskEvent(job_id, kind, index, number, state, worker, text, reason, known)
        self._outbox.publish(event)

    def cancelled(self, attempts: Iterable[Attempt], reason: str) -> None:
        """These attempts are cancelled: have their workers stop them."""
        by_peer: dict[bytes, list[int]] = {}
        for attempt in attempts:
            self.publish(attempt, reason)
            by_peer.setdefault(attempt.peer, []).append(attempt.id)
        for peer, ids in by_peer.items():
            if self._cluster.workers.get(peer):
                self._outbox.send(peer, m.Cancel(tuple(ids), reason))

    def cancel(self, attempts: Iterable[Attempt], reason: str) -> None:
        """Cancel these attempts, live or lost, and have their workers stop them."""
        over = tuple(attempts)
        for attempt in over:
            self._cluster.cancel(attempt)
        self.cancelled(over, reason)

    def lose_output(
        self, job: JobRun, task: TaskRecord, why: str, may_return: bool, now: float
    ) -> None:
        """A completed map's output can't be had: the map runs again, unless its worker returns."""
        lost = OutputLost(job.public_id, task.index, may_return)
        for attempt in self._cluster.commit(lost, now):
            self.publish(attempt, f"its output: {why}")
