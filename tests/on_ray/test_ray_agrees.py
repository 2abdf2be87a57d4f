"""Ray is one more engine: it agrees with the others on any job, to the byte."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cluster import output_of
from support.drawn_jobs import PARTS, REDUCERS, SORTS, WORDS, Drawn, Lists, drawn_job
from support.ray_cluster import RayNodes, manifest

import zmr

ray = pytest.importorskip("ray", reason="Ray is not installed: tox -e ray")
pytestmark = pytest.mark.usefixtures("connection")

ENGINES: tuple[Any, ...] = ("inline", "local", "ray")


@pytest.fixture(scope="module")
def connection(ray_nodes: RayNodes) -> Iterator[None]:
    """Connect this process to the cluster, as a script of a Ray user's does."""
    ray_nodes.repair()
    # Its nodes have no other way to the classes of tests.
    path = os.pathsep.join([str(Path(zmr.__file__).parent.parent), str(Path(__file__).parents[1])])
    ray.init(
        address=ray_nodes.address,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    yield
    ray.shutdown()


def outcome_of(run: Callable[[], object], folder: Path) -> Any:
    """What it put out, or why it failed: the error, without the place."""
    try:
        run()
    except zmr.ZmrError as error:
        reason = str(error)
        # After what failed and where, which engines say in words of their own.
        reason = re.sub(
            r"^.* failed: (step \d of \d, \w+: )?(.* the last on [^:]+:\d+: )?", "", reason
        )
        return reason.partition(" (in ")[0].partition(" (reading ")[0]
    found = manifest(folder)
    return output_of(folder), found["counters"], found["stats"]


def outcomes(job: Any, inputs: Any, folder: Path, n_reduce: int) -> list[Any]:
    found = []
    for engine in ENGINES:
        out = folder / engine

        def run(engine: Any = engine, out: Path = out) -> None:
            zmr.run(
                *(job, inputs, out),
                engine=engine,
                reducers=n_reduce,
                slots=2,
                max_attempts=1,
                progress=False,
            )

        found.append(outcome_of(run, out))
    return found


@settings(max_examples=30, deadline=None)
@given(
    files=st.lists(
        st.lists(st.lists(st.sampled_from(WORDS), max_size=4), max_size=5), min_size=1, max_size=3
    ),
    key=st.sampled_from([name for name in PARTS if name not in ("list", "dict")]),
    value=st.sampled_from([*PARTS, "same", "source"]),
    reduce=st.sampled_from(REDUCERS),
    combines=st.booleans(),
    finishes=st.booleans(),
    sorts=st.sampled_from(list(SORTS)),
    n_reduce=st.integers(1, 3),
)
def test_on_drawn_jobs(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[list[str]]],
    key: str,
    value: str,
    reduce: Any,
    combines: bool,
    finishes: bool,
    sorts: str,
    n_reduce: int,
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    inputs = []
    for number, lines in enumerate(files):
        inputs.append(folder / f"in{number}")
        inputs[-1].write_text("".join(" ".join(line) + "\n" for line in lines))
    job = drawn_job(key, value, reduce, combines, finishes, "lines", sorts)
    inline, local, on_ray = outcomes(job, inputs, folder, n_reduce)
    if isinstance(local, str):
        # Of several maps that are refused, another one may be the first.
        assert on_ray == local if len(files) == 1 else isinstance(on_ray, str)
        return
    assert on_ray == local
    if isinstance(inline, tuple):  # it calls combine where the others need not
        assert on_ray[:2] == inline[:2]


@pytest.mark.parametrize("reduce", REDUCERS, ids=lambda each: str(each))
def test_on_every_reducer(tmp_path: Path, reduce: Any) -> None:
    lines = [f"{word} {word}{n % 7}\n" for n in range(300) for word in ("a", "b")]
    for number in range(4):
        (tmp_path / f"in{number}").write_text("".join(lines[number::4]))
    job = drawn_job("word", "number", reduce, False, False, "lines")
    inputs = [tmp_path / f"in{number}" for number in range(4)]
    inline, local, on_ray = outcomes(job, inputs, tmp_path, 3)
    assert isinstance(inline, tuple)
    assert on_ray == local
    assert on_ray[:2] == inline[:2]


class Joined(zmr.Job):
    """Two inputs."""

    customers = zmr.Input(zmr.Csv())
    orders = zmr.Input(zmr.JsonLines())
    sort_values = True

    def map_customers(self, row: Any) -> Any:
        yield row["id"], (0, row["name"])

    def map_orders(self, order: Any) -> Any:
        self.count("orders")
        yield str(order["customer"]), (1, str(order["total"]))

    def reduce(self, key: str, values: Any) -> Any:
        yield key, list(values)


class Ranged(zmr.Job):
    """Range() without bounds, and batches."""

    partition = zmr.Range()
    reduce = zmr.Count()

    def map_batch(self, batch: Any) -> Any:
        return zmr.split_words(batch)


class Decimals(zmr.Job):
    """Keys and values that no column has."""

    def map(self, line: str) -> Any:
        for word in line.split():
            yield Decimal(len(word)) / 8, {word: {1}}

    def combine(self, key: Decimal, values: Any) -> Any:
        yield key, {word: found for value in values for word, found in value.items()}

    def reduce(self, key: Decimal, values: Any) -> Any:
        yield key, sorted({word for value in values for word in value})


class Turned(zmr.Job):
    """A second step, without reduce."""

    def map(self, pair: Any) -> Any:
        yield pair[1], pair[0]


class Again(Lists):
    """A third."""

    def map(self, pair: Any) -> Any:
        yield pair


class Steps(zmr.Pipeline):
    """Three steps."""

    steps = [Ranged, Turned, Again]  # noqa: RUF012


@pytest.mark.parametrize("kind", ["joined", "ranged", "steps", "map-only", "opaque"])
def test_on_kinds_of_jobs(tmp_path: Path, kind: str) -> None:
    (tmp_path / "customers.csv").write_text("id,name\n1,a\n2,b\n")
    (tmp_path / "orders.jsonl").write_text('{"customer": 2, "total": 7}\n' * 3)
    texts = []
    for number in range(3):
        texts.append(tmp_path / f"text{number}")
        texts[-1].write_text(f"a b c d{number}\n" * 50)
    joined = {"customers": tmp_path / "customers.csv", "orders": tmp_path / "orders.jsonl"}
    jobs: dict[str, tuple[Any, Any]] = {
        "joined": (Joined, joined),
        "ranged": (Ranged, texts),
        "steps": (Steps, texts),
        "map-only": (drawn_job("word", "number", None, False, False, "lines"), texts),
        "opaque": (Decimals, texts),
    }
    inline, local, on_ray = outcomes(*jobs[kind], tmp_path, 3)
    assert isinstance(inline, tuple), inline
    assert on_ray == local
    assert on_ray[:2] == inline[:2]


def test_a_result_without_a_folder_is_refused_on_a_cluster_that_others_share() -> None:
    with pytest.raises(zmr.OutputError, match="out="):
        zmr.run(Drawn, ["x"], engine="ray")


def test_an_address_is_refused_where_this_process_has_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(zmr.ZmrError, match="already"):
        zmr.run(Drawn, ["x"], tmp_path / "out", engine="ray", ray_address="auto")
