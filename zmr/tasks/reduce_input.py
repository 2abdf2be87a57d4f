"""A reduce task's input: its partition of every map output, verified, and what of it is lost.

Where the partitions come from is the caller's choice (`zmr.shuffle.map_output_sources`); the order
of their rows is that of the maps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from zmr.columns import rows
from zmr.key_types import check_maps
from zmr.messages import FailureReason, MapOutput
from zmr.shuffle.map_output import CorruptMapOutput, StoredPartition
from zmr.shuffle.map_output_sources import MapSources
from zmr.shuffle.multipass_merge import Run, run_of
from zmr.tasks.errors import TaskError, users_code

Stored = tuple[MapOutput, StoredPartition]


class ReduceInput:
    """The partitions that a task reads are `stored`, in the order of the maps.

    Raises `TaskError`, with reason `LOST_INPUT`, that names those which can't be read.
    """

    def __init__(self, sources: MapSources) -> None:
        self._sources = sources
        self.stored = _opened(sources)

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
        self._sources.share_among(len(own))
        for blocks in own:
            blocks.partition.expect()


def _opened(sources: MapSources) -> list[Stored]:
    stored: list[Stored] = []
    lost: list[MapOutput] = []
    reason = ""
    for output, opened in sources.open():
        if isinstance(opened, StoredPartition):
            stored.append((output, opened))
        else:
            lost.append(output)
            reason = reason or str(opened)
    if lost:
        raise _lost(lost, stored, reason)
    return stored


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
    """The error that names what is lost, and what of the others is: all are reported at once."""
    more_lost = [s for s, partition in others if s not in lost and not _is_whole(partition)]
    lost = sorted([*lost, *more_lost], key=lambda source: source.index)
    maps = ", ".join(str(source.index) for source in lost[:10])
    more = ", ..." if len(lost) > 10 else ""
    return TaskError(
        FailureReason.LOST_INPUT,
        f"can't read the output of map {maps}{more}: {reason}",
        lost=tuple((source.index, source.attempt) for source in lost),
    )


def check_key_types(stored: Sequence[Stored]) -> None:
    """Raise `TaskError` if the keys of the maps are not all of one type."""
    with users_code(lambda: "in map"):
        check_maps((source.index, rows.key_type(each.schema)) for source, each in stored)
