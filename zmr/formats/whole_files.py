"""Whole files."""

from __future__ import annotations

from collections.abc import Iterator

from zmr.formats.base import Batch, Chunk, CountUp, InputFormat
from zmr.formats.compression import open_input
from zmr.formats.line_blocks import decode
from zmr.formats.text_input import UTF8, encoding_named, whole_text
from zmr.messages import Split


class WholeFiles(InputFormat):
    r"""Each file is one record: (absolute path, text).

    A file is read by one task, as a whole, so it has to fit into the memory of a slot.

    Parameters:
        encoding: that of the text, by the name that Python has for it.

    A record is a tuple such as ("/data/a.txt", "all its lines\n"); an empty file is a record too.
    For `map_batch`, a batch is an Arrow RecordBatch of one row, with the columns "path" and "text".
    What is not UTF-8 becomes U+FFFD and is counted.

    Example:
        class FileSizes(zmr.Job):
            input = zmr.WholeFiles()

            def map(self, record):
                path, text = record
                yield path, len(text)
    """

    splittable = False

    def __init__(self, *, encoding: str = UTF8) -> None:
        self._encoding = encoding_named(encoding)

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        data, size_bytes = self._text(split.path)
        yield [(split.path, decode(data, count))], size_bytes

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        import pyarrow as pa

        from zmr.columns.strings import one_string
        from zmr.formats.arrow_text import valid_utf8

        data, size_bytes = self._text(split.path)
        text = one_string(valid_utf8(memoryview(data), count))
        path = pa.array([split.path], pa.string())
        yield pa.record_batch([path, text], ["path", "text"]), size_bytes

    def _text(self, path: str) -> tuple[bytes, int]:
        """The text as UTF-8, and the size of what it was made from."""
        with open_input(path) as file:
            data = file.read()
        return whole_text(data, self._encoding), len(data)
