"""The examples in the docstrings of the public formats: each works as it stands."""

from __future__ import annotations

import inspect
from pathlib import Path
from textwrap import dedent
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.reading import read

import zmr
from zmr.messages import Split

HUNDREDS = b"b" * 100 + b"a" * 100
HUNDREDS_AS_PAIRS = [(b"b" * 10, b"b" * 90), (b"a" * 10, b"a" * 90)]


def example_of(name: str) -> Any:
    """Return the class that the example in the docstring of `zmr.<name>` defines."""
    text = inspect.getdoc(getattr(zmr, name)) or ""
    names: dict[str, Any] = {"zmr": zmr}
    exec(dedent(text.partition("Example:\n")[2]), names)
    [found] = (value for key, value in names.items() if key not in ("zmr", "__builtins__"))
    return found


def mapped(job: zmr.Job, path: Path) -> list[Any]:
    """Return the pairs that map makes of the file's records."""
    records = read(job.input, Split(str(path))).records
    return [pair for record in records for pair in job.map(record) or ()]


@pytest.mark.parametrize(
    ("name", "data", "pairs"),
    [
        ("Lines", b"ab\n\n", [(2, 1), (0, 1)]),
        ("TextBlocks", b"a b\nc", [("a", 1), ("b", 1), ("c", 1)]),
        ("FixedRecords", HUNDREDS, HUNDREDS_AS_PAIRS),
        (
            "JsonLines",
            b'{"host": "a", "ms": 1.5}\n\n{"host": "b", "ms": 2}',
            [("a", 1.5), ("b", 2)],
        ),
        (
            "Warc",
            b"WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 1\r\n\r\nx\r\n\r\n",
            [("metadata", 1)],
        ),
        ("Csv", b"name,price\nAda,1.50\n", [("Ada", 1.5)]),
    ],
)
def test_the_example_of_an_input_format_reads_it(
    tmp_path: Path, name: str, data: bytes, pairs: list[Any]
) -> None:
    job = example_of(name)()
    assert type(job.input) is getattr(zmr, name)
    (tmp_path / "in").write_bytes(data)
    assert mapped(job, tmp_path / "in") == pairs


def test_the_examples_of_whole_files_and_of_parquet_read_them(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("text")
    assert mapped(example_of("WholeFiles")(), path) == [(str(path), 4)]
    parquet.write_table(pa.table({"id": [7], "name": ["Ada"]}), path)
    assert mapped(example_of("Parquet")(), path) == [("Ada", 1)]


@pytest.mark.parametrize(
    ("name", "data", "written"),
    [("Text", b"a bb\n", b"a\t1\nbb\t2\n"), ("Raw", HUNDREDS, HUNDREDS)],
)
def test_the_example_of_an_output_format_writes_it(
    tmp_path: Path, name: str, data: bytes, written: bytes
) -> None:
    job = example_of(name)()
    assert type(job.output) is getattr(zmr, name)
    (tmp_path / "in").write_bytes(data)
    assert job.output.encode_pairs(mapped(job, tmp_path / "in")) == written


def test_the_example_of_a_format_of_ones_own_is_one(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\nb\n\nc")
    found = read(example_of("InputFormat")(), Split(str(tmp_path / "in")))
    assert (found.records, found.size_bytes) == (["a\nb", "c"], 6)
