"""Whatever is lost, late, doubled, killed or hangs: the job ends with the right output.

Each seed draws a cluster, a job, and the faults of its first minute; after that nothing new goes
wrong, and everything has to finish. A failing seed fails again, alone, by its number.
"""

from __future__ import annotations

import pytest
from support.simulated import Chaos

SEEDS = 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_job_ends_with_the_right_output(seed: int) -> None:
    chaos = Chaos(seed)
    cluster = chaos.cluster
    job = cluster.submit(chaos.maps, chaos.reduces, max_attempts=1000)
    cluster.run_until_over()
    cluster.check(job)
    cluster.run_for(30.0)
    for worker in cluster.workers.values():
        if worker.is_up:
            assert not worker.core.unacknowledged, "a result is repeated for ever"
            assert not worker.core.attempts, "something runs on"
