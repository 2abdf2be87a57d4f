"""What the log shows of warnings that come again and again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from zmr.cli.streams import set_up_logging

log = logging.getLogger("zmr.master")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The logging of other tests is what it was."""
    logger = logging.getLogger("zmr")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)


def test_warnings_of_one_kind_are_shown_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(verbose=False, quiet=False)
    for n in range(1, 121):
        log.warning("map %d failed (%d of 4): no such file", n, n % 4)
        log.info("map %d is done", n)
    log.warning("another kind")
    lines = capsys.readouterr().err.splitlines()
    shown = [line.split("map ")[1].split()[0] for line in lines if "failed" in line]
    assert shown == [*map(str, range(1, 9)), "10", "100"]
    assert "(number 100 of its kind; -v: all)" in next(
        line for line in lines if "map 100 f" in line
    )
    assert sum("is done" in line for line in lines) == 120
    assert "another kind" in lines[-1]


def test_verbose_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(verbose=True, quiet=False)
    for n in range(50):
        log.warning("map %d failed", n)
    assert len(capsys.readouterr().err.splitlines()) == 50
