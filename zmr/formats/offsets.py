"""Where in its file a record begins, found when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmr.formats.base import InputFormat
from zmr.messages import Split

if TYPE_CHECKING:
    from zmr.columns.arrays import Index


class RecordOffsets:
    """The offsets of a split's records, by their numbers.

    They are read beside the records, from the first one that is asked for on: so whoever asks for
    many, in their order, reads the split once more, and whoever asks for none reads nothing.
    """

    def __init__(self, records: InputFormat, split: Split) -> None:
        self._records = records
        self._split = split
        self._rest = records.offsets(split)
        self._some: Index | range = range(0)
        self._first = 0  # the number of the first of these

    def of(self, index: int) -> int | None:
        """The offset of the record of this number, from 0; None: the format knows of none.

        Raises OSError, and `BadRecord`.
        """
        if index < self._first:
            self._rest, self._some, self._first = self._records.offsets(self._split), range(0), 0
        while index >= self._first + len(self._some):
            self._first += len(self._some)
            self._some = next(self._rest, range(0))
            if not len(self._some):
                return None
        return int(self._some[index - self._first])
