"""Some seconds of chaos with real processes; `tox -e chaos` has more of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.judged import judge_chaos, judge_history
from chaos.run import Chaos
from judge.checker import NoJudgeError, built
from judge.real import NotedZmr

DURATION_S = 6.0


def test_a_little_chaos_changes_nothing(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"python -m tests.chaos --seed {seed}")

    chaos = Chaos(seed, tmp_path, tell=print, n_lines=1000, processes=NotedZmr)
    chaos.run(DURATION_S)

    assert "no accidents" not in chaos.summary()
    try:
        built()
    except NoJudgeError as error:
        pytest.skip(f"all was right, but its history is not judged: {error}")
    history, judgement = judge_chaos(tmp_path)
    assert not judgement.rejected, "\n".join(map(str, judgement.rejected))
    # The judge sees it when something is wrong.
    history.operations = [each for each in history.operations if each.kind != "grant"]
    assert judge_history(history, tmp_path / "without-grants.jsonl").rejected
