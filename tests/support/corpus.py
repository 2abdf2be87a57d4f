"""Random text to count: the same bytes for the same seed, on every machine."""

from __future__ import annotations

import random
from itertools import accumulate
from pathlib import Path

_LETTERS = "abcdefghijklmnoprstuvwyzäéßøñλжש語"
_VOCABULARY = 400


def write_corpus(folder: Path, *, seed: int = 1, files: int = 5, lines: int = 200) -> Path:
    """Fill `folder`, made where needed, with `files` text files of `lines` lines; return it.

    Few words are frequent and most are rare, as in real text, and one line in ten is empty. The
    last file doesn't end in a newline.
    """
    rng = random.Random(seed)
    words = ["".join(rng.choices(_LETTERS, k=rng.randint(1, 9))) for _ in range(_VOCABULARY)]
    weights = list(accumulate(1 / rank for rank in range(1, _VOCABULARY + 1)))
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        text = "\n".join(
            " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(1, 12)))
            if rng.random() > 0.1
            else ""
            for _ in range(lines)
        )
        end = "" if number == files - 1 else "\n"
        (folder / f"text{number}.txt").write_bytes((text + end).encode())
    return folder
