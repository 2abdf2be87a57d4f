from __future__ import annotations

import logging

from zmr.cli.status import _text
from zmr.cli.streams import _Lines
from zmr.cli.tail import _line
from zmr.display import is_power_of_ten, on_one_line, printable, short_repr
from zmr.messages import JobEvent, JobStatus, Published, Snapshot, WorkerStatus


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError


def test_a_value_is_one_short_line_whatever_it_is() -> None:
    assert short_repr("a\nb") == r"'a\nb'"
    assert short_repr("a\nb", str) == "a b"
    assert short_repr(Rude()) == "<Rude>"
    assert short_repr("x" * 100, most_chars=10) == "'xxxxxx..."
    assert len(short_repr(list(range(1000)))) == 80


def test_a_growing_count_is_worth_a_line_now_and_then() -> None:
    assert [n for n in range(100_001) if is_power_of_ten(n)] == [1, 10, 100, 1000, 10_000, 100_000]


ESCAPES = "\x1b[2J\x1b[1;1Hall is well\n19:00:01 INFO job paid done\0\u202e\udcff\x9b5n\r"


def test_what_others_say_can_not_move_the_cursor_or_hide() -> None:
    shown = printable(ESCAPES)
    assert shown == (
        "\\x1b[2J\\x1b[1;1Hall is well\n19:00:01 INFO job paid done\\x00\\u202e\\udcff\\x9b5n\\r"
    )
    assert printable("größe\t語\n") == "größe\t語\n"
    assert on_one_line("one\ntwo") == "one\\ntwo"


def test_a_log_has_no_lines_that_others_have_made_up() -> None:
    formatter = _Lines("%(levelname)s %(message)s")
    record = logging.LogRecord("zmr", logging.INFO, "", 0, "job x: %s", (ESCAPES,), None)
    first, second = formatter.format(record).split("\n")
    assert first == "INFO job x: \\x1b[2J\\x1b[1;1Hall is well"
    assert second.startswith("    19:00:01 INFO job paid done")


def test_status_and_tail_have_a_line_for_each_thing() -> None:
    job = JobStatus("job-1", "job", "failed", 0, 1, 0, 1, ESCAPES)
    worker = WorkerStatus(ESCAPES, "alive", 1, 0)
    text = _text(Snapshot(1, "", (job,), (worker,), ()))
    assert len(text.split("\n")) == 2
    assert "\x1b" not in text
    line = _line(Published(1, 0.0, JobEvent("job-1", "failed", ESCAPES)))
    assert line.isprintable()
