"""Jobs from Python: `zmr.run`, and clusters that stay for more than one job."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from zmr.core.settings import MasterSettings
from zmr.engines.connect import connect
from zmr.engines.failures import inline_failures
from zmr.engines.options import LEAST_MEMORY_BYTES, JobSettings, SlotOptions, size_of
from zmr.engines.prepare import Prepared
from zmr.engines.progress import progress_reporter
from zmr.engines.result import Result
from zmr.engines.work import GivenJob, Work, in_this_process, whole_number
from zmr.errors import OutputError, UsageError
from zmr.output.folder import clean_temporary
from zmr.slots.cgroup import default_slots

if TYPE_CHECKING:
    from zmr.core.actions import Outcome
    from zmr.engines.local import Engine, LocalEngine
    from zmr.messages import JobStatus, Submit


def run(
    job: GivenJob,
    inputs: Any,
    out: str | os.PathLike[str] | None = None,
    *,
    master: str | None = None,
    engine: Literal["local", "inline", "ray"] = "local",
    ray_address: str | None = None,
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
            that is no list of str; an Arrow table, or a data frame, whose rows are records; or the
            result of another job, whose pairs are. Of several inputs, a dict of these by name.
        out: the folder for the output. None: temporary files, with types, as long as the result.
        master: the address of a master, to run the job on its cluster, which shares `out`.
        engine: "inline" runs the job in this process, to debug it; "ray" on a Ray cluster.
        ray_address: which; None: this process's own, that of RAY_ADDRESS, or a new one here.
        slots: how many tasks at a time; None: one for each processor, or as many as Ray can run.
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
    _check_engine(engine, ray_address)
    if master is not None:
        with connect(master) as cluster:
            return cluster.run_with(job, inputs, out, reducers, settings)
    if engine == "inline":
        n_reduce = _one_of(reducers, slots)
        return Work(job, inputs, out, n_reduce, settings, local_dir).result(_run_inline)
    if engine == "ray":
        options = SlotOptions(whole_number("slots", slots), _memory_bytes(memory), local_dir)
        return _run_on_ray(ray_address, job, inputs, out, reducers, settings, options, progress)
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
        n_slots = whole_number("slots", slots) or default_slots()
        self._options = SlotOptions(n_slots, _memory_bytes(memory), local_dir)
        self._engine: LocalEngine | None = None
        self._is_closed = False
        self._end: Callable[[], object] = lambda: None
        self._lock = threading.RLock()

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
        """End the slots, after a run that another thread has begun. There are no more runs."""
        self._is_closed = True
        with self._lock:
            self._end_engine()

    def _end_engine(self) -> None:
        self._engine = None
        self._end()

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
        n_reduce = whole_number("reducers", reducers) or self._options.slots
        work = Work(job, inputs, out, n_reduce, settings, self._options.local_dir)
        return work.result(self._run_prepared)

    def _run_prepared(self, prepared: Prepared) -> Outcome:
        from zmr.engines.local import LocalEngine

        with self._lock, _rare_garbage_collection(), _one_log_of_failures():
            if self._is_closed:
                raise UsageError("this LocalCluster was closed")
            if self._engine is None:
                self._engine = LocalEngine(self._options, _SETTINGS)
                # When nobody has closed it, it ends with the process or the last reference.
                self._end = weakref.finalize(self, in_this_process(self._engine.close))
            try:
                with progress_reporter(self._progress) as report:
                    return _run_to_the_end(self._engine, prepared.submit, report.show)
            except BaseException:
                self._end_engine()  # in the middle of something
                raise


def _one_of(reducers: int | None, slots: int | None) -> int:
    """How many partitions there are where slots are only a number."""
    n_reduce = whole_number("reducers", reducers) or whole_number("slots", slots)
    return n_reduce or default_slots()


def _check_engine(engine: str, ray_address: str | None) -> None:
    """Raise `UsageError` if there is no such engine, or it has no address."""
    if engine not in ("local", "inline", "ray"):
        raise UsageError(f"engine is 'local', 'inline' or 'ray', not {engine!r}")
    if ray_address is not None and engine != "ray":
        raise UsageError("ray_address is for engine='ray'")


def _memory_bytes(memory: int | str) -> int:
    """What a task may use. Raises `UsageError`."""
    memory_bytes = size_of(memory)
    if 0 < memory_bytes < LEAST_MEMORY_BYTES:
        raise UsageError(f"memory={memory!r} is too little: at least {LEAST_MEMORY_BYTES >> 20}M")
    return memory_bytes


# A worker in this process is never lost; its job's own limits are kept all the same.
_NEVER_S = 1e9
_SETTINGS = MasterSettings(
    heartbeat_interval_s=0.25,
    suspect_after_s=_NEVER_S,
    lost_after_s=_NEVER_S,
    reports_outcomes=True,
)


def _run_to_the_end(engine: Engine, submit: Submit, show: Callable[[JobStatus], None]) -> Outcome:
    """Run the job. In the main thread SIGINT ends it, and raises KeyboardInterrupt; also when it
    was done by then, as what runs jobs in a loop is to end, too.
    """
    job_id = submit.spec.job_id
    interrupted: list[int] = []

    def interrupt(number: int) -> None:
        interrupted.append(number)
        engine.cancel(job_id, "interrupted")

    if threading.current_thread() is threading.main_thread():
        engine.reactor.on_signals((signal.SIGINT,), interrupt)
    try:
        engine.give(submit, show)
        while (outcome := engine.outcome()) is None:
            engine.reactor.turn(_NEVER_S)
        for _ in range(4):  # in which the worker learns of it, and ends the job's slots
            engine.reactor.turn(0.0)
    finally:
        engine.reactor.close()
        clean_temporary(submit.spec.output, job_id)
    if interrupted:
        raise KeyboardInterrupt
    return outcome


def _run_on_ray(
    address: str | None,
    job: GivenJob,
    inputs: Any,
    out: str | os.PathLike[str] | None,
    reducers: int | None,
    settings: JobSettings,
    options: SlotOptions,
    progress: bool | None,
) -> Result:
    from zmr.engines.ray import MOST_TASKS, RayEngine, connected, timeless

    with connected(address, options.slots or default_slots()) as cluster:
        if out is None and not cluster.is_own:
            raise OutputError("a job on a Ray cluster needs a folder that its nodes share: out=")
        n_reduce = whole_number("reducers", reducers) or cluster.n_cpus
        options = replace(options, slots=options.slots or MOST_TASKS)
        is_shared = not cluster.is_own
        work = Work(job, inputs, out, n_reduce, settings, options.local_dir, is_shared)

        def run_prepared(prepared: Prepared) -> Outcome:
            with _rare_garbage_collection(), progress_reporter(progress) as report:
                spec, submit = prepared.spec, timeless(prepared.submit)
                engine = RayEngine(cluster, options, spec, _SETTINGS)
                with closing(engine):
                    return _run_to_the_end(engine, submit, report.show)

        return work.result(run_prepared)


def _run_inline(prepared: Prepared) -> Outcome:
    from zmr.engines.inline import run_inline

    try:
        with inline_failures(prepared.spec):
            return run_inline(prepared)
    finally:
        clean_temporary(prepared.spec.output, prepared.spec.job_id)


@contextmanager
def _one_log_of_failures() -> Iterator[None]:
    """The master, in this process, logs of each attempt what its worker does."""
    log = logging.getLogger("zmr.worker")
    if log.level != logging.NOTSET:  # the caller wants it so
        yield
        return
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(logging.NOTSET)


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
