"""Programs of the system: GNU coreutils, and a hand-written C++ program as a landmark."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from benchmarks.engine import Command, Engine, MakeCommand, NotAvailable, Run
from benchmarks.environments import compiled
from benchmarks.machine import memory_bytes
from benchmarks.places import BENCHMARKS

_NEEDED = ("sh", "sort", "tr", "uniq", "awk", "cat", "mkdir")
_COMPILER = ("g++", "-O3", "-march=native", "-std=c++17", "-pthread")


def _shell(script: str) -> MakeCommand:
    """A shell script in which the run's data are $1, its output $2, its slots $3, memory $4."""

    def make(run: Run) -> Command:
        memory_mib = run.slots * run.memory_mib or memory_bytes() // 3 // 2**20
        values = (str(run.data), str(run.output), str(run.slots), f"{memory_mib}M")
        return Command(("sh", "-euc", script, "sh", *values), {"LC_ALL": "C"})

    return make


_SORT = 'mkdir "$2"; exec sort --parallel="$3" -S "$4" "$1"/* -o "$2/sorted"'
_COUNT = (
    'mkdir "$2"; cat "$1"/* | tr " " "\\n" | sort --parallel="$3" -S "$4" | uniq -c |'
    ' awk \'{print $2 "\\t" $1}\' > "$2/counts"'
)


def _coreutils(envs: Path) -> tuple[str, ...]:
    for name in _NEEDED:
        if shutil.which(name) is None:
            raise NotAvailable(f"there is no {shlex.quote(name)} here")
    return ()


def _coreutils_version() -> str:
    told = subprocess.run(("sort", "--version"), capture_output=True, text=True, check=False)
    return "coreutils " + told.stdout.splitlines()[0].split()[-1]


def _words(run: Run) -> Command:
    return Command((*run.program, str(run.data), str(run.output), str(run.slots)))


ENGINES = (
    Engine(
        "coreutils",
        "GNU coreutils",
        _coreutils,
        {
            "wordcount-batch": _shell(_COUNT),
            "sort-records": _shell(_SORT),
            "sort-memory": _shell(_SORT),
        },
        _coreutils_version,
    ),
    Engine(
        "cpp",
        "C++ by hand",
        lambda envs: (str(compiled("words", _COMPILER, BENCHMARKS / "peers" / "words.cpp", envs)),),
        {"wordcount-batch": _words, "real-batch": _words},
    ),
)
