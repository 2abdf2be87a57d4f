"""What the tests with a cluster share: its processes, the text to count, and the right answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Zmr, write_corpus
from support.cluster import Cluster, output_of
from support.orders import Orders
from support.process import zmr_processes

N_REDUCE = 3


@pytest.fixture
def nothing_left_behind(zmr: Zmr) -> Iterator[None]:
    """Fail the test after which there are files or processes of a job."""
    yield
    assert zmr.processes() == {}
    assert [path.name for path in zmr.temporary.iterdir()] == []
    assert list(zmr.folder.glob("**/.zmr-*")) == []


@pytest.fixture
def cluster(zmr: Zmr) -> Cluster:
    """Give the means to start a master and workers."""
    return Cluster(zmr)


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    """Give a folder of orders for the job `Obedient`."""
    return Orders(tmp_path / "orders")


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of five small text files, text0.txt to text4.txt."""
    return write_corpus(tmp_path_factory.mktemp("texts") / "texts")


@pytest.fixture(scope="session")
def counts(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the sequential answer, of one process: `Obedient` over `texts` with `-r 3`."""
    folder = tmp_path_factory.mktemp("counts")
    orders = Orders(folder / "orders")
    with zmr_processes(folder) as zmr:
        ended = zmr.run(
            "run", *orders.job, texts, "-o", folder / "out", "-r", str(N_REDUCE),
            "--engine", "inline",
        )  # fmt: skip
    assert ended.status == 0, ended.stderr
    return output_of(folder / "out")
