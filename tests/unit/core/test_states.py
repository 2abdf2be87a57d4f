"""The tables of legal moves."""

from __future__ import annotations

from typing import Any

import pytest

from zmr.core.states import JOB, MACHINES, TASK, IllegalMove, JobState, Machine, TaskState


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_can_be_reached(machine: Machine[Any]) -> None:
    reached = {machine.initial}
    for _ in machine.moves:
        reached |= {to for (state, _), to in machine.moves.items() if state in reached}
    assert reached == {*type(machine.initial).__members__.values()}


def test_a_move_that_is_not_in_the_table_names_machine_state_and_move() -> None:
    assert JOB.move(JobState.MAP, "all maps completed", "job-1") is JobState.REDUCE
    with pytest.raises(
        IllegalMove, match=r"^job job-1: 'start' can't happen in state 'done'$"
    ) as raised:
        JOB.move(JobState.DONE, "start", "job-1")
    assert raised.value.__suppress_context__


def test_what_is_over_stays_over() -> None:
    for state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED):
        assert not [move for move in JOB.moves if move[0] is state]


def test_the_diagram_shows_every_state_and_every_move() -> None:
    drawn = TASK.mermaid().splitlines()
    assert drawn[0] == "stateDiagram-v2"
    assert "    [*] --> idle" in drawn
    assert '    state "in progress" as in_progress' in drawn
    assert "    in_progress --> idle: last attempt ends" in drawn
    assert len(drawn) == 2 + len(TaskState) + len(TASK.moves)
    assert "    done --> [*]" in JOB.mermaid().splitlines()
