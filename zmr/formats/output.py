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
    """Turns pairs into bytes."""

    @abstractmethod
    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        """The bytes of the pairs. Raises `YieldError` for what can't be written."""

    def encode_columns(self, keys: pa.RecordBatch, values: pa.Array) -> Any | None:
        """The bytes of whole columns, or None where they have to be looked at one by one."""
        return None

    def footer(self, name: str) -> bytes:
        """The bytes after the last pair of the file of that name."""
        return b""


class Text(OutputFormat):
    """A line for each pair: key, tab, value (see `zmr.formats.text`)."""

    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        """The lines of the pairs."""
        return encode_pairs(pairs)

    def encode_columns(self, keys: pa.RecordBatch, values: pa.Array) -> Any | None:
        """The lines of plain columns."""
        from zmr.formats.text_columns import encode_columns

        return encode_columns(keys, values)


class Raw(OutputFormat):
    """The bytes of key and value, one after the other, and `end` after each pair.

    Both are bytes, or None for nothing.
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
