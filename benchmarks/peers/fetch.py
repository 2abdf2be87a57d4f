"""What zmr's shuffle moves by itself: from a worker's server to the fetcher of a reduce.

    python fetch.py BYTES

The map outputs, of one partition each, are made first: blocks of 256 KiB of random bytes, which no
compression makes smaller. A process of its own serves them over loopback TCP as a worker does; this
one reads whole partitions as a reduce does, block by block, and verifies the checksum of each. What
it doesn't do is to make rows of the blocks. Prints the seconds from the first block to the last.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

import pyarrow as pa

from zmr.shuffle.fetch import Fetcher
from zmr.shuffle.map_output import MapOutputWriter, open_partition
from zmr.shuffle.names import map_output_name
from zmr.shuffle.server import ShuffleServer
from zmr.slots.malloc import set_up_malloc
from zmr.wire.address import Address

JOB_ID = "bench"
BLOCK_BYTES = 256 * 1024
LARGEST_FILE_BYTES = 128 * 1024 * 1024
FILES = 4  # each is fetched several times, if together they have less than the bytes asked for
BUDGET_BYTES = 32 * 1024 * 1024  # what a reduce with the usual memory has


def write(folder: Path, index: int, size_bytes: int) -> None:
    """Make one map output."""
    schema = pa.schema([("value", pa.binary())])
    path = folder / JOB_ID / map_output_name(JOB_ID, index, 1)
    writer = MapOutputWriter(str(path), schema, 1)
    random = Random(index)
    for _ in range(max(1, size_bytes // BLOCK_BYTES)):
        column = pa.array([random.randbytes(BLOCK_BYTES)], pa.binary())
        writer.write(0, pa.record_batch([column], schema=schema))
    writer.finish()


def serve(folder: str) -> None:
    """Be a worker's shuffle server until the standard input ends."""
    server = ShuffleServer([Address("127.0.0.1", 0)], folder, is_encrypted=True)
    print(server.endpoint(), flush=True)
    sys.stdin.read()
    server.close()


def fetch(address: str, size_bytes: int) -> float:
    """Fetch so much; return the seconds that it took."""
    set_up_malloc(0)  # as a slot does
    left = size_bytes
    began = 0.0
    with Fetcher(BUDGET_BYTES) as fetcher:
        while left > 0:
            sources = [fetcher.open(address, JOB_ID, index, 1, 1) for index in range(FILES)]
            for source in sources:
                partition = open_partition(source, 0)
                partition.expect()
                for message in partition.messages():
                    began = began or time.perf_counter()
                    left -= len(message.data)
                    if left <= 0:
                        return time.perf_counter() - began
                source.close()
    return time.perf_counter() - began


def main(size_bytes: int) -> None:
    """Make the files, serve them, fetch them."""
    # In memory, if there is such a place: the disk is not what is measured.
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        (Path(folder) / JOB_ID).mkdir()
        for index in range(FILES):
            write(Path(folder), index, min(LARGEST_FILE_BYTES, size_bytes // FILES))
        command = (sys.executable, __file__, folder)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            print(fetch(server.stdout.readline().strip(), size_bytes))


if __name__ == "__main__":
    main(int(sys.argv[1])) if sys.argv[1].isdecimal() else serve(sys.argv[1])
