"""PySpark's part, on DataFrames and on RDDs, in local mode.

    python with_pyspark.py WORK INPUT_FOLDER OUTPUT_FOLDER CORES TEMPORARY_FOLDER MEMORY

WORK is words-df, words-rdd, sort-df, sort-rdd, big-key-rdd or noop-df; the last takes the number
of tasks for its input.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable
from operator import add

from pyspark import SparkContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as f


def words_df(spark: SparkSession, source: str, output: str) -> None:
    """Split, explode, group: all of it inside the JVM, in generated code."""
    words = spark.read.text(source).select(f.explode(f.split("value", " ")).alias("word"))
    counts = words.groupBy("word").count()
    counts.select(f.concat_ws("\t", "word", "count")).write.text(output)


def words_rdd(spark: SparkSession, source: str, output: str) -> None:
    """A Python function for each line and each word."""
    pairs = spark.sparkContext.textFile(source).flatMap(str.split).map(lambda word: (word, 1))
    counts = pairs.reduceByKey(add)
    counts.map(lambda pair: f"{pair[0]}\t{pair[1]}").saveAsTextFile(output)


def sort_df(spark: SparkSession, source: str, output: str) -> None:
    """Sort whole lines; their order is that of their keys."""
    spark.read.text(source).orderBy("value").write.text(output)


def sort_rdd(spark: SparkSession, source: str, output: str) -> None:
    """Sort lines by their first ten characters, in Python."""
    lines = spark.sparkContext.textFile(source)
    lines.sortBy(lambda line: line[:10]).saveAsTextFile(output)


def big_key_rdd(spark: SparkSession, source: str, output: str) -> None:
    """One key, and a function that goes once over all of its values."""
    pairs = spark.sparkContext.textFile(source).map(lambda line: ("all", line))
    pairs.groupByKey().map(_checksum).saveAsTextFile(output)


def _checksum(group: tuple[str, Iterable[str]]) -> str:
    key, values = group
    n = total = 0
    for value in values:
        n += 1
        total += zlib.crc32(value.encode())
    return f"{key}\t{n} {total}"


def noop_df(spark: SparkSession, source: str, output: str) -> None:
    """As many tasks as asked for, which do nothing, inside the JVM."""
    n_tasks = int(source)
    spark.range(0, n_tasks, 1, n_tasks).write.format("noop").mode("overwrite").save()


WORKS: dict[str, Callable[[SparkSession, str, str], None]] = {
    "words-df": words_df,
    "words-rdd": words_rdd,
    "sort-df": sort_df,
    "sort-rdd": sort_rdd,
    "big-key-rdd": big_key_rdd,
    "noop-df": noop_df,
}


def main(work: str, source: str, output: str, cores: str, temporary: str, memory: str) -> None:
    """Run the work in a session of its own."""
    SparkContext.setSystemProperty("spark.driver.memory", memory)
    spark = (
        SparkSession.builder.master(f"local[{cores}]")
        .appName(work)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.local.dir", temporary)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        # Few, large partitions: the default of 200 is for clusters.
        .config("spark.sql.shuffle.partitions", str(4 * int(cores)))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    WORKS[work](spark, source, output)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
