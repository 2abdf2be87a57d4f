"""What all formats of text and binary records have in common."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.reading import read, read_batches

from zmr import FixedRecords, InputFormat, Lines, TextBlocks, WholeFiles
from zmr.formats import INVALID_UTF8
from zmr.messages import Split


def test_batches_have_the_arrow_types_that_the_formats_promise(path: Path) -> None:
    path.write_text("ab\ncd\n")
    types = [
        (Lines(), pa.string()),
        (TextBlocks(), pa.string()),
        (FixedRecords(3), pa.binary(3)),
        (WholeFiles(), None),
    ]
    for input_format, expected in types:
        ((batch, _),) = input_format.read_batches(Split(str(path)), print)
        if expected is not None:
            assert batch.type == expected
    assert batch.schema == pa.schema({"path": pa.string(), "text": pa.string()})


def test_a_format_of_ones_own_has_batches_too(path: Path) -> None:
    class Numbers(Lines):
        read_batches = InputFormat.read_batches

        def read(self, split: Split, count: Any) -> Any:
            for lines, size_bytes in super().read(split, count):
                yield [int(line) for line in lines], size_bytes

    path.write_text("1\n2\n")
    assert read_batches(Numbers(), Split(str(path))) == ([1, 2], {}, 4)


@pytest.mark.parametrize(
    ("data", "n"),
    [
        (b"plain", 0),
        ("\N{REPLACEMENT CHARACTER} was there before".encode(), 0),
        (b"\xff", 1),
        (b"\xff\xff\n\xff", 3),
        (b"cut off \xe8\xaa\nnext \xe8\xaa\x9e", 1),
        (b"\xe8\xef\xbf\xbd", 1),
        (b"surrogate \xed\xa0\x80, overlong \xc0\xaf, too high \xf5\x80\x80\x80", 9),
    ],
)
def test_what_is_not_utf_8_is_replaced_and_counted(path: Path, data: bytes, n: int) -> None:
    path.write_bytes(data)
    for input_format in (Lines(), TextBlocks(), WholeFiles()):
        for how in (read, read_batches):
            assert how(input_format, Split(str(path))).counters.get(INVALID_UTF8, 0) == n


@pytest.mark.parametrize("input_format", [Lines(), TextBlocks(), FixedRecords(2)])
def test_a_file_that_became_shorter_is_an_error_and_not_a_short_answer(
    path: Path, input_format: InputFormat
) -> None:
    path.write_text("a\n" * 60)
    with pytest.raises(OSError, match="has become shorter") as error:
        read(input_format, Split(str(path), 100, 100))
    assert error.value.filename == str(path)


def test_an_empty_file_has_no_records_but_is_a_whole_file(path: Path) -> None:
    path.write_bytes(b"")
    for input_format in (Lines(), TextBlocks(), FixedRecords(3)):
        assert read(input_format, Split(str(path))) == ([], {}, 0)
        assert read_batches(input_format, Split(str(path))) == ([], {}, 0)
    assert read(WholeFiles(), Split(str(path))) == ([(str(path), "")], {}, 0)


def test_sizes_that_make_no_sense_are_refused() -> None:
    for wrong in (TextBlocks, FixedRecords):
        with pytest.raises(ValueError, match="takes a positive number, not 0"):
            wrong(size_bytes=0)


def test_public_formats_are_imported_and_made_without_pyarrow() -> None:
    program = """if True:
        import sys, zmr, zmr.output.manifest
        zmr.Lines(), zmr.TextBlocks(), zmr.WholeFiles(), zmr.FixedRecords(9)
        zmr.Csv(), zmr.JsonLines(), zmr.Parquet(["a"]), zmr.Text(), zmr.Raw()
        assert not {"pyarrow", "numpy", "isal", "zmq"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)},
                   check=True)  # fmt: skip
