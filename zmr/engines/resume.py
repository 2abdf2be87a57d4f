"""The one job of `zmr master --job`: a new one, or the one that the journal has of the same words.

A job that was begun is not prepared again: its inputs, its code and its output folder are those of
its first start.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from zmr.core.events import JobGiven
from zmr.core.journal import JobClosed, JobSubmitted
from zmr.engines.options import JobOptions
from zmr.engines.prepare import prepare
from zmr.errors import StateError
from zmr.messages import Submit

if TYPE_CHECKING:
    from zmr.journal.store import Journal


def give(options: JobOptions, journal: Journal | None) -> JobGiven:
    """What the master is given for these options. Raises a `UsageError` of some kind."""
    if journal is None:
        return JobGiven(prepare(options).submit)
    words = words_of(options)
    known = _known(journal, words)
    # Killed before the job is in the journal, the next start must not find its folder taken.
    return JobGiven(known or prepare(options, claims_output=False).submit, words)


def words_of(options: JobOptions) -> str:
    """What the person said about the result. Whoever says the same means the same job."""
    settings = options.settings
    return json.dumps(
        {
            "job": _in_full(options.job),
            "inputs": [os.path.abspath(path) for path in options.inputs],
            "output": os.path.abspath(options.output),
            "reducers": options.n_reduce,
            "params": settings.params,
            "max attempts": settings.max_attempts,
            "task timeout": settings.task_timeout_s,
            "backup after": settings.backup_after_s,
            "skip bad records": settings.skip_bad_records,
        }
    )


def _in_full(reference: str) -> str:
    """The job as it would be named in any other folder: path/job.py:Class by its whole path."""
    path, colon, name = reference.rpartition(":") if ":" in reference else (reference, "", "")
    return os.path.abspath(path) + colon + name if path.endswith(".py") else reference


def _known(journal: Journal, words: str) -> Submit | None:
    """The job of the journal that these words mean. Raises `StateError` if another one is begun."""
    unfinished: dict[str, JobSubmitted] = {}
    ended: dict[str, JobClosed] = {}
    for record in journal.firsts():
        match record:
            case JobSubmitted(submit):
                unfinished[submit.spec.job_id] = record
            case JobClosed(spec):
                ended[spec.job_id] = record
    for begun in unfinished.values():
        if begun.words != words:
            spec = begun.submit.spec
            raise StateError(
                f"{journal.folder} (--state-dir) has the unfinished job {spec.job_id}, with output "
                f"to {spec.output}: start the master in the same words to go on with it"
                f"{'' if begun.words else ', which is without --job'}, "
                "or choose another --state-dir"
            )
        return begun.submit
    for closed in reversed(ended.values()):
        if closed.words == words:
            return Submit(closed.spec, ())
    return None
