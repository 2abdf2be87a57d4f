"""`zmr run index INPUT... -o OUT`"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zmr.formats.whole_files import WholeFiles
from zmr.job import Job


class Index(Job):
    """List, for each word, the files that it occurs in.

    A word is what stands between white space. The paths are absolute and sorted.
    """

    input = WholeFiles()

    def map(self, record: tuple[str, str]) -> Iterator[tuple[str, str]]:
        path, text = record
        for word in sorted(set(text.split())):
            yield word, path

    def reduce(self, word: str, paths: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        yield word, sorted(set(paths))
