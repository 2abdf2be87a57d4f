"""What a job has put out, in Python."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from zmr.display import printable
from zmr.errors import OutputError
from zmr.output.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    import pyarrow as pa

    from zmr.messages import OutputFile

_SHOWN_PAIRS = 5
_PAIRS_AT_ONCE = 4096


class Result:
    """The (key, value) pairs of a job that is done, in the order of the partitions.

    Iterating reads the files, piece by piece, as often as it is done. Without an output folder of
    your own, keys and values have the types that the job gave them, and the files are removed with
    the last reference to the result, or by `close`. With one, they are read from what the job's
    `output` has written, as `zmr.read` does.

    Attributes:
        files: the paths of the output files, in the order of the partitions.
        counters: what the job has counted, by name.
        stats: records and bytes read and written, and the seconds that map and reduce took.
    """

    def __init__(self, manifest: Manifest, remove: Callable[[], None] | None = None) -> None:
        self.files = manifest.paths()
        self.counters = manifest.counters
        self.stats = manifest.stats
        self._manifest = manifest
        self._finalizer = weakref.finalize(self, remove) if remove is not None else None

    @property
    def is_temporary(self) -> bool:
        """Whether the files are the result's own: pairs, as one job reads them from another."""
        return self._finalizer is not None

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for file, path in zip(self._manifest.files, self.files, strict=True):
            pairs = self._stored_pairs(path) if self.is_temporary else self._lines(file, path)
            while True:
                self._require()
                with self._reading(path):
                    some = list(islice(pairs, _PAIRS_AT_ONCE))
                if not some:
                    break
                yield from some

    def _stored_pairs(self, path: str) -> Iterator[tuple[Any, Any]]:
        from zmr.formats.pairs import Pairs
        from zmr.messages import Split

        for pairs, _ in Pairs().read(Split(path), lambda name, n: None):
            yield from pairs

    def _lines(self, file: OutputFile, path: str) -> Iterator[tuple[Any, Any]]:
        from zmr.formats.text_values import pairs_of

        manifest = self._manifest
        if manifest.format not in ("", "Text"):
            raise OutputError(
                f"{manifest.folder} holds what {printable(manifest.format)[:80]} writes, which is "
                "not read as pairs: the files are in `files`"
            )
        with open(path, "rb") as lines:
            size_bytes = os.fstat(lines.fileno()).st_size
            if size_bytes != file.size_bytes:
                raise OutputError(
                    f"{path} was changed: it has {size_bytes:,} bytes, not {file.size_bytes:,}"
                )
            yield from pairs_of(lines, manifest.key_type, manifest.value_type)

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        """What goes wrong in the body comes as `OutputError`."""
        from zmr.formats.base import BadRecord

        try:
            yield
        except BadRecord as error:
            raise OutputError(f"can't read {path}: {error.reason}") from error
        except OSError as error:
            raise OutputError(f"can't read {path}: {error.strerror or error}") from None
        except ValueError as error:
            raise OutputError(f"can't read {path}: {error}, as _SUCCESS says") from None

    def to_arrow(self) -> pa.Table:
        """The pairs as an Arrow table with the columns "key" (for tuples "key.0", "key.1", ...) and
        "value".

        Raises TypeError if keys or values are of types that Arrow does not have.
        """
        import pyarrow as pa

        from zmr.formats.base import BadRecord

        self._require()
        try:
            found = self._stored_batches() if self.is_temporary else self._batches()
            batches = list(map(pa.table, found))
        except BadRecord as error:
            text = "keys or values are of a type that Arrow has not, or of several"
            raise TypeError(f"the result can't be a table: {text}") from error
        if not batches:
            return pa.table({"key": pa.nulls(0), "value": pa.nulls(0)})
        return pa.concat_tables(batches, promote_options="permissive").combine_chunks()

    def _stored_batches(self) -> Iterator[pa.RecordBatch]:
        from zmr.formats.pairs import Pairs
        from zmr.messages import Split

        for path in self.files:
            batches = Pairs().read_batches(Split(path), lambda name, n: None)
            yield from (batch for batch, _ in batches)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        from zmr.formats.pairs import batch_of, refuse_pickled

        pairs = iter(self)
        while some := list(islice(pairs, _PAIRS_AT_ONCE)):
            batch = batch_of(some)
            refuse_pickled(batch)
            yield batch

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
        figures = f"{stats.records_out:,} pairs in {stats.elapsed_s:.2f} s"
        lines = [f"<Result of {self._manifest.job}: {figures}"]
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


def read(out: str | os.PathLike[str]) -> Result:
    """The pairs of an output folder that a finished job has written, with its counters and stats.

    Of text, keys and values have the types that they had, as far as their text says exactly which
    value it was: str, bytes, int, float, bool, None, date, datetime without time zone, Decimal,
    UUID, and tuples of these. All others, and those of which there were several types, are str.
    Nothing is unpickled.

    Raises `OutputError` if the folder holds no finished output.

    Example:
        counts = dict(zmr.read("out/"))
    """
    return Result(read_manifest(out))
