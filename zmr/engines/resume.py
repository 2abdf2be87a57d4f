"""The one job of `zmr master --job`: a new one, or that of the journal with the same command line.

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


def resume_or_prepare(options: JobOptions, journal: Journal | None) -> JobGiven:
    """What the master is given for these options. Raises a `UsageError` of some kind."""
    if journal is None:
        return JobGiven(prepare(options).submit)
    fingerprint = fingerprint_of(options)
    known = _known(journal, fingerprint)
    # Killed before the job is in the journal, the next start must not find its folder taken.
    return JobGiven(known or prepare(options, claims_output=False).submit, fingerprint)


def fingerprint_of(options: JobOptions) -> str:
    """What of the command line decides the result. Where it is the same, so is the job."""
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
            "setup timeout": settings.setup_timeout_s,
            "backup after": settings.backup_after_s,
            "skip bad records": settings.skip_bad_records,
            "skip bad files": settings.skip_bad_files,
            "hidden files": settings.hidden_files,
        }
    )


def _in_full(reference: str) -> str:
    """The job as it would be named in any other folder: path/job.py:Class by its whole path."""
    path, colon, name = reference.rpartition(":") if ":" in reference else (reference, "", "")
    return os.path.abspath(path) + colon + name if path.endswith(".py") else reference


def _known(journal: Journal, fingerprint: str) -> Submit | None:
    """The job of the journal with this fingerprint. Raises `StateError` if another one is begun."""
    unfinished: dict[str, JobSubmitted] = {}
    ended: dict[str, JobClosed] = {}
    for record in journal.firsts():
        match record:
            case JobSubmitted(submit):
                unfinished[submit.spec.job_id] = record
            case JobClosed(spec):
                ended[spec.job_id] = record
    for begun in unfinished.values():
        if begun.fingerprint != fingerprint:
            spec = begun.submit.spec
            raise StateError(
                f"{journal.folder} (--state-dir) has the unfinished job {spec.job_id}, with output "
                f"to {spec.output}: start the master with the same command line to go on with it"
                f"{'' if begun.fingerprint else ', which is without --job'}, "
                "or choose another --state-dir"
            )
        return begun.submit
    for closed in reversed(ended.values()):
        if closed.fingerprint == fingerprint:
            return Submit(closed.spec, ())
    return None
