from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from zmr import Job
from zmr.errors import UsageError
from zmr.messages import Split
from zmr.tasks.capsule import copy_input, read_capsule


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


def test_a_capsule_with_anything_in_it_is_read_or_refused(tmp_path: Path) -> None:
    # Given the capsule of a task that has failed
    (tmp_path / "job.py").write_text(
        "import zmr\nclass Fails(zmr.Job):\n    def map(self, line):\n        1 / 0\n"
    )
    (tmp_path / "in").write_text("a line\n")
    command = [sys.executable, "-m", "zmr", "run", str(tmp_path / "job.py"), str(tmp_path / "in")]
    subprocess.run([*command, "-o", str(tmp_path / "out"), "-q"], timeout=120, check=False)
    (folder,) = [path.parent for path in tmp_path.rglob("capsule.json")]
    told = json.loads((folder / "capsule.json").read_text())
    assert read_capsule(str(folder)).memory_bytes >= 0
    # When any value of it is another one, it is read, or said to be no capsule
    refused = 0
    for damaged in _damaged(told):
        (folder / "capsule.json").write_text(json.dumps(damaged))
        try:
            read_capsule(str(folder))
        except UsageError:
            refused += 1
    assert refused > 50
    # And so it is with a text that is no text
    (folder / "capsule.json").write_text(json.dumps(told))
    (folder / "failure.txt").write_bytes(b"\xff")
    assert read_capsule(str(folder)).failure == "\N{REPLACEMENT CHARACTER}"


def _damaged(value: Any) -> Iterator[Any]:
    """The value with another one in the place of each of its parts, or of itself."""
    yield from (None, -1, 1e999, float("nan"), "x", "\0", [], [[]], {}, {"a": 1}, 2**70, True)
    if isinstance(value, dict):
        for key, part in value.items():
            yield {name: each for name, each in value.items() if name != key}
            for other in _damaged(part):
                yield value | {key: other}
    elif isinstance(value, list):
        for at, part in enumerate(value):
            for other in _damaged(part):
                yield [*value[:at], other, *value[at + 1 :]]
