"""More tasks to hand out than a turn should take: others are heard in between."""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import MasterAction, Send
from zmr.core.events import FrameReceived, JobGiven
from zmr.core.master import Master

WORKERS, SLOTS, MAPS = 50, 100, 5_000


def tasks_in(actions: list[MasterAction]) -> int:
    return sum(
        len(action.message.tasks)
        for action in actions
        if isinstance(action, Send) and isinstance(action.message, m.TaskResponse)
    )


def test_a_turn_hands_out_so_much_and_the_next_ones_the_rest() -> None:
    master = Master(7)
    for number in range(WORKERS):
        said = m.Register(f"host:{number}", "host", number, SLOTS), m.Heartbeat(SLOTS)
        for message in said:
            master.handle(FrameReceived(b"%d" % number, m.Frame(7, (message,))), 0.0)
    spec = m.JobSpec("job", "test", "test", b"", "", (), 1, "/out")
    inputs = tuple(m.InputFile(f"/in/{n}", 2_000_000, splittable=True) for n in range(MAPS))

    first = tasks_in(master.handle(JobGiven(m.Submit(spec, inputs)), 1.0))

    assert 0 < first < MAPS
    assert master.next_deadline() == 1.0
    beat = m.Frame(7, (m.Heartbeat(SLOTS),))
    assert tasks_in(master.handle(FrameReceived(b"0", beat), 1.0)) == 0
    handed_out = first
    while (deadline := master.next_deadline()) is not None and deadline <= 1.0:
        in_this_turn = tasks_in(master.tick(1.0))
        assert in_this_turn <= first
        handed_out += in_this_turn
    assert handed_out == MAPS
