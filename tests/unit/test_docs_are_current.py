"""What the docs say of states, protocol and commands is what the code says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import CHECKOUT


def generate(checkout: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the generator of a checkout, with the zmr that is under test."""
    script = checkout / "docs" / "dev" / "generate.py"
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, script, *args],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": paths},
    )


def test_the_docs_are_current() -> None:
    checked = generate(CHECKOUT, "--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_stale_page_is_told_and_made_anew(tmp_path: Path) -> None:
    for name in ("docs", "proto"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    page = tmp_path / "docs" / "dev" / "protocol.md"
    right = page.read_text()
    page.write_text(right.replace("GetTask", "GiveTask"))

    checked = generate(tmp_path, "--check")
    assert checked.returncode == 1
    assert "docs/dev/protocol.md is stale: run `python docs/dev/generate.py`\n" in checked.stderr

    made = generate(tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert "docs/dev/protocol.md: written\n" in made.stdout
    assert page.read_text() == right
