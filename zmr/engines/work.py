"""A job that is given in Python, with its inputs, and the folder that its result is in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from shlex import quote
from typing import TYPE_CHECKING, Any

from zmr.engines.failures import require_done
from zmr.engines.given import give_inputs
from zmr.engines.options import JobOptions, JobSettings
from zmr.engines.prepare import Prepared, prepare
from zmr.engines.result import Result
from zmr.errors import InputError, JobFailed, UsageError
from zmr.formats.pairs import TemporaryPairs
from zmr.job import Job
from zmr.job_loader import JobSource, find_job, given_job
from zmr.module_loader import file_being_run
from zmr.output.capsules import list_capsules
from zmr.output.local_dir import LocalDir
from zmr.output.manifest import read_manifest
from zmr.pipeline import Pipeline

if TYPE_CHECKING:
    from zmr.core.actions import Outcome

GivenJob = str | type[Job] | type[Pipeline] | Job | Pipeline

# What is given as objects is in a file here, in messages.
_FOLDER = "\0"
_IN_FOLDER = re.compile(r"\0/[^\s,:]*")


class Work:
    """A job with its inputs, and the folder that its result is in."""

    def __init__(
        self,
        job: GivenJob,
        inputs: Any,
        out: str | os.PathLike[str] | None,
        n_reduce: int,
        settings: JobSettings,
        local_dir: str | None,
        shared: bool = False,
    ) -> None:
        if path := file_being_run():
            raise UsageError(
                f"{path} runs a job while it is loaded as a job file itself: call zmr.run there "
                'under if __name__ == "__main__":'
            )
        self._source = _source_of(job)
        self._jobs = _jobs_of(self._source)
        self._inputs, self._out = inputs, out
        self._n_reduce, self._settings = n_reduce, settings
        self._local_dir = local_dir
        self._is_shared = shared

    def result(self, run_prepared: Callable[[Prepared], Outcome]) -> Result:
        """Run it: `run_prepared` gets what `prepare` gives, and returns the outcome."""
        with ExitStack() as undo:
            local = LocalDir(self._local_dir)
            undo.callback(local.close)
            inputs = give_inputs(self._jobs[0], self._inputs, local.path)
            if self._is_shared and os.listdir(local.path):
                raise InputError("a job on a cluster reads files that all of it share")
            if self._out is None:
                self._jobs[-1]._writes = TemporaryPairs()
            out = os.path.join(local.path, "result") if self._out is None else self._out
            prepared = prepare(self._options(inputs, os.fspath(out)))
            try:
                require_done(run_prepared(prepared))
            except JobFailed as error:
                raise self._told(error, local.path) from error.__cause__
            for entry in list(os.scandir(local.path)):  # of inputs that were written down
                if entry.is_file():
                    os.unlink(entry.path)
            result = read_manifest(prepared.spec.output)
            if self._out is not None:
                return Result(result)
            undo.pop_all()
        return Result(result, in_this_process(local.close))

    def _told(self, error: JobFailed, folder: str) -> JobFailed:
        """The error, without names of temporary files, and with the way to replay the task."""
        told = JobFailed(_IN_FOLDER.sub("the records given", str(error).replace(folder, _FOLDER)))
        told.task, told.record, told.traceback = error.task, error.record, error.traceback
        told.input = "" if error.input.startswith(folder) else error.input
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        for capsule in list_capsules(os.fspath(self._out)) if self._out is not None else ():
            told.add_note(f"To run that task alone: zmr replay {quote(capsule)}")
        return told

    def _options(self, inputs: tuple[str, ...], out: str) -> JobOptions:
        return JobOptions(
            self._source.name, inputs, out, self._n_reduce, self._settings, self._source
        )


def _source_of(job: GivenJob) -> JobSource:
    if isinstance(job, str):
        return given_job(find_job(job).create(()))
    return given_job(job)


def _jobs_of(source: JobSource) -> tuple[Job, ...]:
    given = source.given
    return given.jobs if isinstance(given, Pipeline) else (given,)


def whole_number(name: str, given: int | None) -> int:
    """The number that was given; 0: none was. Raises `UsageError`."""
    if given is None:
        return 0
    if type(given) is not int or given < 1:
        raise UsageError(f"{name} is a number from 1 on, not {given!r}")
    return given


def in_this_process(end: Callable[[], None]) -> Callable[[], None]:
    """The same, but nothing in a process that was forked meanwhile."""
    pid = os.getpid()

    def ended() -> None:
        if os.getpid() == pid:
            end()

    return ended
