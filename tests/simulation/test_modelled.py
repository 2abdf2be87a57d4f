"""`docs/dev/simulation.md` says what is modelled: all that there is, and nothing else."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any, get_args

import pytest
from support import CHECKOUT

from simulation.draw import draw
from simulation.machines.trace import Trace
from simulation.machines.worker import WorkerMachine
from simulation.world import World
from zmr import messages as m
from zmr.core import actions
from zmr.core.actions import Publish, Send
from zmr.core.events import FrameReceived
from zmr.core.settings import MasterSettings

DOCUMENT = (CHECKOUT / "docs" / "dev" / "simulation.md").read_text()
NAME = re.compile(r"`(\w+)`")

MESSAGES = {kind.__name__ for kind in (*get_args(m.Message), *get_args(m.Event))}
ACTIONS = {
    kind.__name__ for kind in (*get_args(actions.MasterAction), *get_args(actions.WorkerAction))
}
MOST_SEEDS = 400


def listed(row: str) -> set[str]:
    """The names in this row of the table."""
    (text,) = re.findall(rf"^\| {row} \| (.*) \|$", DOCUMENT, re.MULTILINE)
    return set(NAME.findall(text))


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("messages and events", MESSAGES),
        ("actions", ACTIONS),
        ("options of the master", {field.name for field in fields(MasterSettings)}),
    ],
)
def test_the_document_lists_all_that_there_is(row: str, names: set[str]) -> None:
    assert listed(row) == names


def test_each_option_of_a_job_is_modelled_or_not() -> None:
    (not_modelled,) = re.findall(r"^Not modelled: [^;]*;", DOCUMENT, re.MULTILINE)
    others = set(NAME.findall(not_modelled))
    assert listed("options of a job").isdisjoint(others)
    assert listed("options of a job") | others == {field.name for field in fields(m.JobSpec)}


def test_each_message_and_action_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()

    def sees(kind: type, name: str, look: Any) -> None:
        right = getattr(kind, name)

        def wrapper(self: Any, *arguments: Any) -> Any:
            look(*arguments)
            return right(self, *arguments)

        monkeypatch.setattr(kind, name, wrapper)

    def master_did(event: Any, did: list[Any]) -> None:
        seen.update(type(action).__name__ for action in did)
        seen.update(type(a.message).__name__ for a in did if isinstance(a, Send))
        seen.update(type(a.event).__name__ for a in did if isinstance(a, Publish))
        if isinstance(event, FrameReceived):
            seen.update(type(message).__name__ for message in event.frame.messages)

    def worker_does(did: list[Any], *_: Any) -> None:
        seen.update(type(action).__name__ for action in did)
        seen.update(
            type(a.message).__name__
            for a in did
            if isinstance(a, actions.SendMaster | actions.SendSlot)
        )
        seen.update(type(a.job).__name__ for a in did if isinstance(a, actions.StartSlot))

    sees(World, "master_did", master_did)
    sees(WorkerMachine, "_perform", worker_does)
    # What a client is answered, and what a slot says, has no action of its own.
    wanted = MESSAGES | ACTIONS - {"SendMaster", "SendSlot", "StartSlot"}
    wanted -= {"Snapshot", "Progress"}
    for seed in range(MOST_SEEDS):
        world = World(draw(seed), Trace(is_on=False))
        try:
            world.run()
        finally:
            world.close()
        if wanted <= seen:
            return
    pytest.fail(f"never seen: {sorted(wanted - seen)}")
