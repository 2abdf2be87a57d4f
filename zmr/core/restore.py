"""A master out of its journal: the records are applied, then the workers expected.

The restored master knows all jobs, tasks and results. It takes every worker that it knew for
suspect: alive, but silent. So each has as long to come back as silent workers always have, with the
attempts that it runs and the map outputs that it holds; what doesn't come back in time is lost, and
is done again.

Attempts that ended without a result are not in the journal unless they failed, so the restored
master may take some for live that are over. The first heartbeat of their worker shows it.
"""

from __future__ import annotations

from collections.abc import Iterable

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.cluster import Cluster
from zmr.core.journal import Record
from zmr.core.outbox import Outbox
from zmr.display import counted


def restore(cluster: Cluster, outbox: Outbox, records: Iterable[Record], now: float) -> None:
    """Bring a cluster that has seen nothing yet to where the records end.

    Raises KeyError, ValueError or `IllegalMove` if a record contradicts the others.
    """
    for record in records:
        cluster.apply(record, now)
    cluster.expect_workers()
    unfinished = [*cluster.active.values(), *cluster.queued.values()]
    for job in unfinished:
        text = job.with_step("the master was started again")
        outbox.publish(m.JobEvent(job.public_id, job.state.value, text))
    workers = len(cluster.workers.present)
    if unfinished or workers:
        text = f"{counted(len(unfinished), 'job')} and {counted(workers, 'worker')}"
        outbox.log(Level.INFO, f"going on where the journal ends, with {text}")
