"""Word count as a competent script does it: plain Python, one thread.

python python_words.py INPUT_FOLDER OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(source: Path, output: Path) -> None:
    """Write `word<TAB>count` lines, sorted."""
    counts: dict[str, int] = {}
    get = counts.get
    for path in sorted(source.iterdir()):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                for word in line.split():
                    counts[word] = get(word, 0) + 1
    output.mkdir()
    with (output / "counts").open("w", encoding="utf-8") as file:
        file.writelines(f"{word}\t{counts[word]}\n" for word in sorted(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
