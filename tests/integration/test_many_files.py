"""An output of many files is on the disk before `_SUCCESS` is there, with one sync for all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zmr.formats.output import Text
from zmr.formats.output_writer import OutputWriter
from zmr.messages import Task, TaskKind
from zmr.output.durable_file import MANY_FILES
from zmr.tasks.commit import write_and_commit
from zmr.tasks.context import TaskContext

SPY = """
import json, os, sys
from zmr.cli import main
from zmr.net import master_server
from zmr.output.durable_file import sync_files

def spy(folder, names):
    names = list(names)
    assert sorted(names) == sorted(name for name in os.listdir(folder) if name[0] != ".")
    print(json.dumps(names))
    sync_files(folder, names)

master_server.sync_files = spy
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("n_reduce", [MANY_FILES, MANY_FILES + 1])
def test_many_files_are_synced_together_before_success(tmp_path: Path, n_reduce: int) -> None:
    (tmp_path / "in").write_text("a few words and more\n")
    output = tmp_path / "out"
    arguments = ["wordcount", str(tmp_path / "in"), "-o", str(output), "-r", str(n_reduce)]
    ended = subprocess.run(
        [sys.executable, "-c", SPY, "run", *arguments, "-j", "1", "-q"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert (output / "_SUCCESS").exists()
    if n_reduce <= MANY_FILES:
        assert not ended.stdout
    else:  # all files had their names by then, and `_SUCCESS` was not there
        names = json.loads(ended.stdout)
        assert sorted(names) == sorted(f"mr-out-{i}" for i in range(n_reduce))


def test_a_slot_leaves_many_files_to_the_end_and_syncs_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Any] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for n_reduce, syncs_late, expected in (
        (MANY_FILES, True, 1),
        (MANY_FILES + 1, False, 1),
        (MANY_FILES + 1, True, 0),
    ):
        folder = tmp_path / f"{n_reduce}-{syncs_late}"
        folder.mkdir()
        synced.clear()
        task = Task("job", TaskKind.REDUCE, 0, 1, n_reduce, str(folder))
        context = TaskContext(str(tmp_path), syncs_late=syncs_late)
        writer = OutputWriter(Text())
        assert write_and_commit(task, iter([(b"a\t1\n", 1)]), writer, context) is not None
        assert (folder / "mr-out-0").read_bytes() == b"a\t1\n"
        assert len(synced) == expected
