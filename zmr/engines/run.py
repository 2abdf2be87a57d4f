"""Jobs from Python: `zmr.run`, and clusters that stay for more than one job."""

from __future__ import annotations

import gc
import math
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.engines.given import give_inputs
from zmr.engines.options import JobOptions, JobSettings, SlotOptions, size_of
from zmr.engines.prepare import Prepared, prepare
from zmr.engines.progress import progress_reporter
from zmr.engines.result import Result
from zmr.errors import InputError, JobFailed, OutputError, UsageError
from zmr.formats.pairs import PairsOutput
from zmr.job import Job
from zmr.job_loader import JobSource, find_job, given_job
from zmr.output.folder import clean_temporary
from zmr.output.local_dir import LocalDir
from zmr.output.manifest import output_files, read_counters, read_stats
from zmr.pipeline import Pipeline
from zmr.slots.cgroup import default_slots

if TYPE_CHECKING:
    from zmr.core.actions import Outcome
    from zmr.engines.local import LocalEngine
    from zmr.messages import JobStatus
    from zmr.net.client import Client

GivenJob = str | type[Job] | type[Pipeline] | Job | Pipeline

# At the end of the reason of a failure: which input, and where in it.
_PLACE = re.compile(r"\(in map(?:_batch)?, (.+), ([^,]+)\)$")

_CLUSTER_REDUCERS = 8  # as of `zmr submit`


def run(
    job: GivenJob,
    inputs: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    master: str | None = None,
    engine: Literal["local", "inline"] = "local",
    slots: int | None = None,
    reducers: int | None = None,
    memory: int | str = 0,
    overwrite: bool = False,
    max_attempts: int = 4,
    task_timeout: float = 30.0,
    setup_timeout: float = 600.0,
    skip_bad_records: int = 0,
    skip_bad_files: int = 0,
    hidden_files: bool = False,
    local_dir: str | None = None,
    progress: bool | None = None,
) -> Result:
    """Run a job, and return what it has put out.

    Parameters:
        job: a class, an object with its parameters (`Grep(pattern="x")`), a Pipeline, or a name as
            on the command line ("wordcount", "job.py:Class"). A class may be of a script or a
            notebook.
        inputs: the name of a file or folder, a pattern, or a list of them; records, of any iterable
            that is no list of str; an Arrow table, or a data frame, of which each row is a record;
            or the result of another job, of which each pair is one. Of a job with several inputs,
            a dict of these by name.
        out: the folder for the output. None: temporary files, with types, as long as the result.
        master: the address of a master, to run the job on its cluster, which shares `out`.
        engine: "inline" runs the job in this process, to debug it.
        slots: how many tasks at a time; None: one for each processor.
        memory: what a task may use, in bytes or as text ("512M"); 0: no limit.
        progress: whether to show bars; None: on a terminal, and in a notebook.

    The others are those of `zmr run`. Raises `JobFailed`, with the traceback of the job's own code,
    or another `ZmrError` if nothing was started. Ctrl-C ends the job.

    Example:
        counts = zmr.run(WordCount, "books/")
        print(dict(counts)["whale"], counts.counters)
    """
    limits = (max_attempts, task_timeout, setup_timeout)
    skips = (skip_bad_records, skip_bad_files, hidden_files)
    settings = JobSettings((), overwrite, *limits, JobSettings().backup_after_s, *skips)
    if engine not in ("local", "inline"):
        raise UsageError(f"engine is 'local' or 'inline', not {engine!r}")
    if master is not None:
        with connect(master) as cluster:
            return cluster._run(job, inputs, out, reducers, settings)
    if engine == "inline":
        work = _Work(job, inputs, out, reducers or slots or default_slots(), settings, local_dir)
        return work.result(_run_inline)
    with LocalCluster(slots, memory=memory, local_dir=local_dir, progress=progress) as local:
        return local._run(job, inputs, out, reducers, settings)


class LocalCluster:
    """The slots of this machine, kept for one job after the other: `run` is as `zmr.run`.

    Parameters:
        slots: how many tasks at a time; None: one for each processor.
        memory: what a task may use, in bytes or as text ("512M"); 0: no limit.
        local_dir: where temporary files are kept; None: in the folder for temporary files.
        progress: whether to show bars; None: on a terminal, and in a notebook.

    Threads may share it: their jobs run one after the other.

    Example:
        with zmr.LocalCluster() as cluster:
            ranks = cluster.run(FirstRanks, "links.txt")
            for step in range(20):
                ranks = cluster.run(NextRanks, ranks)
    """

    def __init__(
        self,
        slots: int | None = None,
        *,
        memory: int | str = 0,
        local_dir: str | None = None,
        progress: bool | None = None,
    ) -> None:
        self._progress = progress
        self._options = SlotOptions(slots or default_slots(), size_of(memory), local_dir)
        self._engine: LocalEngine | None = None
        self._lock = threading.Lock()

    def run(
        self,
        job: GivenJob,
        inputs: Any,
        out: str | os.PathLike[str] | None = None,
        *,
        reducers: int | None = None,
        overwrite: bool = False,
        max_attempts: int = 4,
        task_timeout: float = 30.0,
        setup_timeout: float = 600.0,
        skip_bad_records: int = 0,
        skip_bad_files: int = 0,
        hidden_files: bool = False,
    ) -> Result:
        """Run a job, and return what it has put out; see `zmr.run`."""
        settings = JobSettings(
            (),
            overwrite,
            max_attempts,
            task_timeout,
            setup_timeout,
            skip_bad_records=skip_bad_records,
            skip_bad_files=skip_bad_files,
            hidden_files=hidden_files,
        )
        return self._run(job, inputs, out, reducers, settings)

    def close(self) -> None:
        """End the slots."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(
        self,
        job: GivenJob,
        inputs: Any,
        out: str | os.PathLike[str] | None,
        reducers: int | None,
        settings: JobSettings,
    ) -> Result:
        n_reduce = reducers or self._options.slots
        work = _Work(job, inputs, out, n_reduce, settings, self._options.local_dir)
        return work.result(self._run_prepared)

    def _run_prepared(self, prepared: Prepared) -> Outcome:
        from zmr.engines.local import LocalEngine

        with self._lock, _rare_garbage_collection():
            if self._engine is None:
                self._engine = LocalEngine(self._options, _SETTINGS)
            try:
                with progress_reporter(self._progress) as report:
                    return _run_to_the_end(self._engine, prepared, report.show)
            except BaseException:
                self.close()  # in the middle of something
                raise


class Cluster:
    """A cluster that runs elsewhere, as `connect` has found it: `run` is as `zmr.run`."""

    def __init__(self, client: Client, epoch: int) -> None:
        self._client = client
        self._epoch = epoch

    def run(
        self,
        job: GivenJob,
        inputs: Any,
        out: str | os.PathLike[str],
        *,
        reducers: int | None = None,
        overwrite: bool = False,
        max_attempts: int = 4,
        task_timeout: float = 30.0,
        setup_timeout: float = 600.0,
        backup_after: float = 2.0,
        no_backups: bool = False,
        skip_bad_records: int = 0,
        skip_bad_files: int = 0,
        hidden_files: bool = False,
    ) -> Result:
        """Run a job, and return what it has put out; see `zmr.run`.

        Inputs and `out` have to be where master and workers find them.
        """
        settings = JobSettings(
            (),
            overwrite,
            max_attempts,
            task_timeout,
            setup_timeout,
            math.inf if no_backups else backup_after,
            skip_bad_records,
            skip_bad_files,
            hidden_files,
        )
        return self._run(job, inputs, out, reducers, settings)

    def close(self) -> None:
        """End the connection. What runs goes on."""
        self._client.__exit__(None, None, None)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(
        self,
        job: GivenJob,
        inputs: Any,
        out: str | os.PathLike[str] | None,
        reducers: int | None,
        settings: JobSettings,
    ) -> Result:
        if out is None:
            raise OutputError("a job on a cluster needs a folder for its output, which all share")
        work = _Work(job, inputs, out, reducers or _CLUSTER_REDUCERS, settings, None, shared=True)
        return work.result(self._run_prepared)

    def _run_prepared(self, prepared: Prepared) -> Outcome:
        from zmr.core.actions import Outcome
        from zmr.messages import CancelJob

        client, spec = self._client, prepared.spec
        try:
            client.ask(prepared.submit)
        except BaseException:
            clean_temporary(spec.output, spec.job_id)
            raise
        try:
            for status in client.watch_job(spec.job_id, self._epoch):
                last = status
        except KeyboardInterrupt:
            client.ask(CancelJob(spec.job_id, "interrupted"))
            raise
        return Outcome(spec, JobState(last.state), last.reason)


def connect(address: str, *, timeout: float = 30.0) -> Cluster:
    """The cluster of the master at tcp://HOST:PORT, with the key that is found for it.

    Raises `MasterLost` if the master does not answer for `timeout` seconds, and `AddressError`.
    """
    from zmr.net.client import Client
    from zmr.net.keyring import Keyring, given_key
    from zmr.wire.address import parse
    from zmr.wire.roles import Role

    client = Client(Keyring(parse(address), given_key(None, False)), Role.CLIENT, timeout)
    client.__enter__()
    try:
        return Cluster(client, client.listen())
    except BaseException:
        client.__exit__(None, None, None)
        raise


# A worker in this process is never lost; its job's own limits are kept all the same.
_NEVER_S = 1e9
_SETTINGS = MasterSettings(
    heartbeat_interval_s=0.25, suspect_after_s=_NEVER_S, lost_after_s=_NEVER_S
)


class _Work:
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
        self._source = _source_of(job)
        self._jobs = _jobs_of(self._source)
        self._inputs, self._out = inputs, out
        self._n_reduce, self._settings = n_reduce, settings
        self._local_dir = local_dir
        self._is_shared = shared

    def result(self, run_prepared: Any) -> Result:
        """Run it: `run_prepared` gets what `prepare` gives, and returns the outcome."""
        with ExitStack() as undo:
            local = LocalDir(self._local_dir)
            undo.callback(local.close)
            inputs = give_inputs(self._jobs[0], self._inputs, local.path)
            if self._is_shared and os.listdir(local.path):
                raise InputError("a job on a cluster reads files that all of it share")
            if self._out is None:
                self._jobs[-1]._writes = PairsOutput()
            out = os.path.join(local.path, "result") if self._out is None else self._out
            prepared = prepare(self._options(inputs, os.fspath(out)))
            outcome = run_prepared(prepared)
            _require_done(outcome)
            for entry in list(os.scandir(local.path)):  # of inputs that were written down
                if entry.is_file():
                    os.unlink(entry.path)
            folder = prepared.spec.output
            files = output_files(folder)
            stats, counters = read_stats(folder), read_counters(folder)
            name = self._source.name
            if self._out is not None:
                return Result(name, files, counters, stats)
            undo.pop_all()
        return Result(name, files, counters, stats, _remover(local))

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


def _remover(local: LocalDir) -> Any:
    """Removes the folder, but not from a process that was forked meanwhile."""
    pid = os.getpid()

    def remove() -> None:
        if os.getpid() == pid:
            local.close()

    return remove


def _run_to_the_end(
    engine: LocalEngine, prepared: Prepared, show: Callable[[JobStatus], None]
) -> Outcome:
    """Run the job. In the main thread SIGINT ends it, and raises KeyboardInterrupt."""
    job_id = prepared.spec.job_id
    interrupted: list[int] = []

    def interrupt(number: int) -> None:
        interrupted.append(number)
        engine.cancel(job_id, "interrupted")

    if threading.current_thread() is threading.main_thread():
        engine.reactor.on_signals((signal.SIGINT,), interrupt)
    try:
        engine.give(prepared.submit, show)
        while (outcome := engine.outcome()) is None:
            engine.reactor.turn(_NEVER_S)
        for _ in range(4):  # in which the worker learns of it, and ends the job's slots
            engine.reactor.turn(0.0)
    finally:
        engine.reactor.close()
        clean_temporary(prepared.spec.output, job_id)
    if interrupted and outcome.state is JobState.CANCELLED:
        raise KeyboardInterrupt
    return outcome


def _run_inline(prepared: Prepared) -> Outcome:
    from zmr.core.actions import Outcome
    from zmr.engines.inline import run_inline
    from zmr.errors import ZmrError
    from zmr.tasks.errors import in_one_line, users_traceback

    spec = prepared.spec
    try:
        run_inline(
            prepared.job,
            prepared.inputs,
            spec.output,
            spec.n_reduce,
            name=spec.name,
            skip_bad_records=spec.skip_bad_records,
            skip_bad_files=spec.skip_bad_files,
        )
    except Exception as error:
        reason = getattr(error, "zmr_reason", "")
        if isinstance(error, ZmrError) and not reason:
            raise
        place = getattr(error, "zmr_place", "")
        text = (reason or in_one_line(error)) + (f" ({place})" if place else "")
        raise _failure(spec.name, text, users_traceback(error), "") from error
    finally:
        clean_temporary(spec.output, spec.job_id)
    return Outcome(spec, JobState.DONE)


def _require_done(outcome: Outcome) -> None:
    if outcome.state is JobState.FAILED:
        raise _failure(outcome.spec.name, outcome.reason, outcome.traceback, outcome.failed_task)
    if outcome.state is not JobState.DONE:
        raise JobFailed(f"{outcome.spec.name} {outcome.state.value}: {outcome.reason}")


def _failure(name: str, reason: str, traceback: str, task: str) -> JobFailed:
    error = JobFailed(f"{name} failed: {reason}")
    error.task, error.traceback = task, traceback
    if place := _PLACE.search(reason):
        error.input, error.record = place.groups()
    if traceback:
        error.add_note(f"In the job's code:\n{traceback.rstrip()}")
    return error


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """For as long as a master runs in this process; what is set otherwise is its caller's."""
    from zmr.net.master_server import collect_garbage_rarely

    thresholds = gc.get_threshold()
    collect_garbage_rarely()
    try:
        yield
    finally:
        with suppress(ValueError):
            gc.set_threshold(*thresholds)
