"""Comma-separated values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from zmr.formats.base import Batch, Chunk, CountUp, Piece
from zmr.formats.csv.fields import Selection, conversion
from zmr.formats.line_blocks import Place, line_blocks
from zmr.formats.text_format import TextFormat
from zmr.formats.text_input import UTF8, is_plain_text
from zmr.messages import Split

if TYPE_CHECKING:
    from zmr.columns.arrays import Index
    from zmr.formats.csv.parser import CsvParser
    from zmr.formats.csv.rows import CsvRows


class Csv(TextFormat):
    """Each row of a CSV file is a record: a dict of str, by the names that the header gives.

    Empty rows are skipped. A row with more or fewer fields than the header is an error
    (`BadRecord`), and so are a quote that is never closed and a field that `types` can't convert.

    Parameters:
        header: True if the first row has the names; False for f0, f1, ...; or the names, of a
            file without a header. A name that comes twice gets a number: id, id_2.
        delimiter: the ASCII character between fields.
        quote: the ASCII character around fields that hold delimiters, quotes (doubled) or line
            ends; "" takes quotes as ordinary characters.
        quoted_newlines: True if a quoted field may hold line ends. Where a row begins in a split
            is a guess then, which is verified. False makes a line end within quotes an error.
        escape: the ASCII character before one that is to be taken as it is: a quote, a delimiter, a
            line end. Then a file is read by one task.
        skip_initial_space: True if spaces before a field are no part of it.
        skip_lines: so many lines at the beginning of a file are no rows.
        nulls: words that are None, as empty fields are, in columns of `types`.
        split: False has a file read by one task, however large it is.
        types: the types of columns, by name: str, bytes, int, float, bool, date, datetime, or a
            type of Arrow's. Empty fields of these columns are None, but for str and bytes.
        columns: the names of the columns that records have, in this order; by default all, but
            of a plain `map` that looks at the record by `record["name"]` and `record.get("name")`
            alone, those, and those of `types`. Others are not converted.
        encoding: that of the text, as for `Lines`.

    Raises ValueError or TypeError for parameters that make no sense.

    A record is a dict such as {"name": "Ada", "price": "1.50"}; with `types={"price": float}`,
    {"name": "Ada", "price": 1.5}. For `map_batch`, a batch is an Arrow RecordBatch with the same
    columns, of strings and of `types`.

    Example:
        class Revenue(zmr.Job):
            input = zmr.Csv(types={"price": float})

            def map(self, record):
                yield record["name"], record["price"]

            reduce = zmr.Sum()
    """

    def __init__(
        self,
        header: bool | Sequence[str] = True,
        delimiter: str = ",",
        *,
        quote: str = '"',
        quoted_newlines: bool = True,
        escape: str = "",
        skip_initial_space: bool = False,
        skip_lines: int = 0,
        nulls: Sequence[str] = (),
        split: bool = True,
        types: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
        encoding: str = UTF8,
    ) -> None:
        super().__init__(encoding)
        for name, char in (("delimiter", delimiter), ("quote", quote), ("escape", escape)):
            if not (len(char) == 1 or (name != "delimiter" and not char)) or not char.isascii():
                raise ValueError(f"Csv({name}) takes one ASCII character, not {char!r}")
            if char in "\r\n" and char:
                raise ValueError(f"Csv({name}) can't be a line end")
        if len({delimiter, quote, escape}) < len([delimiter, *filter(None, (quote, escape))]):
            raise ValueError("Csv(delimiter), quote and escape must be different characters")
        if skip_initial_space and " " in (delimiter, quote, escape):
            raise ValueError("Csv(skip_initial_space) is not for fields that spaces delimit")
        if isinstance(nulls, str):
            raise ValueError("Csv(nulls) takes a list of words")
        if skip_lines < 0:
            raise ValueError(f"Csv(skip_lines) takes 0 or more, not {skip_lines}")
        if isinstance(header, str):
            raise ValueError("Csv(header) takes True, False or a list of names")
        if isinstance(columns, str) or (columns is not None and not columns):
            raise ValueError("Csv(columns) takes a list of names")
        self._header = header if isinstance(header, bool) else tuple(header)
        self._delimiter = delimiter
        self._quote = quote
        self._escape = escape
        self._skips_space = skip_initial_space
        self._skip_lines = skip_lines
        self._conversion = conversion(types, tuple(nulls))
        self._selection = Selection(tuple(columns or ()))
        self._has_one_line_rows = not (quote and quoted_newlines) and not escape
        self.splittable = (
            split and not escape and (self._has_one_line_rows or not skip_initial_space)
        )

    def only(self, names: Collection[str]) -> Csv:
        if type(self) is not Csv:  # which may look at others itself
            return self
        fewer = copy(self)
        fewer._selection = self._selection._replace(used=frozenset(names))
        return fewer

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for parser, place, block in self._parts(split, count, self.chunk_bytes):
            records = parser.records(place, block, self._has_one_line_rows)
            if records:
                yield records, len(block)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        for parser, place, block in self._parts(split, count, self.batch_bytes):
            batch = parser.parse(place, block, self._has_one_line_rows)
            if batch.num_rows:
                yield batch, len(block)

    def read_all(
        self, splits: Sequence[Split], count: CountUp
    ) -> Iterator[tuple[Split, Iterator[Chunk]]]:
        if type(self).read is not Csv.read:  # what a subclass makes of each file
            return super().read_all(splits, count)
        from zmr.formats.csv.parser import CsvParser

        return self._together(splits, CsvParser.records, lambda split: self.read(split, count))

    def read_all_batches(
        self, splits: Sequence[Split], count: CountUp
    ) -> Iterator[tuple[Split, Iterator[Batch]]]:
        if type(self).read_batches is not Csv.read_batches:
            return super().read_all_batches(splits, count)
        from zmr.formats.csv.parser import CsvParser

        return self._together(
            splits, CsvParser.parse, lambda split: self.read_batches(split, count)
        )

    def blocks(self, split: Split) -> Iterator[tuple[int, memoryview]]:
        parser = self._parser(split.path)
        if parser is not None:
            yield from self._blocks(split, parser, self.chunk_bytes)

    def starts(self, block: memoryview) -> Index:
        return self._rows().starts(block)

    def _together(
        self,
        splits: Sequence[Split],
        make: Callable[[CsvParser, Place, memoryview, bool], Any],
        alone: Callable[[Split], Iterator[Piece]],
    ) -> Iterator[tuple[Split, Iterator[Piece]]]:
        from zmr.formats.csv.small_files import read_together

        if self.encoding != UTF8:
            return ((split, alone(split)) for split in splits)
        return read_together(
            splits,
            self._parser,
            lambda parser, place, block: make(parser, place, block, self._has_one_line_rows),
            alone,
        )

    def _parts(
        self, split: Split, count: CountUp, block_bytes: int
    ) -> Iterator[tuple[CsvParser, Place, memoryview]]:
        """Blocks of valid UTF-8, with what parses them."""
        from zmr.formats.arrow_text import valid_utf8

        parser = self._parser(split.path)
        if parser is None:
            return
        for position, block in self._blocks(split, parser, block_bytes):
            yield parser, Place(split.path, position, self.encoding), valid_utf8(block, count)

    def _blocks(
        self, split: Split, parser: CsvParser, block_bytes: int
    ) -> Iterator[tuple[int, memoryview]]:
        from zmr.formats.arrow_text import allocate
        from zmr.formats.csv.parser import row_blocks
        from zmr.formats.csv.split import CsvFile

        if self._has_one_line_rows:
            yield from line_blocks(split, block_bytes, self.encoding, parser.begin, allocate)
        elif self.splittable and split.length >= 0 and is_plain_text(split.path, self.encoding):
            file = CsvFile(split.path, parser.rows, parser.begin, parser.n_columns)
            yield from file.blocks(split.offset, split.offset + split.length, block_bytes)
        elif split.offset == 0:
            yield from row_blocks(split.path, self.encoding, parser.rows, block_bytes, parser.begin)

    def _parser(self, path: str) -> CsvParser | None:
        from zmr.formats.csv.parser import open_csv

        return open_csv(
            path,
            self.encoding,
            self._rows(),
            self._header,
            self._skip_lines,
            self._conversion,
            self._selection,
        )

    def _rows(self) -> CsvRows:
        from zmr.formats.csv.rows import rows_of

        return rows_of(self._delimiter, self._quote, self._escape, self._skips_space)
