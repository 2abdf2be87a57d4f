"""Tests of a job, for pytest: `pytest examples/test_sessions.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from sessions import PAUSE_S, Sessions

import zmr
import zmr.testing

ROWS = [
    {"user": "ann", "time": 2 * PAUSE_S, "page": "/late"},
    {"user": "ann", "time": 0, "page": "/"},
    {"user": "bob", "time": 5, "page": "/"},
    {"user": "ann", "time": 60, "page": "/next"},
]
SESSIONS = [("ann", (0, 60, 2)), ("ann", (2 * PAUSE_S, 0, 1)), ("bob", (5, 0, 1))]


def test_pages_less_than_a_pause_apart_are_one_session() -> None:
    """In this process, where a debugger works."""
    assert zmr.testing.run(Sessions, ROWS) == SESSIONS


def test_the_answer_is_the_same_in_any_schedule() -> None:
    """However the rows are cut into tasks, and whichever tasks run twice."""
    zmr.testing.check(Sessions, ROWS)


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_file_with_rows(tmp_path: Path, engine: Literal["inline", "local"]) -> None:
    """With its input format, in this process and in some of their own."""
    lines = ["user,time,page", *(",".join(map(str, row.values())) for row in ROWS)]
    (tmp_path / "visits.csv").write_text("\n".join(lines) + "\n")
    assert sorted(zmr.run(Sessions, tmp_path / "visits.csv", engine=engine)) == SESSIONS
