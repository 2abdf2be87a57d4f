"""Pyright, in its basic mode, has nothing to say of zmr or of the jobs in the documents.

Skipped where it is not installed; `tox -e types` installs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import CHECKOUT
from support.documents import python_blocks

pytest.importorskip("basedpyright")

WRONG = """\
from zmr import Job


class Wrong(Job):
    def map(self, line):
        yield line, self.nothing
"""


def files_with_errors(folder: Path, *included: Path) -> dict[str, list[str]]:
    """Return what pyright reports of all Python in these folders, by file."""
    settings = folder / "pyrightconfig.json"
    settings.write_text(
        json.dumps(
            {
                "typeCheckingMode": "basic",
                "include": [str(path) for path in included],
                "exclude": ["**/zmr_pb2.py"],  # generated
                "extraPaths": [str(CHECKOUT), str(CHECKOUT / "examples")],
            }
        )
    )
    python = ("--pythonpath", sys.executable)
    done = subprocess.run(
        (sys.executable, "-m", "basedpyright", "-p", settings, "--outputjson", *python),
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] > 0
    found: dict[str, list[str]] = {}
    for each in report["generalDiagnostics"]:
        line = each["range"]["start"]["line"] + 1
        found.setdefault(Path(each["file"]).name, []).append(f"line {line}: {each['message']}")
    return found


def test_pyright_finds_a_mistake_in_a_job_and_none_in_zmr_or_in_the_documents(
    tmp_path: Path,
) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    for number, source in enumerate(python_blocks()):
        (jobs / f"job{number}.py").write_text(source)
    (jobs / "wrong.py").write_text(WRONG)

    found = files_with_errors(tmp_path, jobs, CHECKOUT / "zmr", CHECKOUT / "examples")

    assert "nothing" in "".join(found.pop("wrong.py"))
    assert found == {}
