"""The demands of the witness, by the names under which `Witness.applied` counts them."""

from __future__ import annotations

DEMANDS = (
    "a backup task has a reason: it is slow",
    "a backup task has a reason: it stands still",
    "a backup task runs on a machine of its own",
    "a cancel ends its job",
    "a complete output gets its manifest",
    "a grant survives a return",
    "a job that fails by a task names it",
    "a quarantine begins",
    "a quarantine ends when its time is over",
    "a question about outputs is looked into",
    "a result is repeated until it is acknowledged",
    "a worker that is back is told what is of no use",
    "an attempt that asks to publish is committing",
    "an attempt that stands still is stopped",
    "an output goes with its own worker only",
    "how often a task has failed is told",
    "jobs are served in their order",
    "no task waits for a slot that is free",
    "only with much work, workers hold tasks in reserve",
    "tasks are handed out in their order",
    "tasks go round",
    "that too many records are bad is told",
    "the figures of a job are those of its tasks",
    "the journal is as small as it can be",
    "the last attempt goes where none has failed",
    "the last attempt is told so",
    "the reason of a failed job is that of its task",
    "what a look at outputs has shown is told",
    "which record is left out is told",
)

# Too rare in seeds: the stories of tests/unit/core see to it.
IN_STORIES = ("a quarantine is longer than the one before",)
