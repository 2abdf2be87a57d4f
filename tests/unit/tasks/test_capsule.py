from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from zmr import Job
from zmr.messages import Split
from zmr.tasks.capsule import copy_input


def test_of_a_large_file_a_capsule_has_the_split_where_it_stood(tmp_path: Path) -> None:
    # Given a file larger than may be copied
    source, copy = tmp_path / "in", tmp_path / "copy"
    lines = [f"{i:099}\n" for i in range(300_000)]
    source.write_text("".join(lines))
    split = Split(str(source), 15_000_050, 1_000_000)

    copied = copy_input(split, str(copy), 20 << 20, lambda n: None)

    assert 0 < copied <= 20 << 20
    assert copy.stat().st_size == source.stat().st_size

    def read(path: Path) -> Counter[str]:
        pieces = Job.input.read(replace(split, path=str(path)), lambda name, n: None)
        return Counter(record for records, _ in pieces for record in records)

    assert read(copy) == read(source)
    assert read(source).total() == 10_000
    assert copy_input(split, str(copy), 1 << 20, lambda n: None) == 0
