"""A slot: the process in which the tasks of one job run, one after the other.

It owns its end of a stream to the agent. From there come the job, then tasks (as many as the agent
likes; they wait here) and answers to commit requests; back go progress, commit requests and, for
every task, exactly one of `MapDone`, `ReduceDone` and `TaskFailed`, in the order of the tasks.

User code may do here what it likes. Whatever it raises becomes a `TaskFailed`; whatever ends the
process is for the fork server to notice. The slot ends when the agent closes the stream.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import select
import socket
import sys
import threading
from collections import deque
from contextlib import suppress

import pyarrow as pa

from zmr.errors import Ended
from zmr.job import Job
from zmr.messages import (
    CommitReply,
    CommitRequest,
    FailureReason,
    Frame,
    FromSlot,
    MapDone,
    Progress,
    ReduceDone,
    StartJob,
    Task,
    TaskKind,
)
from zmr.shuffle.map_output_sink import FileSink
from zmr.shuffle.map_output_sources import LONGEST_PATIENCE_S, StoredSources
from zmr.shuffle.names import map_output_name
from zmr.slots.attempt import (
    Result,
    collect_garbage_of_tasks,
    failed,
    keeping_record,
    load,
    run_attempt,
    show_to_others,
)
from zmr.slots.malloc import set_up_malloc
from zmr.slots.prints import Prints
from zmr.tasks.context import DEFAULT_MEMORY_BYTES, TaskContext
from zmr.tasks.errors import TaskError
from zmr.tasks.map_task import run_map
from zmr.tasks.progress import TaskProgress
from zmr.tasks.reduce_task import run_reduce
from zmr.tasks.task_log import log_of
from zmr.wire.stream import FrameReader, pack

_RECEIVE_BYTES = 256 * 1024


def serve(connection: socket.socket) -> None:
    """Be a slot until the agent closes the connection."""
    # Else reading CSV would end by signals that are left to the agent.
    pa.enable_signal_handlers(False)
    collect_garbage_of_tasks()
    if sys.stderr is not None:
        faulthandler.enable(all_threads=False)  # a segfault shows the line of user code, too
    if random := sys.modules.get("numpy.random"):
        random.seed()  # or every slot would draw the same numbers
    SlotProcess(connection).run()


class _AgentGone(Ended):
    """The agent closed the stream."""


class SlotProcess:
    """This process: its stream, the tasks that wait, and the one that runs."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = FrameReader()
        self._tasks: deque[Task] = deque()
        self._granted: dict[int, bool] = {}  # answers to commit requests, by attempt
        self._start: StartJob | None = None
        # Guards the stream and what is running, which the main thread and that of progress share.
        self._lock = threading.Lock()
        self._running: tuple[int, TaskProgress] | None = None
        self._prints = Prints()
        os.register_at_fork(after_in_child=self._detach)

    def run(self) -> None:
        self._prints.install()
        try:
            while self._start is None:
                self._receive()
            start = self._start
            self._prints.begin(lambda: (start.spec.job_id, ""))
            threading.Thread(
                target=self._report_progress, args=(start,), name="progress", daemon=True
            ).start()
            set_up_malloc(start.memory_bytes)
            job = load(start.spec)
            if isinstance(job, Job):
                show_to_others(start.spec, start.folder)
            gc.freeze()
            while True:
                while not self._tasks:
                    self._receive()
                self._work(job, start, self._tasks.popleft())
        except _AgentGone:
            _flush_prints()

    # --- tasks ---

    def _work(self, job: Job | TaskError, start: StartJob, task: Task) -> None:
        self._prints.begin(lambda: log_of(start.spec, task))
        progress = TaskProgress()
        with self._lock:
            self._running = task.attempt, progress
        result = self._attempt(job, start, task, progress)
        _flush_prints()
        try:
            data = pack(Frame(0, (result,)))
        except (ValueError, TypeError) as error:  # a counter beyond 64 bits, say
            refused = TaskError(FailureReason.WORKER_ERROR, f"the result can't be sent: {error}")
            data = pack(Frame(0, (failed(task, refused, progress),)))
        with self._lock:
            self._running = None
            self._send(data)

    def _attempt(
        self, job: Job | TaskError, start: StartJob, task: Task, progress: TaskProgress
    ) -> Result:
        context = TaskContext(
            start.folder,
            commit=lambda: self._commit(task),
            progress=progress,
            memory_bytes=start.memory_bytes or DEFAULT_MEMORY_BYTES,
            skip_bad_records=start.spec.skip_bad_records,
            skip_bad_files=start.spec.skip_bad_files,
            syncs_late=start.syncs_late,
        )
        return run_attempt(
            *(job, start.spec, task, context),
            lambda loaded, counted: _run(loaded, start, counted, context),
            lambda: _sources(start, task, context),
        )

    def _commit(self, task: Task) -> bool:
        """Ask whether this attempt may commit, and wait for the answer."""
        self._granted.clear()
        self._send_message(CommitRequest(task.job_id, task.kind, task.index, task.attempt))
        while task.attempt not in self._granted:
            self._receive()
        return self._granted.pop(task.attempt)

    # --- the stream ---

    def _receive(self) -> None:
        """Wait for something from the agent, and put it where it belongs."""
        try:
            data = self._connection.recv(_RECEIVE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            raise _AgentGone
        for frame in self._reader.feed(data):
            for message in frame.messages:
                if isinstance(message, Task):
                    self._tasks.append(message)
                elif isinstance(message, CommitReply):
                    self._granted[message.attempt] = message.granted
                elif isinstance(message, StartJob):
                    self._start = message
                else:
                    raise AssertionError(f"the agent sent a slot {message!r}")

    def _send_message(self, message: FromSlot) -> None:
        data = pack(Frame(0, (message,)))
        with self._lock:
            self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise _AgentGone from None

    def _report_progress(self, start: StartJob) -> None:
        """Send how far the running task is, at every interval; end the process with its agent.

        In a thread of its own, so that code that never returns is seen to make no progress.
        """
        poll = select.poll()
        poll.register(self._connection, 0)  # a closed connection is reported all the same
        try:
            while not poll.poll(start.progress_interval_s * 1000):
                with self._lock:
                    if self._running is not None:
                        attempt, progress = self._running
                        records, size_bytes = progress.read()
                        fraction = progress.fraction()
                        starting = progress.is_starting
                        known = Progress(
                            attempt, records, size_bytes, fraction=fraction, starting=starting
                        )
                        self._send(pack(Frame(0, (known,))))
        finally:
            os._exit(0)

    def _detach(self) -> None:
        """In a process that user code forks: it must neither speak for the slot nor outlast it."""
        self._lock = threading.Lock()
        self._connection.close()


def _run(
    job: Job, start: StartJob, task: Task, context: TaskContext
) -> MapDone | ReduceDone | None:
    if task.kind is TaskKind.REDUCE:
        with _sources(start, task, context) as sources:
            return run_reduce(job, task, sources, context)
    name = map_output_name(task.job_id, task.index, task.attempt)
    sink = FileSink(os.path.join(start.folder, name))
    with keeping_record(context, start.folder, task) as context:
        return run_map(job, task, sink, context)


def _sources(start: StartJob, task: Task, context: TaskContext) -> StoredSources:
    """The map outputs that a reduce reads. It gives up before it is itself given up."""
    return StoredSources(
        task.job_id,
        task.sources,
        task.index,
        task.n_reduce,
        context.memory_bytes,
        context.progress.advance_bytes,
        direct=not start.no_direct_read,
        patience_s=min(LONGEST_PATIENCE_S, start.spec.task_timeout_s / 2),
    )


def _flush_prints() -> None:
    """Bring out what user code printed, wherever it has pointed the streams to."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
