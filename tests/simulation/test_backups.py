"""Backup tasks are begun when they pay, and only then. `backups.py` tries many more jobs."""

from __future__ import annotations

from simulation.backups import Trial, measure, sleepers

JOBS = 100


def test_jobs_without_stragglers_get_next_to_no_backups_and_a_slow_worker_costs_little() -> None:
    kinds = dict(measure(range(JOBS)))
    assert len(kinds) >= 1 + 3 + 9
    sums = kinds["all"]
    assert sums.jobs == JOBS
    assert 0.0 <= sums.too_many <= 0.01, str(sums)
    # A worker of ten that does a tenth is 9.9 % of the capacity.
    assert 0.05 < sums.longer_in_all <= 0.15, str(sums)


def test_eight_maps_that_sleep_run_eight_times() -> None:
    for seed in range(20):
        trial = Trial(sleepers(seed), seed, workers=4)
        trial.run()
        assert trial.begun == 8
