"""Where the benchmarks keep things: one folder, which may be deleted at any time.

CACHE/data/<dataset>/        generated data, and what must come out of them
CACHE/envs/<name>-<hash>/    environments of the engines, compiled programs
CACHE/runs/<number>/         output and temporary files of the command that runs now
CACHE/results/<time>/        report.md, plot.svg and results.json of each run
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
BENCHMARKS = CHECKOUT / "benchmarks"
DEFAULT_CACHE = CHECKOUT / ".bench"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one run of the benchmarks."""

    cache: Path

    @classmethod
    def make(cls, cache: Path) -> Places:
        """The cache folder, made ready, and kept out of version control by itself."""
        places = cls(cache.resolve())
        for folder in (places.data, places.envs, places.results):
            folder.mkdir(parents=True, exist_ok=True)
        (places.cache / ".gitignore").write_text("*\n")
        return places

    @property
    def data(self) -> Path:
        return self.cache / "data"

    @property
    def envs(self) -> Path:
        return self.cache / "envs"

    @property
    def results(self) -> Path:
        return self.cache / "results"

    def fresh_run(self) -> Path:
        """An empty folder for one command. `remove` it when its result was checked."""
        folder = self.cache / "runs" / str(os.getpid())
        remove(folder)
        (folder / "tmp").mkdir(parents=True)
        return folder


def remove(folder: Path) -> None:
    """Remove a folder and all that is in it, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
