"""Tasks go out to the workers that can take them.

This happens at the end of each turn, when all that was heard in it has had its effect; so a worker
gets all of its tasks of a turn in one message.
"""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.cluster import Cluster
from zmr.core.journal import HandedOut
from zmr.core.notices import Notices
from zmr.core.outbox import Outbox
from zmr.core.phases import Phases
from zmr.core.scheduler import Grant

# So many hand-outs take some hundredths of a second; then other messages are to be heard, too.
_GRANTS_A_TURN = 1_000

_Responses = dict[bytes, tuple[list[m.Task], list[m.JobSpec]]]


class HandOuts:
    def __init__(self, cluster: Cluster, outbox: Outbox, notices: Notices, phases: Phases) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._notices = notices
        self._phases = phases
        self._goes_on_at: float | None = None  # there is more to hand out than fits a turn

    def next_deadline(self) -> float | None:
        """When the rest is to be handed out."""
        return self._goes_on_at

    def tick(self) -> None:
        """The next turn may go on."""
        self._goes_on_at = None

    def hand_out(self, now: float) -> None:
        """Give tasks to workers that can take them; of very many, the rest at the next tick."""
        if self._goes_on_at is not None:
            return
        cluster = self._cluster
        responses: _Responses = {}
        granted = 0
        while granted < _GRANTS_A_TURN:
            grant = cluster.scheduler.next_grant(cluster.active.values())
            if grant is not None:
                self._grant(grant, now, responses)
                granted += 1
            elif not cluster.queued or not self._start_next(now):
                break
        else:
            self._goes_on_at = now
        for peer, (tasks, specs) in responses.items():
            self._outbox.send(peer, m.TaskResponse(tuple(tasks), tuple(specs)))

    def _start_next(self, now: float) -> bool:
        """Start the next job if there is a slot that no other job has a use for."""
        if not self._cluster.scheduler.has_free_slots:
            return False
        self._phases.start(next(iter(self._cluster.queued.values())), now)
        return True

    def _grant(self, grant: Grant, now: float, responses: _Responses) -> None:
        cluster, worker, job, task = self._cluster, grant.worker, grant.job, grant.task
        if grant.is_backup:
            self._outbox.log(Level.INFO, f"backup task for {task} on {worker.name}")
        id = cluster.next_attempt
        cluster.commit(HandedOut(job.public_id, task.kind, task.index, id, worker.peer), now)
        tasks, specs = responses.setdefault(worker.peer, ([], []))
        tasks.append(job.task_message(task, id, cluster.workers))
        if job.id not in worker.has_spec_of:
            cluster.sent_spec(worker, job.id)
            specs.append(job.step)
        self._notices.publish(job.attempts[id], "backup" if grant.is_backup else "")
