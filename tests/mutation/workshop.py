"""A copy of the checkout in which one module at a time is wrong, and what is run there."""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .mutants import Mutant

_NOT_COPIED = (".*", "__pycache__", "*.egg-info", "build", "dist")

# Longer than all seeds of a mutant, or a stage of the tests, take on a busy machine.
_LIMIT_S = 900.0

_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - (.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """What is wrong, by a seed or by a test."""

    by: str  # the seed, or the name of the test
    error: str


class Workshop:
    """A copy. One thing at a time is done in it."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self._folder = folder
        shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        # By the source's hash: a mutant may have the size and the time of what was compiled.
        compileall.compile_dir(
            folder / "zmr",
            quiet=1,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )
        path = os.pathsep.join(map(str, (folder, folder / "tests")))
        self._environment = os.environ | {"PYTHONPATH": path}

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The mutant is in the copy for a while."""
        file = self._folder / "zmr" / mutant.module
        right = file.read_bytes()
        file.write_bytes(mutant.apply(right))
        try:
            yield
        finally:
            file.write_bytes(right)
            shutil.rmtree(self._folder / ".hypothesis", ignore_errors=True)

    def simulate(self, first: int, n: int) -> Seen | None:
        """Try so many seeds, from the first on, up to one that fails."""
        status, out = self._run("seeds", str(first), str(n))
        if status:
            return Seen(str(first), f"the simulator ended with status {status}: {out[-500:]}")
        found = json.loads(out.splitlines()[-1])
        return Seen(str(found["seed"]), found["error"]) if found else None

    def test(self, paths: tuple[str, ...]) -> Seen | None:
        """Run these tests, up to one that fails."""
        status, out = self._run("tests", *paths)
        if not status:
            return None
        failed = _FAILED.search(out)
        if failed is None:
            return Seen(paths[0], f"the tests ended with status {status}: {out[-500:]}")
        return Seen(failed[1], failed[2] or "")

    def _run(self, *words: str) -> tuple[int, str]:
        """The exit status and the output. What takes too long is killed, with its children."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mutation.trial", *words],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            out = "it did not end"
        finally:
            # Also what a wrong core has left behind.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return process.returncode, out
