"""Ray Data's part, on Arrow batches.

    python with_ray.py WORK INPUT_FOLDER OUTPUT_FOLDER CPUS

WORK is words, sort or noop; the last takes the number of tasks for its input.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from arrow_words import count_lines, write_lines
from ray.data.aggregate import Sum
from ray.data.block import BlockAccessor
from ray.data.datasource import BlockBasedFileDatasink


def words(source: str, output: str) -> None:
    """Arrow counts the words of each batch of lines, a group-by adds the counts."""
    counts = ray.data.read_text(source).map_batches(
        count_batch, batch_format="pyarrow", batch_size=None
    )
    totals = counts.groupby("word", num_partitions=4).aggregate(Sum("n", alias_name="n"))
    write(totals, output)


def count_batch(batch: pa.Table) -> pa.Table:
    """The distinct words of the lines and how often each occurs."""
    return count_lines(batch["text"])


def sort(source: str, output: str) -> None:
    """Sort by key, by Ray's own sampled range partitions."""
    records = ray.data.read_text(source).map_batches(with_key, batch_format="pyarrow")
    write(records.sort("key").select_columns(["text"]), output)


def with_key(batch: pa.Table) -> pa.Table:
    """The lines, and their first ten characters as a column."""
    return batch.append_column("key", pc.utf8_slice_codeunits(batch["text"], 0, 10))


def write(dataset: ray.data.Dataset, output: str) -> None:
    """Write the columns as text, with a tab between them."""
    dataset.write_datasink(Lines(output, file_format="txt"))


class Lines(BlockBasedFileDatasink):  # type: ignore[misc]
    """A text file for each block. (Ray's own CSV files have quotes in them.)"""

    def write_block_to_file(self, block: BlockAccessor, file: pa.NativeFile) -> None:
        """Write one block."""
        write_lines(block.to_arrow(), file)


def noop(source: str, output: str) -> None:
    """As many tasks as asked for, which do nothing."""
    nothing = ray.remote(num_cpus=1)(lambda: None)
    ray.get([nothing.remote() for _ in range(int(source))])


WORKS: dict[str, Callable[[str, str], None]] = {"words": words, "sort": sort, "noop": noop}


def main(work: str, source: str, output: str, cpus: str) -> None:
    """Run the work on a Ray of its own."""
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as name:
        ray.init(num_cpus=int(cpus), include_dashboard=False, log_to_driver=False, _temp_dir=name)
        ray.data.DataContext.get_current().enable_progress_bars = False
        WORKS[work](source, output)
        ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
