"""The history of a chaos, and what the judge says of it: see docs/dev/simulation.md."""

from __future__ import annotations

from pathlib import Path

from judge.checker import Judgement, judge
from judge.history import History, partition
from judge.real import history_of

from zmr.messages import TaskKind

from .work import N_REDUCE


def judge_chaos(folder: Path) -> tuple[History, Judgement]:
    """Judge the chaos in this folder, which `judge.real.NotedZmr` has noted."""
    history = history_of(folder / "notes", _partitions)
    return history, judge_history(history, folder / "history.jsonl")


def judge_history(history: History, path: Path) -> Judgement:
    """Write it to `path`, and judge it."""
    with path.open("w") as out:
        history.write("chaos", out)
    return judge([path])


def _partitions(job_id: str) -> list[str]:
    return [partition(job_id, TaskKind.REDUCE, index) for index in range(N_REDUCE)]
