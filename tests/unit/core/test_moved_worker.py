"""A worker whose address changes while it runs."""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import Send
from zmr.core.events import FrameReceived, JobGiven
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.messages import TaskKind

PEER = b"w1"
SPEC = m.JobSpec("job", "job", "wordcount", b"", "", (), 2, "/out")


def hear(master: Master, *messages: m.Message) -> list[m.Task]:
    """The tasks that are handed out for a frame of the worker."""
    actions = master.handle(FrameReceived(PEER, m.Frame(1, messages)), 1.0)
    sent = [action.message for action in actions if isinstance(action, Send)]
    return [task for each in sent if isinstance(each, m.TaskResponse) for task in each.tasks]


def test_a_worker_that_has_moved_is_read_at_its_new_address() -> None:
    master = Master(1, MasterSettings())
    master.handle(JobGiven(m.Submit(SPEC, (m.InputFile("/in", 1, False),))), 0.0)
    first = m.Register("w1", "host", 1, 2, shuffle_address="tcp://10.0.0.1:1")
    [the_map] = hear(master, first, m.GetTask(1))
    done = m.MapDone("job", 0, the_map.attempt, "/w1/out", m.Stats(), input_bytes=1)
    [reduce] = hear(master, done, m.GetTask(1))
    assert [source.shuffle_address for source in reduce.sources] == ["tcp://10.0.0.1:1"]

    moved = m.Register(
        "w1", "host", 1, 2, (reduce.attempt,), (done,), shuffle_address="tcp://10.0.0.9:1"
    )
    [other] = hear(master, moved, m.GetTask(2))

    assert (other.kind, other.index) == (TaskKind.REDUCE, 1)
    assert [source.shuffle_address for source in other.sources] == ["tcp://10.0.0.9:1"]
    master.cluster.validate()
