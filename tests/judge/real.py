"""Histories of real processes: what `judge.noting` has noted, put together."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.process import ZMR, Argument, Command, Zmr

from judge.history import History
from zmr import messages as m
from zmr.wire import codec

_NOTING = Path(__file__).parent / "noting.py"
_NOTED = ("master", "worker", "submit", "cancel")


class NotedZmr(Zmr):
    """Starts processes that note what they do, in the folder `notes`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.notes = folder / "notes"
        self.notes.mkdir()

    def start(
        self,
        *args: Argument,
        program: Sequence[Argument] = ZMR,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Command:
        """Start `zmr ARGS`, and have it noted."""
        if program == ZMR and args[0] in _NOTED:
            program = (sys.executable, "-P", _NOTING, self.notes)
        return super().start(*args, program=program, cwd=cwd, env=env)


def history_of(notes: Path, partitions: Callable[[str], Iterable[str]]) -> History:
    """The history of all processes that noted in this folder, and have ended."""
    history = History(partitions)
    texts = [path.read_text() for path in sorted(notes.glob("*.notes"))]
    lines = [line for text in texts for line in text.splitlines(keepends=True)]
    # A process that was killed may have left a part of its last line.
    whole = [json.loads(line) for line in lines if line.endswith("\n")]
    whole.sort(key=lambda note: note["at_ns"])
    left_ns = {
        number: note["at_ns"]
        for note in whole
        if note["what"] == "published"
        for number in note["numbers"]
    }
    for note in whole:
        _take(history, note, left_ns)
    return history


def _take(history: History, note: dict[str, Any], left_ns: dict[str, int]) -> None:
    now_ns, data = note["at_ns"], base64.b64decode(note["data"])
    peer = f"process {note['pid']}"
    match note["what"]:
        case "sends":
            history.sends(now_ns, peer, codec.decode(data).messages)
        case "gets":
            history.gets(now_ns, peer, codec.decode(data).messages)
        case "hands out":
            for message in codec.decode(data).messages:
                assert isinstance(message, m.TaskResponse)
                history.hands_out(note["since_ns"], now_ns, message.tasks)
        case "publishes":
            _, (published,) = codec.decode_events(data)
            until_ns = left_ns.get(note["number"])
            history.publishes(note["since_ns"], until_ns, published.event)
