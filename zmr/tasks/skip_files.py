"""A map task that leaves files out which can't be read (`--skip-bad-files`).

A file is bad if it can't be read to its end: it is damaged, is not there, may not be read, or is
not what its format reads. Nothing of a bad file stays in its task: the task begins anew without it.
The first of several attempts at a task fails of it as always, since it may be the worker, and not
the file.
"""

from __future__ import annotations

from zmr.display import counted
from zmr.job import Job
from zmr.messages import FailureReason, Task
from zmr.output.skipped import SKIPPED_FILES_COUNTER, SkippedFile
from zmr.tasks.errors import TaskError, worker_error


class UnreadableFile(TaskError):
    """An error of reading a file which is that of the whole file, and of no record in it."""

    def __init__(self, path: str, reason: FailureReason, message: str) -> None:
        super().__init__(reason, message)
        self.path = path


class SkipFiles:
    """The files that one attempt leaves out: up to so many as its context allows."""

    def __init__(self, task: Task, limit: int) -> None:
        self._task = task
        self._limit = limit
        self._errors: dict[str, str] = {}  # by path

    @property
    def n(self) -> int:
        """How many are left out so far."""
        return len(self._errors)

    @property
    def last(self) -> str:
        """Why the last one is left out; empty if none is."""
        return next(reversed(self._errors.values()), "")

    def add(self, error: UnreadableFile) -> None:
        """The file is left out from now on. Raises `TaskError` if it may not be."""
        # At first it may be the worker's fault. And where records are left out by their numbers in
        # the task, these must go on to mean the same records.
        is_first = not (self._task.failures or self._task.is_last)
        if not self._limit or is_first or self._task.skips or error.path in self._errors:
            raise error
        if self.n == self._limit:
            most = counted(self._limit, "bad file")
            text = f"more than {most} (--skip-bad-files), the last: {error.message}"
            raise TaskError(FailureReason.BAD_RECORDS, text) from error
        self._errors[error.path] = error.message

    def task(self) -> Task:
        """The task without the files that are left out."""
        splits = tuple(each for each in self._task.splits if each.path not in self._errors)
        return self._task._replace(splits=splits)

    def save(self, job: Job, left_out: SkippedFile) -> None:
        """Count and write down what is left out. Raises `TaskError`."""
        if self.n:
            job.count(SKIPPED_FILES_COUNTER, self.n)
        try:
            for path, error in self._errors.items():
                left_out.add_file(path, error)
        except OSError as failure:
            raise worker_error(failure, "saving the names of bad files") from failure
