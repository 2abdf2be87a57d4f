"""What the steps of a pipeline have done together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from zmr.messages import Counters
from zmr.steps import StepDone, Totals


def counters_of_all(steps: Sequence[StepDone]) -> Counters:
    """The counters of all steps, added up by their names."""
    counters: Counter[str] = Counter()
    for step in steps:
        for name, n in step.counters:
            counters[name] += n
    return tuple(sorted(counters.items()))


def totals_of_all(steps: Sequence[StepDone]) -> Totals:
    """What went into the first step and came out of the last; the times of all added up."""
    first, last = steps[0].totals, steps[-1].totals
    return Totals(
        first.records_in,
        first.bytes_in,
        last.records_out,
        last.bytes_out,
        sum(step.totals.map_s for step in steps),
        sum(step.totals.reduce_s for step in steps),
    )
