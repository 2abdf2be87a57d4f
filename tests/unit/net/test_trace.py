"""What `-v` logs of a frame: one short line, which names the tasks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.strategies import messages

from zmr import messages as m
from zmr.net.trace import described


def map_done(index: int) -> m.MapDone:
    return m.MapDone("job", index, 100 + index, "/tmp/x", m.Stats())


def test_a_frame_is_told_by_kinds_and_tasks() -> None:
    task = m.Task("job", m.TaskKind.REDUCE, 1, 7, 2, "/out")
    assert described([m.TaskResponse((task,)), m.CommitReply(6, granted=True), m.Ack((4, 5))]) == (
        "TaskResponse reduce 1 (attempt 7) of job, CommitReply attempt 6: granted, "
        "Ack attempt 4, attempt 5"
    )
    failed = m.TaskFailed("job", m.TaskKind.MAP, 3, 9, m.FailureReason.USER_ERROR, "KeyError: 'x'")
    assert described([failed]) == "TaskFailed map 3 (attempt 9): USER_ERROR, KeyError: 'x'"


def test_of_many_messages_the_first_are_named_and_all_counted() -> None:
    line = described([map_done(index) for index in range(500)])
    assert line.startswith("MapDone x 500: map 0 (attempt 100), map 1 (attempt 101), ")
    assert line.endswith("map 7 (attempt 107), ...")
    acks = described([m.Ack(tuple(range(500)))])
    assert acks.endswith("attempt 7 and 492 more")


@given(st.lists(st.one_of(*messages().values()), max_size=5))
def test_it_is_one_line_whatever_a_peer_says(frame: list[m.Message]) -> None:
    line = described(frame)
    assert len(line) <= 1_000
    assert line.isprintable()
    assert all(type(message).__name__ in line for message in frame) or len(line) == 1_000


def test_text_of_a_peer_can_not_begin_a_line_of_its_own() -> None:
    assert described([m.Leave("the end\n12:00:00 ERROR \x1b[31m")]) == (
        "Leave the end?12:00:00 ERROR ?[31m"
    )
