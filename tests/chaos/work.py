"""The jobs that run in the chaos, and what must come out, counted without zmr."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

N_REDUCE = 4
_FILES = 30


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    input: Path
    lines: tuple[bytes, ...]  # of the output; of a sort in order, file after file

    def check(self, out: Path) -> None:
        """Fail if the output is not what it has to be."""
        files = [out / f"mr-out-{partition}" for partition in range(N_REDUCE)]
        missing = [file.name for file in (*files, out / "_SUCCESS") if not file.exists()]
        assert not missing, f"{self.name}: {missing} missing in {out}"
        others = {path.name for path in out.iterdir()} - {file.name for file in files}
        assert others == {"_SUCCESS"}, f"{self.name}: {others} left in {out}"
        lines = b"".join(file.read_bytes() for file in files).splitlines()
        if self.name != "sort":
            lines.sort()
        assert tuple(lines) == self.lines, f"{self.name}: {out} is wrong"


def jobs(folder: Path, rng: Random, n_lines: int) -> list[Job]:
    """A word count and a sort over new text in the folder: so many lines a file."""
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(2000)]
    folder.mkdir()
    lines: list[str] = []
    for number in range(_FILES):
        own = [" ".join(rng.choices(words, k=rng.randint(1, 15))) for _ in range(n_lines)]
        (folder / f"{number}.txt").write_text("\n".join(own) + "\n")
        lines += own
    counts = Counter(word for line in lines for word in line.split())
    counted = sorted(f"{word}\t{n}".encode() for word, n in counts.items())
    return [
        Job("wordcount", folder, tuple(counted)),
        Job("sort", folder, tuple(sorted(line.encode() for line in lines))),
    ]
