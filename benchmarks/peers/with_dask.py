"""Dask's part, on bags and on data frames, in worker processes of one thread each.

    python with_dask.py WORK INPUT_FOLDER OUTPUT_FOLDER WORKERS TEMPORARY_FOLDER

WORK is words-bag, words-df, sort-df or noop; the last takes the number of tasks for its input.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import dask
import dask.bag
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from arrow_words import count_lines, read_lines, write_lines
from dask.distributed import Client, LocalCluster, wait


def words_bag(client: Client, source: str, output: str) -> None:
    """Dask's own example of a word count."""
    words = dask.bag.read_text(f"{source}/*.txt").str.split().flatten()
    counts = words.frequencies(split_every=8)
    counts.map("{0[0]}\t{0[1]}".format).to_textfiles(f"{output}/*.txt")


def words_df(client: Client, source: str, output: str) -> None:
    """Arrow counts the words of each file, a shuffled group-by adds the counts."""
    counts = dd.from_map(_words_of_file, sorted(Path(source).glob("*.txt")))
    totals = counts.groupby("word").n.sum(split_out=2 * _n_workers(client))
    _write_partitions(totals.to_frame().reset_index(), output)


def _words_of_file(path: Path) -> pd.DataFrame:
    return count_lines(read_lines(path)).to_pandas(types_mapper=pd.ArrowDtype)


def sort_df(client: Client, source: str, output: str) -> None:
    """Sort by key, by Dask's own sampled range partitions."""
    lines = dd.from_map(_records_of_file, sorted(Path(source).glob("*.txt")))
    _write_partitions(lines.sort_values("key"), output, "record")


def _records_of_file(path: Path) -> pd.DataFrame:
    records = read_lines(path)
    keys = pc.utf8_slice_codeunits(records, 0, 10)
    return pa.table({"key": keys, "record": records}).to_pandas(types_mapper=pd.ArrowDtype)


def _write_partitions(frame: dd.DataFrame, output: str, *columns: str) -> None:
    parts = frame.to_delayed()
    dask.compute(*(dask.delayed(_write)(part, output, i, columns) for i, part in enumerate(parts)))


def _write(part: pd.DataFrame, output: str, number: int, columns: tuple[str, ...]) -> None:
    table = pa.Table.from_pandas(part[list(columns)] if columns else part, preserve_index=False)
    with open(f"{output}/part-{number:05}.txt", "wb") as file:
        write_lines(table, file)


def noop(client: Client, source: str, output: str) -> None:
    """As many tasks as asked for, which do nothing."""
    wait(client.map(lambda number: None, range(int(source)), pure=False))


def _n_workers(client: Client) -> int:
    return len(client.scheduler_info()["workers"])


WORKS: dict[str, Callable[[Client, str, str], None]] = {
    "words-bag": words_bag,
    "words-df": words_df,
    "sort-df": sort_df,
    "noop": noop,
}


def main(work: str, source: str, output: str, workers: str, temporary: str) -> None:
    """Run the work on a cluster of its own."""
    Path(output).mkdir()
    with (
        LocalCluster(
            n_workers=int(workers),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=temporary,
        ) as cluster,
        Client(cluster) as client,
    ):
        WORKS[work](client, source, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
