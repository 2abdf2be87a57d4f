"""Some seconds of chaos with real processes; `tox -e chaos` has more of it."""

from __future__ import annotations

import os
from pathlib import Path

from chaos.run import Chaos

DURATION_S = 6.0


def test_a_little_chaos_changes_nothing(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"python -m tests.chaos --seed {seed}")

    chaos = Chaos(seed, tmp_path, tell=print, n_lines=1000)
    chaos.run(DURATION_S)

    assert "no accidents" not in chaos.summary()
