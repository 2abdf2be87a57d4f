"""Environments of their own for the engines: virtual environments with pinned versions.

`requirements-<name>.txt` says what is in one. It is made when it is first needed, and again when
that file or the Python changes.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.engine import NotAvailable
from benchmarks.places import BENCHMARKS, remove


def requirements(name: str) -> Path:
    """The file that says what is in the environment."""
    return BENCHMARKS / f"requirements-{name}.txt"


def pinned_version(name: str, package: str) -> str:
    """The version of a package that the environment has. Raises ValueError if it isn't pinned."""
    pattern = rf"^{re.escape(package)}(?:\[[^]]*\])?==(\S+)"
    found = re.search(pattern, requirements(name).read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{requirements(name).name} pins no version of {package}")
    return found[1]


def python_of(name: str, envs: Path) -> Path:
    """The Python of the environment, which is made if it isn't there. Raises `NotAvailable`."""
    wanted = f"{sys.version} {requirements(name).read_text()}"
    folder = envs / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists():
        return python
    print(f"making the environment {folder}", file=sys.stderr, flush=True)
    remove(folder)
    _call(f"no environment for {name}", sys.executable, "-m", "venv", str(folder))
    install = (str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements(name)))
    _call(f"could not install {requirements(name).name}", *install)
    ready.touch()
    return python


def compiled(name: str, compiler: tuple[str, ...], source: Path, envs: Path) -> Path:
    """The program that `compiler SOURCE -o PROGRAM` makes of the source, kept until that changes.

    Raises `NotAvailable`.
    """
    wanted = f"{compiler} {source.read_text()}"
    program = envs / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"
    if not program.exists():
        unfinished = program.with_suffix(".part")
        _call(f"could not compile {source.name}", *compiler, str(source), "-o", str(unfinished))
        unfinished.rename(program)
    return program


def _call(complaint: str, *command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotAvailable(f"{complaint}: {error.filename} is not here") from None
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotAvailable(": ".join([complaint, *last]))
