"""The bytes of one file of a job's output, and of which types its keys and values are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from zmr.fields import TYPE_NAME_LENGTH
from zmr.formats.output import OutputFormat, Text
from zmr.formats.text import encode_pairs
from zmr.formats.written_types import TEXT, common, type_of_values, types_of_columns
from zmr.messages import OutputFile

if TYPE_CHECKING:
    import pyarrow as pa

# Of values of these kinds, the kind alone is not the type.
_LOOKED_INTO = {tuple, datetime}


class OutputWriter:
    """Makes the bytes of a file in an output format.

    Of text it notes the types on the way: kinds are known where pairs become text, and columns have
    types already, so that it costs next to nothing.
    """

    def __init__(self, output: OutputFormat) -> None:
        self.output = output
        self._is_text = type(output) is Text
        self._types = ["", ""]  # of keys and of values; "": there are none yet
        self._kinds: list[set[type]] = [set(), set()]  # those that are in the types already

    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        """The bytes of the pairs. Raises `YieldError` for what can't be written."""
        return self.encode_seen(pairs, set()) if self._is_text else self.output.encode_pairs(pairs)

    def encode_seen(self, pairs: Sequence[tuple[Any, Any]], kinds: set[type]) -> bytes:
        """The same. Of which kinds keys and values are is added to `kinds`."""
        if not self._is_text:
            kinds.update(map(type, chain.from_iterable(pairs)))
            return self.output.encode_pairs(pairs)
        of_both: tuple[set[type], set[type]] = set(), set()
        data = encode_pairs(pairs, of_both)
        for place in (0, 1):
            self._note_values(place, pairs, of_both[place])
            kinds |= of_both[place]
        return data

    def encode_columns(self, keys: pa.RecordBatch, values: pa.Array) -> Any | None:
        """The bytes of whole columns; None where pairs have to be looked at one by one."""
        from zmr.columns import rows
        from zmr.columns.mixed import is_mixed

        is_mixture = any(is_mixed(column.type) for column in (*keys.columns, values))
        if is_mixture and not self.output.takes_mixed:
            return None
        data = self.output.encode_columns(keys, values)
        if data is not None and self._is_text:
            found = types_of_columns(rows.key_columns(keys), rows.are_tuples(keys.schema), values)
            self._types = list(map(common, self._types, found))
        return data

    def footer(self, name: str) -> bytes:
        """The bytes after the last pair of the file with this name."""
        return self.output.footer(name)

    def described(self, file: OutputFile, is_own: bool = True) -> OutputFile:
        """The file with its format and types. One that is not this writer's own has others."""
        key_type, value_type = self._types if is_own or not self._is_text else (TEXT, TEXT)
        name = type(self.output).__name__[:TYPE_NAME_LENGTH]
        return replace(file, format=name, key_type=key_type, value_type=value_type)

    def _note_values(self, place: int, pairs: Sequence[tuple[Any, Any]], kinds: set[type]) -> None:
        if self._types[place] == TEXT or (kinds <= self._kinds[place] and not kinds & _LOOKED_INTO):
            return
        found = type_of_values([pair[place] for pair in pairs], kinds)
        self._types[place] = common(self._types[place], found)
        self._kinds[place] |= kinds
