"""DuckDB's part: SQL over text read as a table of one column.

python with_duckdb.py words|sort INPUT_FOLDER OUTPUT_FOLDER THREADS TEMPORARY_FOLDER [MEMORY]
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
        GROUP BY word
    ) TO '{output}' {to_text}
"""
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
    if work == "words":
        connection.execute("SET preserve_insertion_order = false")
    query = WORDS if work == "words" else SORT
    connection.execute(
        query.format(lines=LINES.format(source), output=f"{output}/result.txt", to_text=TO_TEXT)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
