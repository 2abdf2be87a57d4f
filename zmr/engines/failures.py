"""Why a job has failed, as the error that its caller gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zmr.core.states import JobState
from zmr.errors import JobFailed, ZmrError

if TYPE_CHECKING:
    from zmr.core.actions import Outcome
    from zmr.messages import JobSpec

# At the end of the reason of a failure: which input, and where in it.
_PLACE = re.compile(r"\(in map(?:_batch)?, (.+), ([^,]+)\)$")


def require_done(outcome: Outcome) -> None:
    """Raise `JobFailed` unless the job is done."""
    if outcome.state is JobState.FAILED:
        raise failure(outcome.spec.name, outcome.reason, outcome.traceback, outcome.failed_task)
    if outcome.state is not JobState.DONE:
        raise JobFailed(f"{outcome.spec.name} {outcome.state.value}: {outcome.reason}")


def failure(name: str, reason: str, traceback: str, task: str) -> JobFailed:
    """The error for a job that failed for this reason, of one line."""
    error = JobFailed(f"{name} failed: {reason}")
    error.task, error.traceback = task, traceback
    if place := _PLACE.search(reason):
        error.input, error.record = place.groups()
    if traceback:
        error.add_note(f"In the job's code:\n{traceback.rstrip()}")
    return error


@contextmanager
def inline_failures(spec: JobSpec) -> Iterator[None]:
    """What the job's own code raises in the body, which runs it inline, comes as `JobFailed`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        from zmr.tasks.errors import in_one_line, users_traceback

        reason = getattr(error, "zmr_reason", "")  # why the input can't be read
        if isinstance(error, ZmrError) and not reason:
            raise
        step = "".join(f"{note}: " for note in getattr(error, "__notes__", ())[-1:] if spec.steps)
        place = getattr(error, "zmr_place", "")
        text = (reason or in_one_line(error)) + (f" ({place})" if place else "")
        traceback = "" if reason else users_traceback(error)
        raise failure(spec.name, step + text, traceback, "") from error
