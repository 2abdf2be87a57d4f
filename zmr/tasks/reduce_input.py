"""A reduce task's input: its partition of every map output, from this disk or from other workers.

A file on the same host is read directly. What is elsewhere, or can't be seen here although its
worker is on a host of the same name, is fetched from that worker; so is everything, if direct
reading is switched off. What a worker doesn't serve can only be read directly, from a shared disk.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from socket import gethostname
from typing import TYPE_CHECKING

import pyarrow as pa

from zmr.messages import FailureReason, MapOutput, StartJob, Task
from zmr.shuffle.map_output import (
    CorruptMapOutput,
    LocalSource,
    Source,
    StoredPartition,
    open_partition,
)
from zmr.shuffle.multipass_merge import Run, run_of
from zmr.tasks.errors import TaskError
from zmr.tasks.progress import TaskProgress

if TYPE_CHECKING:
    from zmr.shuffle.fetch import Fetcher

# What is under way to a reduce, or waits there to be read, takes this part of its memory.
_MEMORY_SHARE = 16

_MOST_OPENED_AHEAD = 256
_LONGEST_PATIENCE_S = 15.0

Stored = tuple[MapOutput, StoredPartition]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a slot reads map outputs."""

    direct: bool = True  # files of this host
    patience_s: float = _LONGEST_PATIENCE_S  # with a worker that says nothing

    @staticmethod
    def of(start: StartJob) -> Reading:
        """How a slot that was started so does: it gives up before it is itself given up."""
        patience_s = min(_LONGEST_PATIENCE_S, start.spec.task_timeout_s / 2)
        return Reading(not start.no_direct_read, patience_s)


DIRECT = Reading()


class MapSources:
    """The sources of one reduce task, of which `stored` are the partitions; closed by `stack`.

    Raises `TaskError`, with reason `LOST_INPUT`, that names those which can't be read.
    """

    def __init__(
        self,
        task: Task,
        reading: Reading,
        memory_bytes: int,
        progress: TaskProgress,
        stack: ExitStack,
    ) -> None:
        self._task = task
        self._reading = reading
        self._budget_bytes = memory_bytes // _MEMORY_SHARE
        self._progress = progress
        self._stack = stack
        self._host = gethostname()
        self._fetcher: Fetcher | None = None
        self.stored = self._open_all()

    def runs(self) -> list[Run]:
        """The rows of those partitions that have any, to be read once."""
        return [
            run_of(partition, _Blocks(partition, self.stored))
            for _, partition in self.stored
            if partition.rows
        ]

    def begin(self, runs: Sequence[Run]) -> None:
        """Those of the runs that are read from here will be read at once now."""
        own = [run.blocks for run in runs if isinstance(run.blocks, _Blocks)]
        if self._fetcher is not None:
            self._fetcher.share_among(len(own))
        for blocks in own:
            blocks.partition.expect()

    def _open_all(self) -> list[Stored]:
        """The task's partition of each of its sources, the indices verified."""
        stored: list[Stored] = []
        lost: list[MapOutput] = []
        reason = ""
        for output, opened in self._asked_ahead():
            try:
                if isinstance(opened, OSError):
                    raise opened
                stored.append((output, open_partition(opened, self._task.index)))
                opened.close()  # there may be more of them than a process may have open
            except (OSError, CorruptMapOutput) as error:
                lost.append(output)
                reason = reason or str(error)
        if lost:
            raise _lost(lost, stored, reason)
        return stored

    def _asked_ahead(self) -> Iterator[tuple[MapOutput, Source | OSError]]:
        """The sources, each some time after the end of its file has been asked for."""
        asked: deque[tuple[MapOutput, Source | OSError]] = deque()
        for output in self._task.sources:
            asked.append((output, self._source(output)))
            if len(asked) > self._most_ahead:
                yield asked.popleft()
        yield from asked

    @property
    def _most_ahead(self) -> int:
        if self._fetcher is None:
            return 0
        from zmr.shuffle.fetch import end_bytes

        return min(_MOST_OPENED_AHEAD, self._budget_bytes // end_bytes(self._task.n_reduce))

    def _source(self, output: MapOutput) -> Source | OSError:
        is_here = self._reading.direct and output.host == self._host
        if output.shuffle_address and not (is_here and os.access(output.path, os.R_OK)):
            return self._remote(output)
        try:
            source = LocalSource(output.path)
        except OSError as error:
            return error
        self._stack.callback(source.close)
        return source

    def _remote(self, output: MapOutput) -> Source:
        if self._fetcher is None:
            from zmr.shuffle.fetch import Fetcher

            self._fetcher = self._stack.enter_context(
                Fetcher(self._budget_bytes, self._reading.patience_s, self._progress.advance_bytes)
            )
        return self._fetcher.open(
            output.shuffle_address,
            self._task.job_id,
            output.index,
            output.attempt,
            self._task.n_reduce,
        )


class _Blocks:
    """The blocks of one partition, to be read once."""

    def __init__(self, partition: StoredPartition, stored: Sequence[Stored]) -> None:
        self.partition = partition
        self._stored = stored
        self._blocks = self._read()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        return next(self._blocks)

    def _read(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.partition.batches()
        except (OSError, CorruptMapOutput) as error:
            lost = [source for source, other in self._stored if other is self.partition]
            raise _lost(lost, self._stored, str(error)) from error
        finally:
            self.partition.source.close()


def _is_whole(partition: StoredPartition) -> bool:
    try:
        partition.expect()
        for _ in partition.batches():
            pass
    except (OSError, CorruptMapOutput):
        return False
    finally:
        partition.source.close()
    return True


def _lost(lost: Sequence[MapOutput], others: Sequence[Stored], reason: str) -> TaskError:
    """The error that names what is lost, and what of the others is: all are told at once."""
    more_lost = [s for s, partition in others if s not in lost and not _is_whole(partition)]
    lost = sorted([*lost, *more_lost], key=lambda source: source.index)
    maps = ", ".join(str(source.index) for source in lost[:10])
    more = ", ..." if len(lost) > 10 else ""
    return TaskError(
        FailureReason.LOST_INPUT,
        f"can't read the output of map {maps}{more}: {reason}",
        lost=tuple((source.index, source.attempt) for source in lost),
    )
