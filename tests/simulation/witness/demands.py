"""The demands of the witness, by the names under which `Witness.applied` counts them."""

from __future__ import annotations

DEMANDS = (
    "a backup task has a reason: it is slow",
    "a backup task has a reason: it stands still",
    "a cancel ends its job",
    "a complete output gets its manifest",
    "a grant survives a return",
    "a job that fails by a task names it",
    "a quarantine begins",
    "a quarantine ends when its time is over",
    "a question about outputs is looked into",
    "a result is repeated until it is acknowledged",
    "an attempt that stands still is stopped",
    "an output goes with its own worker only",
    "the journal is as small as it can be",
    "what a look at outputs has shown is told",
)

# Too rare in seeds: the stories of tests/unit/core see to it.
IN_STORIES = ("a quarantine is longer than the one before",)
