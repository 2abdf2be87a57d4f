"""Input formats: how the bytes of a split become records. One format a module.

A format promises four things. The records of a file's splits, taken in order, are the records of
the file, wherever it was cut. Records come in lists, or as Arrow data for `map_batch`, as many as
fit a bounded piece of the file; both ways give the same records. A record can be found again:
`locate` turns its number within a split into words for an error message. And what can't be read
raises: OSError for the file, `BadRecord` for what stands in it.

Text is UTF-8, or what `encoding` says or a byte order mark, which is no part of it. What is not
valid becomes U+FFFD, the replacement character, and is counted. Every format but `Parquet` reads
files that are compressed as well; those of text know them by their first bytes, and refuse what is
no text.

Exported here is what every job loads: the contract of a format, and `Lines`, the default. The other
formats are imported from their modules. None of these modules loads pyarrow before a file is read
(or a type named), since the command defines a job without it; what needs pyarrow stands in
`arrow_text`, `csv.parser`, `json_parser`, `text_columns` and `pairs`, imported within functions.
"""

from __future__ import annotations

from zmr.formats.base import BadRecord, Batch, Chunk, CountUp, InputFormat, unchanged
from zmr.formats.line_blocks import INVALID_UTF8
from zmr.formats.lines import Lines

__all__ = [
    "INVALID_UTF8",
    "BadRecord",
    "Batch",
    "Chunk",
    "CountUp",
    "InputFormat",
    "Lines",
    "unchanged",
]
