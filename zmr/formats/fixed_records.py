"""Binary records that all have the same size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from sys import maxsize
from typing import Any

from zmr.formats.base import BadRecord, Batch, Chunk, CountUp, InputFormat
from zmr.formats.compression import expected_size, is_compressed, open_input
from zmr.formats.line_blocks import byte_range, truncated_file_error
from zmr.messages import Split


class FixedRecords(InputFormat):
    """Each `size_bytes` of a file are a record, as bytes.

    Parameters:
        size_bytes: the size of a record, at least 1.

    A record is bytes of that length. For `map_batch`, a batch is an Arrow array of type
    `fixed_size_binary[size_bytes]`. A file that ends within a record is an error (`BadRecord`).

    Example:
        class SortRecords(zmr.Job):
            input = zmr.FixedRecords(100)

            def map(self, record):
                yield record[:10], record[10:]
    """

    splittable = True
    # A whole split: what is in one piece needn't be joined to be sorted. To be deleted when `python
    # -m benchmarks --only sort-records --engines zmr` takes no more processor time without it (a
    # twelfth more).
    batch_bytes = 64 << 20
    batch_share = 8

    def __init__(self, size_bytes: int) -> None:
        if size_bytes < 1:
            raise ValueError(f"FixedRecords(size_bytes) takes a positive number, not {size_bytes}")
        self.size_bytes = size_bytes

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        size = self.size_bytes
        for block in self._blocks(split, self.chunk_bytes, bytearray):
            data = bytes(block)
            yield [data[i : i + size] for i in range(0, len(data), size)], len(data)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        import pyarrow as pa

        kind = pa.binary(self.size_bytes)
        for block in self._blocks(split, self.batch_bytes, pa.allocate_buffer):
            n = len(block) // self.size_bytes
            yield pa.Array.from_buffers(kind, n, [None, pa.py_buffer(block)]), len(block)

    def offsets(self, split: Split) -> Iterator[range]:
        start, size = _byte_range(split)[0], self.size_bytes
        yield range(-(-start // size) * size, maxsize, size)

    def locate(self, split: Split, index: int) -> str:
        return f"record {-(-_byte_range(split)[0] // self.size_bytes) + index + 1}"

    def _blocks(
        self, split: Split, block_bytes: int, allocate: Callable[[int], Any]
    ) -> Iterator[memoryview]:
        """Blocks of whole records: those whose first byte lies within the split."""
        size = self.size_bytes
        start, end = _byte_range(split)
        position = -(-start // size) * size
        last = end if end == maxsize else -(-end // size) * size
        block_bytes = max(1, block_bytes // size) * size
        if position >= last:
            return
        with open_input(split.path) as file:
            if position:
                file.seek(position)
            n_expected = -(-expected_size(file) // size)
            while position < last:
                left = min(last - position, max(n_expected * size - position, size))
                block = memoryview(allocate(min(block_bytes, left))).cast("B")
                n: int = file.readinto(block)  # type: ignore[attr-defined]
                position += n
                if n % size:
                    place = f"record {position // size + 1}"
                    raise BadRecord(
                        split.path, place, f"has only {n % size} of {size} bytes; the file ends"
                    )
                if not n:
                    if end != maxsize and position < end:
                        raise truncated_file_error(split.path)
                    return
                yield block[:n]


def _byte_range(split: Split) -> tuple[int, int]:
    return byte_range(split, is_compressed(split.path))
