"""DuckDB's part: SQL over text read as a table of one column.

python with_duckdb.py WORK INPUT_FOLDER OUTPUT_FOLDER THREADS TEMPORARY_FOLDER [MEMORY]

WORK is words, real-words (where spaces may follow each other), sort, sum-csv, sum-json or
sum-parquet.
"""

# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

# A delimiter that no line has, and no quotes: the fastest of DuckDB's ways to get lines of text.
LINES = (
    "read_csv('{}/*.txt', columns={{'line': 'VARCHAR'}}, header=false, auto_detect=false,"
    " delim='\x01', quote='', escape='')"
)
TO_TEXT = "(FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '')"

WORDS = """
    COPY (
        SELECT word, count(*)
        FROM (SELECT unnest(string_split(line, ' ')) AS word FROM {lines})
        {where}
        GROUP BY word
    ) TO '{output}' {to_text}
"""
# The types are given, as to zmr: DuckDB need not look for them.
COLUMNS = "columns={'key': 'VARCHAR', 'value': 'BIGINT', 'price': 'DOUBLE', 'note': 'VARCHAR'}"
TABLES = {
    "sum-csv": "read_csv('{source}/*.csv', header=true, quote='\"', escape='\"', " + COLUMNS + ")",
    "sum-json": "read_json('{source}/*.jsonl', format='newline_delimited', " + COLUMNS + ")",
    "sum-parquet": "read_parquet('{source}/*.parquet')",
}
SUMS = "COPY (SELECT key, sum(value) FROM {table} GROUP BY key) TO '{output}' {to_text}"
SORT = "COPY (SELECT line FROM {lines} ORDER BY line) TO '{output}' {to_text}"


def main(
    work: str, source: str, output: str, threads: str, temporary: str, memory: str = ""
) -> None:
    """Run the work's query."""
    Path(output).mkdir()
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET temp_directory = '{temporary}'")
    if memory:
        connection.execute(f"SET memory_limit = '{memory}'")
    if work != "sort":
        connection.execute("SET preserve_insertion_order = false")
    query = SUMS if work in TABLES else SORT if work == "sort" else WORDS
    where = "WHERE word <> ''" if work == "real-words" else ""
    table = TABLES.get(work, "").replace("{source}", source)
    lines, result = LINES.format(source), f"{output}/result.txt"
    connection.execute(
        query.format(table=table, lines=lines, where=where, output=result, to_text=TO_TEXT)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
