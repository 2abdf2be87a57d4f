"""What a job has put out, in Python."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zmr.errors import OutputError
from zmr.messages import Stats

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_PAIRS = 5


class Result:
    """The (key, value) pairs of a job that is done, in the order of the partitions.

    Iterating reads the files, piece by piece, as often as it is done. Without an output folder of
    your own, keys and values have the types that the job gave them, and the files are removed with
    the last reference to the result, or by `close`. With one, they are what the job's `output` has
    written, and keys and values are read from that as text.

    Attributes:
        files: the paths of the output files, in the order of the partitions.
        counters: what the job has counted, by name.
        stats: records and bytes read and written, and the seconds that map and reduce took.
    """

    def __init__(
        self,
        name: str,
        files: list[str],
        counters: dict[str, int],
        stats: Stats,
        remove: Callable[[], None] | None = None,
    ) -> None:
        self.files = files
        self.counters = counters
        self.stats = stats
        self._name = name
        self._finalizer = weakref.finalize(self, remove) if remove is not None else None

    @property
    def is_typed(self) -> bool:
        """Whether keys and values have the types that the job gave them."""
        return self._finalizer is not None

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        if not self.is_typed:
            from zmr.formats.text import decode_lines

            for path in self.files:
                with open(path, "rb") as lines:
                    yield from decode_lines(lines)
            return
        from zmr.formats.pairs import Pairs
        from zmr.messages import Split

        self._require()
        for path in self.files:
            for pairs, _ in Pairs().read(Split(path), lambda name, n: None):
                yield from pairs

    def to_arrow(self) -> pa.Table:
        """The pairs as an Arrow table with the columns "key" (for tuples "key.0", "key.1", ...) and
        "value".

        Raises TypeError if keys or values are of types that Arrow does not have.
        """
        import pyarrow as pa

        if not self.is_typed:
            pairs = list(self)
            return pa.table({"key": [key for key, _ in pairs], "value": [v for _, v in pairs]})
        from zmr.formats.base import BadRecord
        from zmr.formats.pairs import Pairs
        from zmr.messages import Split

        self._require()
        batches = []
        try:
            for path in self.files:
                for batch, _ in Pairs().read_batches(Split(path), lambda name, n: None):
                    batches.append(pa.table(batch))
        except BadRecord as error:
            text = "keys or values are of a type that Arrow has not, or of several"
            raise TypeError(f"the result can't be a table: {text}") from error
        if not batches:
            return pa.table({"key": pa.nulls(0), "value": pa.nulls(0)})
        return pa.concat_tables(batches, promote_options="permissive").combine_chunks()

    def to_pandas(self) -> Any:
        """The pairs as a pandas data frame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """The pairs as a Polars data frame."""
        import polars  # type: ignore[import-not-found,unused-ignore]

        return polars.from_arrow(self.to_arrow())

    def close(self) -> None:
        """Remove the files of a result without an output folder of its own."""
        if self._finalizer is not None:
            self._finalizer()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """The name, how many records there are, and the first of them."""
        stats = self.stats
        lines = [f"<Result of {self._name}: {stats.records_out:,} pairs in {stats.elapsed_s:.2f} s"]
        with suppress(Exception):
            for n, (key, value) in enumerate(self):
                if n == _SHOWN_PAIRS:
                    lines.append("  ...")
                    break
                lines.append(f"  {key!r:.60}: {value!r:.60}")
        return "\n".join(lines) + ">"

    def _require(self) -> None:
        if self._finalizer is not None and not self._finalizer.alive:
            raise OutputError("this result was closed, and is gone")
