"""What is read of an output, with `zmr.read` and as the result of a job with an output folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import zmr

ENGINES = pytest.mark.parametrize("engine", ["local", "inline"])


class Values(zmr.Job):
    """Yields a value for each number, as `kind` says."""

    kind: str

    def map(self, n: int) -> Iterator[tuple[int, Any]]:
        yield n, VALUES_OF[self.kind](n)


class Reduced(Values):
    def reduce(self, key: int, values: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        yield key, next(values)


class Identical(Values):
    reduce = zmr.Identity()


VALUES_OF: dict[str, Any] = {
    "str": str,
    "int": lambda n: n * 3**n,
    "int or None": lambda n: n or None,
    "float": lambda n: n / 3,
    "bool": lambda n: n > 3,
    "None": lambda n: None,
    "bytes": lambda n: b"\t\xff\n" * n,
    "date": lambda n: date(2020, 1, 1 + n % 28),
    "datetime": lambda n: datetime(2020, 1, 1, 0, 0, n % 60, n),
    "Decimal": lambda n: Decimal(n) / 8,
    "UUID": lambda n: UUID(int=n),
    "(str, int or None)": lambda n: ('\t"', n or None),
}
AS_TEXT: dict[str, Any] = {
    "several": lambda n: n if n < 40 else n / 2,
    "list": lambda n: [n],
    "numbers and None": lambda n: (None, n, n / 2)[n % 3],
    "zoned": lambda n: datetime(2020, 1, 1, 0, n % 60, tzinfo=UTC),
    "str or None": lambda n: str(n) if n else None,
}
VALUES_OF |= AS_TEXT


@ENGINES
@pytest.mark.parametrize("job_class", [Values, Reduced, Identical])
def test_an_output_is_read_with_the_types_that_were_written(
    tmp_path: Path, job_class: Any, engine: Any
) -> None:
    with zmr.LocalCluster(slots=2) as cluster:
        run = cluster.run if engine == "local" else partial(zmr.run, engine="inline")
        for kind, value_of in VALUES_OF.items():
            out = tmp_path / kind.replace(" ", "-")
            run(job_class(kind=kind), iter(range(100)), out, reducers=3)
            expected = {n: value_of(n) for n in range(100)}
            found = dict(zmr.read(out))
            noted = json.loads((out / "_SUCCESS").read_text())["output"]
            if kind in AS_TEXT:
                assert set(map(type, found.values())) == {str}
                assert noted == {"format": "Text", "key": "int", "value": "str"}
            else:
                assert found == expected
                assert list(map(type, found.values())) == list(map(type, map(value_of, found)))
                assert noted == {"format": "Text", "key": "int", "value": kind}


def test_an_output_that_is_no_text_is_there_as_files(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("one two\n" * 3)

    class Bytes(zmr.Job):
        output = zmr.Raw()

        def map(self, line: str) -> Iterator[tuple[bytes, bytes]]:
            yield line.encode(), b"!"

    result = zmr.run(Bytes, text, tmp_path / "out", slots=1)
    with pytest.raises(zmr.OutputError, match="out holds what Raw writes, which is not read as"):
        next(iter(result))
    assert b"".join(Path(file).read_bytes() for file in result.files).startswith(b"one two!\n")
    with zmr.run(Bytes, text, slots=1) as pairs:
        assert next(iter(pairs)) == (b"one two", b"!")


@ENGINES
def test_an_output_is_a_table_and_an_input(tmp_path: Path, engine: Any) -> None:
    zmr.run(Values(kind="(str, int or None)"), iter(range(5)), tmp_path / "pairs", engine=engine)
    zmr.run(Values(kind="int or None"), iter(range(3)), tmp_path / "out", engine=engine)
    out = zmr.read(tmp_path / "out")
    assert (out.stats.records_in, out.stats.records_out, out.counters) == (3, 3, {})
    assert sorted(out.to_arrow().to_pylist(), key=str) == [
        {"key": 0, "value": None},
        {"key": 1, "value": 1},
        {"key": 2, "value": 2},
    ]

    class Swaps(zmr.Job):
        def map(self, pair: tuple[int, Any]) -> Iterator[tuple[Any, int]]:
            yield pair[1], pair[0]

    swapped = zmr.run(Swaps, zmr.read(tmp_path / "pairs"), tmp_path / "swapped", engine=engine)
    assert ({"key.0": '\t"', "key.1": None, "value": 0}) in swapped.to_arrow().to_pylist()
    with pytest.raises(zmr.OutputError, match="nowhere holds no finished output"):
        zmr.read(tmp_path / "nowhere")
