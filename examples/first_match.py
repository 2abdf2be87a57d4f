"""File after file, until one of them has what is looked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import zmr
from zmr.jobs.grep import Grep


def first_match(pattern: str, paths: Iterable[str]) -> tuple[str, list[str]] | None:
    """The first file with lines in which the pattern is found, and these lines."""
    with zmr.LocalCluster() as cluster:
        for path in paths:
            found = cluster.run(Grep(pattern=pattern), path)
            if lines := [line for line, _ in found]:
                return path, lines
    return None


if __name__ == "__main__":
    print(first_match(sys.argv[1], sys.argv[2:]))
