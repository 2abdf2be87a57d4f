"""Ten seconds of chaos with real processes; `tox -e chaos` has more of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.run import Chaos

DURATION_S = 10.0


@pytest.mark.timeout(180)
def test_a_little_chaos_changes_nothing(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"python -m tests.chaos --seed {seed}")

    Chaos(seed, tmp_path, tell=print).run(DURATION_S)
