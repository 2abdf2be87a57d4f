"""The judge: a Go program on Porcupine, built when it is needed, and what it says of histories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_SOURCE = Path(__file__).parent / "porcupine"
_GO_LIMIT_S = 60.0
_JUDGE_LIMIT_S = 600.0


class NoJudgeError(Exception):
    """It can't be built here, and why not."""


@dataclass(frozen=True)
class Rejected:
    """A partition of a job, or one of its other tasks, whose history is not right."""

    history: str
    job: str
    partition: str
    verdict: str  # "Illegal", or "Unknown": the checker had not enough time
    operations: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        lines = [
            f"{self.history}, {self.job}, {self.partition or 'the job itself'}: {self.verdict}"
        ]
        in_order = sorted(self.operations, key=lambda operation: operation["call_ns"])
        lines += [f"  {_line(operation)}" for operation in in_order]
        return "\n".join(lines)


@dataclass(frozen=True)
class Judgement:
    """Of all histories: how much there was, and what is not right."""

    histories: int
    jobs: int
    partitions: int
    operations: int
    rejected: tuple[Rejected, ...]


@cache
def built() -> Path:
    """The program. Raises `NoJudgeError` where there is no Go, or its modules can't be had."""
    if shutil.which("go") is None:
        raise NoJudgeError("there is no Go here (https://go.dev), with which the judge is built")
    error = _go("mod", "download")
    if error:
        raise NoJudgeError(f"Go can't get the modules of the judge: {error}")
    folder = Path(__file__).parent / "build"  # not under version control
    folder.mkdir(exist_ok=True)
    program, fresh = folder / "judge", folder / f"judge-{os.getpid()}"
    error = _go("build", "-buildvcs=false", "-o", str(fresh), ".")
    assert not error, error
    fresh.replace(program)  # another process may run it
    return program


def _go(*arguments: str) -> str:
    """Run Go on the sources. What went wrong, or an empty string."""
    try:
        done = subprocess.run(
            ["go", *arguments],
            cwd=_SOURCE,
            capture_output=True,
            text=True,
            timeout=_GO_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_GO_LIMIT_S:g} s"
    return done.stderr.strip() or "no reason given" if done.returncode else ""


def judge(files: Sequence[Path], timeout_s: float = 30.0) -> Judgement:
    """Judge the histories in these files; of each partition, within the timeout."""
    command = [str(built()), "-timeout", f"{timeout_s}s", *map(str, files)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_JUDGE_LIMIT_S,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    *verdicts, summary = map(json.loads, done.stdout.splitlines())
    assert summary.pop("wrong") == len(verdicts)
    rejected = tuple(
        Rejected(**verdict | {"operations": tuple(verdict["operations"])}) for verdict in verdicts
    )
    return Judgement(**summary, rejected=rejected)


def _line(operation: dict[str, Any]) -> str:
    returns = operation["return_ns"]
    until = "open" if returns is None else f"{returns / 1e9:.3f}"
    what = " ".join(filter(None, (operation["kind"], operation["output"])))
    attempt = f" of attempt {operation['attempt']}" if operation["attempt"] else ""
    return f"{operation['call_ns'] / 1e9:.3f} to {until}: {what}{attempt}, {operation['client']}"
