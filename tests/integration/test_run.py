"""`zmr run`: where its result and its words go, and what is left when it is stopped."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest
from support import CHECKOUT, Command, Zmr
from support.orders import Orders
from support.programs import ON_A_TERMINAL, in_shell
from support.terminal import Screen

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SLOW = f"{CHECKOUT / 'tests' / 'jobs' / 'odd.py'}:Slow"
SUMMARY = re.compile(
    r"wordcount: done in \d+\.\d\d s \(map \d+\.\d\d s, reduce \d+\.\d\d s\)\n"
    r"  in:  5 records, 29 B from 2 files\n"
    r"  out: 4 records, 21 B in 1 file(?P<where>.*)\n"
)
TEXTS = {"1.txt": "to be\nor not\nto be\n", "2.txt": "not\nto be\n"}
COUNTS = "be\t3\nnot\t2\nor\t1\nto\t3\n"


@pytest.fixture
def texts(zmr: Zmr) -> Path:
    folder = zmr.folder / "texts"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def many_words(zmr: Zmr) -> Path:
    """Return a file whose words, counted, are more than any pipe holds."""
    path = zmr.folder / "many.txt"
    path.write_text("\n".join(f"word-{number:06}" for number in range(20_000)))
    return path


# --- where things go ---------------------------------------------------------------------------


def test_the_result_goes_to_stdout_and_everything_else_to_stderr(zmr: Zmr, texts: Path) -> None:
    ended = zmr.run("run", "wordcount", texts, "-r", "1")
    assert (ended.status, ended.stdout) == (0, COUNTS)
    progress = "map: 0 of 2 tasks done\nreduce: 0 of 1 tasks done\n"
    assert ended.stderr.startswith(progress)
    assert (summary := SUMMARY.fullmatch(ended.stderr.removeprefix(progress))), ended.stderr
    assert summary["where"] == ""


@pytest.mark.parametrize("engine", ["local", "inline"])
def test_standard_input_is_an_input_among_others(zmr: Zmr, texts: Path, engine: str) -> None:
    piped = in_shell('cat texts/2.txt | "$@"')
    args = ("run", "wordcount", "-r", "1", "--engine", engine)
    ended = zmr.run(*args, texts / "1.txt", "-", program=piped)
    assert (ended.status, ended.stdout) == (0, COUNTS)
    ended = zmr.run(*args, "-", "-", program=piped)
    assert (ended.status, ended.stderr) == (2, "zmr: standard input (-) can be read only once\n")


def test_with_a_folder_the_result_goes_there_and_verbose_tells_the_steps(
    zmr: Zmr, texts: Path
) -> None:
    ended = zmr.run("run", "wordcount", texts, "-r", "1", "-o", "a/b/out", "-v")
    out = zmr.folder / "a" / "b" / "out"
    assert (ended.status, ended.stdout) == (0, "")
    assert (summary := SUMMARY.search(ended.stderr)), ended.stderr
    assert summary["where"] == f": {out}"
    assert re.search(r"INFO job wordcount-\w+: all of 2 map tasks complete\n", ended.stderr)
    assert (out / "mr-out-0").read_text() == COUNTS
    manifest = json.loads((out / "_SUCCESS").read_text())
    assert manifest["stats"]["records_out"] == 4
    assert [file["name"] for file in manifest["files"]] == ["mr-out-0"]


def test_options_from_the_environment(zmr: Zmr, texts: Path) -> None:
    # Given a value with spaces, and another option that the command line overrides
    env = {
        "ZMR_PARAM": "pattern=to be\nignore_case=yes",
        "ZMR_REDUCERS": "3",
        "ZMR_OUTPUT": "out",
        "ZMR_QUIET": "1",
        "ZMR_SLOTS": "none",
    }
    ended = zmr.run("run", "grep", texts, "-j", "1", env=env)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "", "")
    files = sorted((zmr.folder / "out").glob("mr-out-*"))
    assert len(files) == 3
    assert "".join(file.read_text() for file in files) == "to be\t3\n"


# --- stdout and stderr that are full, closed, or no longer read --------------------------------


def test_a_reader_that_has_had_enough(zmr: Zmr, many_words: Path) -> None:
    piped = in_shell('{ "$@"; echo "status $?" >&2; } | head -n 1')
    ended = zmr.run("run", "wordcount", many_words, "-r", "1", program=piped)
    assert (ended.status, ended.stdout) == (0, "word-000000\t1\n")
    last = ended.stderr.splitlines()[-1]
    assert last == f"status {128 + signal.SIGPIPE}", ended.stderr
    assert "wordcount: done in" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_log_that_nobody_reads_does_not_end_the_job(zmr: Zmr, texts: Path) -> None:
    deaf = in_shell('"$@" 2>&1 >&3 3>&- | true; } 3>&1; {')
    deaf = in_shell('{ { "$@"; echo "status $?" >&3; } 2>&1 >&4 | true; } 3>&2 4>&1')
    ended = zmr.run("run", "wordcount", texts, "-r", "1", "-v", program=deaf)
    assert (ended.stdout, ended.stderr) == (COUNTS, "status 0\n")


def test_streams_that_are_closed(zmr: Zmr, texts: Path) -> None:
    closed = in_shell('"$@" <&- >&- 2>&-')
    ended = zmr.run("run", "wordcount", texts, "-o", "out", "-r", "1", program=closed)
    assert (ended.status, ended.stdout, ended.stderr) == (0, "", "")
    assert (zmr.folder / "out" / "mr-out-0").read_text() == COUNTS


@pytest.mark.parametrize("args", [("run", "wordcount", "texts"), ("run", "--help")])
def test_a_full_disk_at_stdout(zmr: Zmr, texts: Path, args: tuple[str, ...]) -> None:
    ended = zmr.run(*args, program=in_shell('"$@" >/dev/full'))
    assert ended.status == 1
    assert ended.stderr.endswith("zmr: can't write to stdout: No space left on device\n")
    assert "Traceback" not in ended.stderr


# --- on a terminal -----------------------------------------------------------------------------


def test_a_bar_shows_progress_and_leaves_a_clean_screen(zmr: Zmr, texts: Path) -> None:
    # Given a job that takes a while, and says something while the bar is there
    job = ("run", SLOW, texts, "-p", "seconds=0.2", "-p", "fails_at=not", "-j", "1", "-o", "out")

    ended = zmr.run(*job, program=ON_A_TERMINAL, env={"TERM": "xterm", "NO_COLOR": "1"})

    # Then the bars of both phases moved, in place
    assert ended.status == 0, ended.stdout
    bar = ended.stdout.index(" 1/2 ")
    assert re.search(r"   map ━+[ ━╸╺]+ 1/2 .*\r\nreduce [ ━╸╺]+ 0/1 ", ended.stdout)
    assert bar < ended.stdout.index("WARNING") < ended.stdout.index(" 2/2 ")
    # And in the end there is what was said, whole, and nothing of the bars
    screen = Screen(ended.stdout)
    assert screen.cursor_is_visible
    failure = (
        r"\S+ WARNING map 1, attempt 3 is complete, after one that failed:\s+ValueError: the(.*\n)+"
    )
    summary = r"Slow: done in .*\n  in:  5 records.*\n  out: 3 records.*"
    assert re.fullmatch(failure + summary, "\n".join(screen.lines)), screen.lines


# --- signals -----------------------------------------------------------------------------------


def held(zmr: Zmr, orders: Orders, *args: str) -> Command:
    """Start a job, and wait until both of its maps are held in the middle."""
    texts = zmr.folder / "texts"
    for name in TEXTS:
        orders.hold(f"map {name}")
    run = zmr.start("run", *orders.job, texts, "-j", "2", "-o", "out", *args)
    run.wait_for("hold at map", count=2)
    return run


@pytest.fixture
def orders(zmr: Zmr) -> Orders:
    return Orders(zmr.folder / "orders")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_running_tasks_finish(
    zmr: Zmr, texts: Path, orders: Orders, number: signal.Signals
) -> None:
    run = held(zmr, orders)
    run.send(number)
    run.wait_for(rf"{number.name}: waiting for 2 running tasks; once more stops at once")
    orders.go_on()
    assert run.wait() == 128 + number
    assert run.stderr.endswith(f"\nzmr: Obedient cancelled: stopped by {number.name}\n")
    assert orders.maps == {"1.txt": 1, "2.txt": 1}
    assert [path.name for path in (zmr.folder / "out").iterdir()] == ["_logs"]


def test_the_second_signal_stops_at_once(zmr: Zmr, texts: Path, orders: Orders) -> None:
    run = held(zmr, orders)
    run.send(signal.SIGINT)
    run.wait_for("once more stops at once")
    run.send(signal.SIGTERM)
    assert run.wait() == 128 + signal.SIGTERM
    assert run.stderr.endswith("\nzmr: Obedient cancelled: stopped by SIGTERM\n")
    assert "Traceback" not in run.stderr


def test_a_terminal_that_goes_away_ends_the_job(zmr: Zmr, texts: Path, orders: Orders) -> None:
    run = held(zmr, orders)
    run.send(signal.SIGHUP)
    assert run.wait() == 128 + signal.SIGHUP
    assert "Traceback" not in run.stderr


def test_a_signal_before_the_job_begins(zmr: Zmr, texts: Path) -> None:
    # Given a job file that takes its time, so that the command is known to be at it
    (zmr.folder / "slow.py").write_text(
        "import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    runs = {
        number: zmr.start("run", "slow.py", texts) for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number, run in runs.items():
        run.wait_for("loading")

        # When a signal comes
        run.send(number)

        # Then there is nothing to wait for, and nothing to say
        assert run.wait() == 128 + number
        assert run.stderr.strip() == "loading"


def test_a_process_that_is_killed_takes_its_slots_along(
    zmr: Zmr, texts: Path, orders: Orders
) -> None:
    orders.hold("map 1.txt")
    run = zmr.start("run", *orders.job, texts)
    run.wait_for("hold at map")
    run.send(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert len(list(zmr.temporary.iterdir())) == 2
    # What it could not remove, the next one does
    again = zmr.run("run", "wordcount", texts, "-r", "1")
    assert (again.status, again.stdout) == (0, COUNTS)


LOGS = """
from zmr import Job

class Logs(Job):
    def setup(self):
        self.log.debug("not shown")

    def map(self, line):
        self.log.warning("line %r of %s", line, type(self).__name__)
        try:
            int(line)
        except ValueError:
            self.log.exception("no number")
        yield line, 1

    def reduce(self, key, values):
        self.log.info(key)
        yield key, sum(values)
"""


@pytest.mark.parametrize("engine", ["local", "inline"])
def test_what_a_job_logs_is_shown_with_its_level_and_kept(zmr: Zmr, engine: str) -> None:
    (zmr.folder / "logs.py").write_text(LOGS)
    (zmr.folder / "in").write_text("x\n")
    ended = zmr.run("run", "logs.py", "in", "-o", "out", "-r", "1", "--engine", engine)
    assert ended.status == 0, ended.stderr
    shown = ended.stderr.splitlines()
    expected = ["WARNING line 'x' of Logs", "ERROR no number", "INFO x"]
    found = [each for each in shown if any(each.endswith(line) for line in expected)]
    if engine == "inline":
        assert found == expected
        return
    tasks = ["map 0", "map 0", "reduce 0"]
    for each, task, line in zip(found, tasks, expected, strict=True):
        assert each.endswith(f" {task}: {line}")
    of_map, of_reduce = sorted((zmr.folder / "out" / "_logs").iterdir())
    kept = of_map.read_text().splitlines()
    assert kept[:3] == [*expected[:2], "Traceback (most recent call last):"]
    assert kept[-1].startswith("ValueError: invalid literal")
    assert of_reduce.read_text() == "INFO x\n"
