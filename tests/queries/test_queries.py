"""Answers of zmr beside those of DuckDB, where it is installed: `tox -e queries` has it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("duckdb", reason="duckdb is not installed (tox -e queries)")


@pytest.mark.parametrize("seed", range(40))
def test_the_answer_is_that_of_duckdb(seed: int, tmp_path: Path) -> None:
    from queries.compare import difference

    assert difference(seed, tmp_path) == ""
