"""How an attempt fails: a reason, one line for people, and the user's own traceback."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from zmr.display import short_repr
from zmr.errors import Ended, YieldError
from zmr.messages import FailureReason

_MESSAGE_CHARS = 500
_TRACEBACK_CHARS = 20_000
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_JOBS = os.path.join(_PACKAGE, "jobs", "")


class TaskError(Exception):
    """The end of an attempt that could not be completed: what a `TaskFailed` message holds."""

    def __init__(
        self,
        reason: FailureReason,
        message: str,
        traceback: str = "",
        lost: tuple[tuple[int, int], ...] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.traceback = traceback
        self.lost = lost


class LookAgain(Exception):
    """There is something odd among the pairs of a map task, or may be: look at each of them."""


@contextmanager
def users_code(where: Callable[[], str], looks: bool = True) -> Iterator[None]:
    """Whatever is raised in the body is the fault of the job's code, `where` it was by then.

    In a map task that does not look at each pair, what no line of that code raised is a reason to
    do so: then `where` is known.
    """
    try:
        yield
    except (TaskError, LookAgain, Ended):
        raise
    except BaseException as error:
        if not looks and isinstance(error, Exception) and not users_part(error):
            raise LookAgain from error
        raise user_error(error, where()) from error


def user_error(error: BaseException, where: str) -> TaskError:
    """What the job's own code raised, `where` it did: "in map, /data/a.txt, line 17"."""
    place = error.place if isinstance(error, YieldError) else ""
    message = f"{in_one_line(error)} ({where}{', ' if place else ''}{place})"
    return TaskError(FailureReason.USER_ERROR, message, users_traceback(error))


def worker_error(error: Exception, doing: str) -> TaskError:
    """What the machine refused while it was `doing` something: "reading /data/a.txt"."""
    text = getattr(error, "strerror", None) or str(error)
    is_full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    reason = FailureReason.DISK_FULL if is_full else FailureReason.WORKER_ERROR
    return TaskError(reason, f"{text} ({doing})")


def users_traceback(error: BaseException) -> str:
    """The traceback from the first frame of the user's on; the whole of it if there is none.

    It is empty if it has nothing beyond the text of the error.
    """
    if isinstance(error, YieldError):
        return ""
    from traceback import format_exception

    steps = users_part(error) or error.__traceback__
    try:
        text = "".join(format_exception(type(error), error, steps))
    except Exception:  # the user's own __str__ or __repr__ can fail as well
        text = type(error).__name__
    if len(text) <= _TRACEBACK_CHARS:
        return text
    half = _TRACEBACK_CHARS // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def in_one_line(error: BaseException) -> str:
    """Type and text."""
    kind = error.kind if isinstance(error, YieldError) else type(error).__name__
    text = short_repr(error, str, _MESSAGE_CHARS)
    return f"{kind}: {text}" if text else kind


def users_part(error: BaseException) -> TracebackType | None:
    """The error's traceback from the first frame of the job's own code on, if there is one."""
    step = error.__traceback__
    while step is not None and _is_ours(step):
        step = step.tb_next
    return step


def _is_ours(step: TracebackType) -> bool:
    file = step.tb_frame.f_code.co_filename
    return file.startswith(_PACKAGE + os.sep) and not file.startswith(_JOBS)
