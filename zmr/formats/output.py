"""What a job's output files hold: text, a line for each pair, or raw bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zmr.errors import YieldError
from zmr.formats.text import encode_pairs

if TYPE_CHECKING:
    import pyarrow as pa


class OutputFormat(ABC):
    """What the files of a job's output hold: how its pairs are written as bytes."""

    takes_mixed = False
    """Whether `encode_columns` takes columns of values of several types (`zmr.columns.mixed`)."""

    is_durable = True
    """Whether a file has to be on the disk before it counts."""

    @abstractmethod
    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        """The bytes of the pairs. Raises `YieldError` for what can't be written."""

    def encode_columns(self, keys: pa.RecordBatch, values: pa.Array) -> Any | None:
        """The bytes of whole columns, as a buffer.

        None where pairs have to be looked at one by one: then `encode_pairs` gets them.
        """
        return None

    def footer(self, name: str) -> bytes:
        """The bytes after the last pair of the file with this name."""
        return b""


class Text(OutputFormat):
    """A line of text for each pair, in UTF-8: key, tab, value. The output of a job that names none.

    A str is written as it is, numbers as `repr` does, bool and None as true, false and null, bytes
    as they are, dates as ISO 8601, lists, tuples, dicts and sets as compact JSON, and anything else
    as `str` does. Tabs and line ends within a key or value are written as the pictures of them;
    `zmr.read` takes that back. The pair ("a", [1, 2]) is the line "a<TAB>[1,2]<LF>".

    Raises `YieldError` for what is not a pair.

    Example:
        class Words(zmr.Job):
            output = zmr.Text()

            def map(self, line):
                for word in line.split():
                    yield word, len(word)
    """

    takes_mixed = True

    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        """The lines of the pairs."""
        return encode_pairs(pairs)

    def encode_columns(self, keys: pa.RecordBatch, values: pa.Array) -> Any | None:
        """The lines of plain columns."""
        from zmr.formats.text_columns import encode_columns

        return encode_columns(keys, values)


class Raw(OutputFormat):
    r"""The bytes of key and value, one after the other, and `end` after each pair.

    Parameters:
        end: the bytes after each pair, such as b"" for binary records.

    Keys are bytes, values bytes or None for nothing: the pair (b"key", b"value") is the line
    b"keyvalue\n". Raises `YieldError` for keys and values of other types.

    Example:
        class SortRecords(zmr.Job):
            input = zmr.FixedRecords(100)
            output = zmr.Raw(end=b"")

            def map(self, record):
                yield record[:10], record[10:]
    """

    def __init__(self, end: bytes = b"\n") -> None:
        self.end = end

    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        """The bytes of the pairs."""
        for key, value in pairs:
            if type(key) is not bytes or type(value) not in (bytes, type(None)):
                kinds = f"{type(key).__name__} and {type(value).__name__}"
                raise YieldError(f"raw output takes keys and values of bytes, not {kinds}")
        end = self.end
        return b"".join([b"%b%b%b" % (key, value or b"", end) for key, value in pairs])

    def encode_columns(self, keys: pa.RecordBatch, values: pa.Array) -> Any | None:
        """The bytes of binary columns."""
        from zmr.formats.text_columns import join_binary

        return join_binary(keys, values, self.end)
