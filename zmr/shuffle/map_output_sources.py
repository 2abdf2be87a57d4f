"""Where a reduce task's input comes from: files of this host, other workers, or anywhere else.

A file on the same host is read directly. What is elsewhere, or can't be seen here although its
worker is on a host of the same name, is fetched from that worker; so is everything, if direct
reading is switched off. What a worker doesn't serve can only be read directly, from a shared disk.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from socket import gethostname
from typing import TYPE_CHECKING, Protocol

from zmr.messages import MapOutput
from zmr.shuffle.map_output import (
    CorruptMapOutput,
    LocalSource,
    Source,
    StoredPartition,
    open_partition,
)
from zmr.shuffle.names import map_output_name, partition_name

if TYPE_CHECKING:
    from zmr.shuffle.fetch import Fetcher

# How long to wait for a worker that does not answer.
LONGEST_PATIENCE_S = 15.0

# What is under way to a reduce, or waits there to be read, takes this part of its memory.
_MEMORY_SHARE = 16

_MOST_OPENED_AHEAD = 256

Opened = tuple[MapOutput, StoredPartition | OSError | CorruptMapOutput]


class MapSources(Protocol):
    """What a reduce task is given for its input: its partition of every map output.

    `open` is called once. The partitions are then read at once or one after another, each when its
    turn comes; reading may raise OSError and `CorruptMapOutput`.
    """

    def open(self) -> Iterator[Opened]:
        """The partitions, in the order of the maps, each with the index read and verified.

        In place of one that can't be read there is the error. Maps without output may be missing.
        """
        ...

    def share_among(self, n_partitions: int) -> None:
        """So many of the partitions will be read at the same time from now on."""


class StoredSources:
    """The map outputs that workers keep, as one reduce task reads them; a context manager.

    `partition` of the `outputs`, which have `n_partitions` each. `on_bytes` is called with the size
    of whatever has been fetched. For a worker that does not answer, `patience_s` is the limit.
    """

    def __init__(
        self,
        job_id: str,
        outputs: Iterable[MapOutput],
        partition: int,
        n_partitions: int,
        memory_bytes: int,
        on_bytes: Callable[[int], None] = lambda size_bytes: None,
        direct: bool = True,
        patience_s: float = LONGEST_PATIENCE_S,
    ) -> None:
        self._job_id = job_id
        self._outputs = outputs
        self._partition = partition
        self._n_partitions = n_partitions
        self._budget_bytes = memory_bytes // _MEMORY_SHARE
        self._on_bytes = on_bytes
        self._direct = direct
        self._patience_s = patience_s
        self._host = gethostname()
        self._fetcher: Fetcher | None = None
        self._stack = ExitStack()

    def __enter__(self) -> StoredSources:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self) -> Iterator[Opened]:
        """The partitions, indices verified."""
        for output, source in self._asked_ahead():
            if isinstance(source, OSError):
                yield output, source
                continue
            try:
                stored = open_partition(source, self._partition)
                source.close()  # there may be more of them than a process may have open
            except (OSError, CorruptMapOutput) as error:
                yield output, error
            else:
                yield output, stored

    def share_among(self, n_partitions: int) -> None:
        """So many are read at the same time from now on."""
        if self._fetcher is not None:
            self._fetcher.share_among(n_partitions)

    def _asked_ahead(self) -> Iterator[tuple[MapOutput, Source | OSError]]:
        """The sources, each some time after the end of its file has been asked for."""
        asked: deque[tuple[MapOutput, Source | OSError]] = deque()
        for output in self._outputs:
            asked.append((output, self._source(output)))
            if len(asked) > self._most_ahead:
                yield asked.popleft()
        yield from asked

    @property
    def _most_ahead(self) -> int:
        if self._fetcher is None:
            return 0
        from zmr.shuffle.fetch import end_bytes

        return min(_MOST_OPENED_AHEAD, self._budget_bytes // end_bytes(self._n_partitions))

    def _source(self, output: MapOutput) -> Source | OSError:
        is_here = self._direct and output.host == self._host
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
            from zmr.shuffle.fetch import Fetcher  # ZeroMQ is loaded where something is fetched

            self._fetcher = self._stack.enter_context(
                Fetcher(self._budget_bytes, self._patience_s, self._on_bytes)
            )
        return self._fetcher.open(
            output.shuffle_address, self._job_id, output.index, output.attempt, self._n_partitions
        )


class PartitionSources:
    """Partitions that are each by themselves, as a `PartitionSink` has written them.

    `sources` are those of one partition of each map output, in the order of the maps, or why there
    is none; an iterator is asked for the next one when the one before is open.
    """

    def __init__(self, sources: Iterable[tuple[MapOutput, Source | OSError]]) -> None:
        self._sources = sources

    def open(self) -> Iterator[Opened]:
        """The partitions, indices verified."""
        for output, source in self._sources:
            if isinstance(source, OSError):
                yield output, source
                continue
            try:
                yield output, open_partition(source, 0)
            except (OSError, CorruptMapOutput) as error:
                yield output, error

    def share_among(self, n_partitions: int) -> None:
        """They are all here."""


def name_of_partition(job_id: str, output: MapOutput, partition: int) -> str:
    """The name under which a `PartitionSink` has written the partition of this map output."""
    return partition_name(map_output_name(job_id, output.index, output.attempt), partition)
