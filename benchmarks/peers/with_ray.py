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
import pyarrow.csv
import ray
import ray.data
from ray.data.aggregate import Sum


def words(source: str, output: str) -> None:
    """Arrow counts the words of each batch of lines, a group-by adds the counts."""
    counts = ray.data.read_text(source).map_batches(
        count_batch, batch_format="pyarrow", batch_size=None
    )
    totals = counts.groupby("word", num_partitions=4).aggregate(Sum("n", alias_name="n"))
    write_lines(totals, output)


def count_batch(batch: pa.Table) -> pa.Table:
    """The distinct words of the lines and how often each occurs."""
    counts = pc.value_counts(pc.list_flatten(pc.split_pattern(batch["text"], " ")))
    return pa.table({"word": counts.field("values"), "n": counts.field("counts")})


def sort(source: str, output: str) -> None:
    """Sort by key, by Ray's own sampled range partitions."""
    records = ray.data.read_text(source).map_batches(with_key, batch_format="pyarrow")
    write_lines(records.sort("key").select_columns(["text"]), output)


def with_key(batch: pa.Table) -> pa.Table:
    """The lines, and their first ten characters as a column."""
    return batch.append_column("key", pc.utf8_slice_codeunits(batch["text"], 0, 10))


def write_lines(dataset: ray.data.Dataset, output: str) -> None:
    """Write the columns as text, with a tab between them."""
    dataset.write_csv(output, arrow_csv_args_fn=lambda: {"write_options": text_options()})


def text_options() -> pa.csv.WriteOptions:
    """No header, no quotes. Made where it is used, because it can't be pickled."""
    return pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")


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
