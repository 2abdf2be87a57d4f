"""Some seconds of chaos with real processes; `tox -e chaos` has more of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.run import Chaos

DURATION_S = 6.0
QUIET_ROUNDS = 4


@pytest.mark.timeout(180)
def test_a_little_chaos_changes_nothing(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"python -m tests.chaos --seed {seed}")

    chaos = Chaos(seed, tmp_path, tell=print, n_lines=1000)
    chaos.run(DURATION_S)

    assert chaos.rounds > QUIET_ROUNDS, "there was no time for any accident"
