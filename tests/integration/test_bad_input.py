"""What bad input gets: refused at once where it can be known, survived where it can't."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import CHECKOUT, Finished, Zmr
from support.process import ZMR, Argument
from support.programs import WITHOUT_PRIVILEGES, in_shell, with_files_of_at_most

from zmr.engines.inline import run_inline
from zmr.engines.options import JobOptions
from zmr.engines.prepare import prepare

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

JOBS = CHECKOUT / "tests" / "jobs"
MISBEHAVING = JOBS / "misbehaving.py"
RETURNS = """\
from zmr import Job

class Returns(Job):
    def map(self, line):
        yield line, 1

    def reduce(self, key, values):
        return key, sum(values)

class NoPair(Returns):
    def map(self, line):
        yield "one"
"""
HERE = rf"{re.escape(os.uname().nodename)}:\d+"

TEXTS = {"1.txt": "good\nlines\n", "2.txt": "more\n", "3.txt": "good\n"}
COUNTS = ["good\t2", "lines\t1", "more\t1"]

Case = tuple[Sequence[Argument], str]  # arguments of `zmr run`, what has to be said


@pytest.fixture
def texts(zmr: Zmr) -> Path:
    return write_all(zmr.folder / "texts", TEXTS)


def write_all(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return folder


def refused(
    zmr: Zmr, *cases: Case, program: Sequence[Argument] = ZMR, engine: str = "local"
) -> None:
    """Each is refused as it is given: exit 2, one line that says why, and nothing was started.

    What is checked then is the same for both engines, of which inline costs less to start.
    """
    started = [
        (zmr.start("run", *args, "--engine", engine, program=program), wanted)
        for args, wanted in cases
    ]
    for command, wanted in started:
        ended = command.finish()
        assert ended.status == 2, ended
        assert re.search(wanted, ended.stderr), ended
        assert ended.stdout == ""
        usage = r"Usage: .*\n(Try .*\n\n)Error: .*\n"
        assert re.fullmatch(rf"zmr: .*\n|{usage}", ended.stderr), ended


def misbehave(zmr: Zmr, texts: Path, how: str, *args: Argument, place: str = "map") -> Finished:
    """Run the job over the texts and one with a second line "!how"."""
    (texts / "bad.txt").write_text(f"good\n!{how}\n")
    return zmr.run("run", MISBEHAVING, texts, "-p", f"place={place}", "-r", "1", *args)


# --- known before anything starts --------------------------------------------------------------


def test_an_input_that_cannot_be_read(zmr: Zmr, texts: Path) -> None:
    os.mkfifo(texts / "fifo")
    loop = write_all(zmr.folder / "loop", {})
    (loop / "back").symlink_to(loop)
    odd = zmr.folder / os.fsdecode(b"odd\xff.txt")
    odd.touch()
    refused(
        zmr,
        (("wordcount", "nowhere.txt"), r"nowhere\.txt: No such file or directory"),
        (("wordcount", loop), r"loop/back: a link that leads back"),
        (("wordcount", "/dev/null"), "/dev/null: neither a regular file nor a folder"),
        (("wordcount", odd), r"odd\\xff\.txt.* is not UTF-8"),
        (("wordcount", ""), "empty"),
        (
            ("wordcount", "one.txt", texts, "two.txt", loop),
            r"one\.txt: No such .*fifo: neither .*two\.txt: No such .*loop/back: a link",
        ),
        engine="inline",
    )  # fmt: skip


def test_an_input_without_permission_to_read_it(zmr: Zmr, texts: Path) -> None:
    (texts / "2.txt").chmod(0)
    (texts / "closed").mkdir(0)
    refused(
        zmr,
        (("wordcount", texts / "2.txt"), r"texts/2\.txt: Permission denied"),
        (("wordcount", texts), r"2\.txt: Perm.*closed: Perm|closed: Perm.*2\.txt: Perm"),
        program=WITHOUT_PRIVILEGES,
    )
    (texts / "closed").chmod(0o700)


def test_a_job_that_cannot_be_loaded(zmr: Zmr, texts: Path) -> None:
    jobs = write_all(
        zmr.folder / "jobs",
        {
            "syntax.py": "\n\ndef map(:\n",
            "imports.py": "import no_such_module\n",
            "raises.py": "def fail():\n    1 / 0\nfail()\n",
            "null.py": "x = '\0'\n",
            "two.py": "from zmr import Job\nclass A(Job): pass\nclass B(Job): pass\n",
            "no_map.py": "from zmr import Job\nclass A(Job):\n    reduce = max\n",
        },
    )  # fmt: skip
    refused(
        zmr,
        ((jobs / "syntax.py", texts), r"syntax\.py, line 3: SyntaxError: "),
        ((jobs / "imports.py", texts), r"imports\.py, line 1: .* No module named 'no_such_module'"),
        ((jobs / "null.py", texts), r"null\.py: SyntaxError: .*null bytes"),
        ((jobs / "raises.py", texts), r"raises\.py, line 2: ZeroDivisionError: "),
        ((jobs / "two.py:C", texts), r"two\.py has no job 'C'; it has A, B"),
        ((jobs / "no_map.py", texts), r"A has no map: write a method map\(self, record\)"),
        ((jobs / "nowhere.py", texts), r"job file .*nowhere\.py: No such file or directory"),
        (
            ("wordcout", texts),
            r"no built-in job 'wordcout' \(there are wordcount, grep, index, sort\)",
        ),
        (("no.such:Job", texts), r"no module 'no' in "),
        engine="inline",
    )


def test_parameters_that_the_job_does_not_take(zmr: Zmr, texts: Path) -> None:
    grep = ("grep", texts, "-p")
    refused(
        zmr,
        (("grep", texts), r"needs the parameter pattern: Pattern \(give -p pattern=VALUE\)"),
        ((*grep, "patern=x"), r"no parameter 'patern' \(did you mean 'pattern'\?\); it has: patt"),
        ((*grep, "pattern=x", "-p", "ignore_case=maybe"), "'ignore_case' .* bool .* not 'maybe'"),
        ((*grep, "pattern"), "'pattern': write NAME=VALUE"),
        engine="inline",
    )


def test_an_output_folder_that_cannot_be_used(zmr: Zmr, texts: Path) -> None:
    full = write_all(zmr.folder / "full", {"mine.txt": "kept"})
    (zmr.folder / "locked").mkdir(0o500)
    refused(
        zmr,
        (("wordcount", texts, "-o", full), "full is not empty: name another, or give --overwrite"),
        (("wordcount", texts / "1.txt", "-o", texts, "--overwrite"), "holds the input"),
        (("wordcount", texts, "-o", texts / "out"), "lies in the input"),
        (("wordcount", texts, "-o", full / "mine.txt"), "mine.txt is a file: name another"),
        (("wordcount", texts, "-o", ""), "empty"),
        engine="inline",
    )
    refused(
        zmr,
        (("wordcount", texts, "-o", "locked"), "can't write to .*locked: Permission denied"),
        program=WITHOUT_PRIVILEGES,
    )
    assert (full / "mine.txt").read_text() == "kept"
    assert sorted(os.listdir(texts)) == sorted(TEXTS)


def test_values_that_mean_nothing(zmr: Zmr, texts: Path) -> None:
    count = ("wordcount", texts)
    refused(
        zmr,
        ((*count, "-j", "0"), "'--slots': 0 is not in the range"),
        ((*count, "--memory", "abc"), "'abc' is no size: write something like 512M"),
        ((*count, "--memory", "5M"), "'5M' is too little: at least 40M"),
        ((*count, "--task-timeout", "nan"), "nan is no time in seconds"),
        ((*count, "--local-dir", texts / "1.txt"), "can't keep temporary files in .*1.txt: "),
        (("wordcount",), "Missing argument 'INPUT...'"),
    )


def test_a_current_folder_that_is_gone(zmr: Zmr) -> None:
    gone = in_shell('mkdir gone; cd gone; rmdir ../gone; exec "$@"')
    refused(zmr, (("wordcount", "texts"), "the current folder is gone"), program=gone)


def test_overwriting_replaces_what_zmr_wrote_and_nothing_else(zmr: Zmr, texts: Path) -> None:
    # Given the output of an earlier job with more partitions, and a file of somebody else's
    out = write_all(zmr.folder / "out", {"mine.txt": "kept", "mr-out-7": "old", "_SUCCESS": "{}"})

    # When the folder is used again
    ended = zmr.run("run", "wordcount", texts, "-o", out, "-r", "2", "--overwrite")

    # Then nothing of the old output is left among the new
    assert ended.status == 0, ended.stderr
    assert sorted(os.listdir(out)) == ["_SUCCESS", "mine.txt", "mr-out-0", "mr-out-1"]
    assert (out / "mine.txt").read_text() == "kept"


# --- text of all kinds -------------------------------------------------------------------------


def both_engines(zmr: Zmr, job: Argument, texts: Path) -> tuple[dict[str, str], Finished]:
    """Run it for real, and inline in this process; both must agree.

    Returns the lines, by key, and the run.
    """
    options = JobOptions(os.fspath(job), (str(texts),), str(zmr.folder / "inline"), 2)
    prepared = prepare(options, claims_output=False)
    run_inline(prepared)
    ended = zmr.run("run", job, texts, "-o", "local", "-r", "2")
    assert ended.status == 0, ended.stderr
    wanted, output = (
        [path.read_bytes() for path in sorted((zmr.folder / engine).glob("mr-out-*"))]
        for engine in ("inline", "local")
    )
    assert output == wanted
    lines = b"".join(output).decode().split("\n")
    assert lines.pop() == ""
    return dict(line.split("\t") for line in lines), ended


def test_text_of_every_kind_is_counted(zmr: Zmr) -> None:
    texts = zmr.folder / "texts"
    texts.mkdir()
    (texts / "empty.txt").write_bytes(b"")
    (texts / "blank.txt").write_bytes(b"\n\n\r\n   \n")
    (texts / "windows.txt").write_bytes(b"carriage return\r\nnot twice\r\n")
    (texts / "latin1.txt").write_bytes("café\ncafé naïve\n".encode("latin-1"))
    (texts / "unicode.txt").write_bytes("語 語 😀 ﬀ no\u00a0break".encode())
    (texts / "long.txt").write_bytes(b"long line " * 500_000)

    counts, ended = both_engines(zmr, "wordcount", texts)

    assert counts == {
        "carriage": "1", "return": "1", "not": "1", "twice": "1",
        "caf\ufffd": "2", "na\ufffdve": "1",
        "語": "2", "😀": "1", "ﬀ": "1", "no": "1", "break": "1",
        "long": "500000", "line": "500000",
    }  # fmt: skip
    assert "invalid UTF-8 sequences: 3\n" in ended.stderr


def test_keys_with_characters_that_mean_something_to_others(zmr: Zmr) -> None:
    keys = [r'"a\tb"', r'"a\nb"', r'"a\r\nb"', r'"\"\";\",\""', r'"\\t"', '""', '"␉"', '"é"']
    texts = write_all(zmr.folder / "texts", {"1": "\n".join(keys), "2": "\n".join(keys[::-1])})

    counts, _ = both_engines(zmr, f"{JOBS / 'odd.py'}:JsonKeys", texts)

    written = ["a␉b", "a␊b", "a␍␊b", '"";","', "\\t", "", "␛␉", "é"]
    assert counts == dict.fromkeys(written, "2")


def test_nothing_to_read(zmr: Zmr) -> None:
    (zmr.folder / "none").mkdir()
    counts, ended = both_engines(zmr, "wordcount", zmr.folder / "none")
    assert counts == {}
    assert "0 records, 0 B from 0 files" in ended.stderr
    assert (zmr.folder / "local" / "_SUCCESS").exists()


# --- code that fails ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("setup", "in setup"),
        ("map", r"in map, \S*texts/bad\.txt, line 2"),
        ("combine", "in combine, key '!raise'"),
        ("reduce", "in reduce, key '!raise'"),
    ],
)
def test_code_that_raises(zmr: Zmr, texts: Path, place: str, where: str) -> None:
    ended = misbehave(zmr, texts, "raise", place=place)

    assert (ended.status, ended.stdout) == (1, "")
    # It is tried twice, and told once, with the job's end
    said = rf"ValueError: no good \({where}\)"
    assert len(re.findall(said, ended.stderr)) == 1, ended.stderr
    trace = rf'\nTraceback .*\n  File "\S*misbehaving\.py", line \d+, in {place}\n(.*\n)*'
    assert re.search(rf"{trace}ValueError: no good\nzmr: ", ended.stderr), ended.stderr
    end = rf"\nzmr: Misbehaving failed: .* failed twice with the same error, .*{HERE}: {said}\n$"
    assert re.search(end, ended.stderr), ended.stderr


def test_code_that_raises_inline(zmr: Zmr, texts: Path) -> None:
    ended = misbehave(zmr, texts, "raise", "--engine", "inline")
    assert (ended.status, ended.stdout) == (1, "")
    trace = r'Traceback .*\n  File "\S*misbehaving\.py", line \d+, in map\n(.*\n)*'
    end = r"ValueError: no good\nzmr: Misbehaving failed: ValueError: no good"
    assert re.fullmatch(trace + end + r" \(in map, \S+, line 2\)\n", ended.stderr), ended.stderr


@pytest.mark.parametrize("engine", ["local", "inline"])
@pytest.mark.parametrize("job", ["Returns", "NoPair"])
def test_what_is_no_pair_is_told_without_a_traceback(
    zmr: Zmr, texts: Path, job: str, engine: str
) -> None:
    (zmr.folder / "returns.py").write_text(RETURNS)
    ended = zmr.run("run", f"returns.py:{job}", texts, "-o", "out", "--engine", engine)
    assert (ended.status, ended.stdout) == (1, "")
    said = rf"zmr: {job} failed: .*not a \(key, value\) pair: .*; a pair is a tuple or list"
    assert re.search(said, ended.stderr), ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_happens_once_costs_one_attempt_and_no_more(zmr: Zmr, texts: Path) -> None:
    # Given texts at which the slot fails or dies in as many ways as there are, the first time
    reasons = {
        "raise": "ValueError: no good",
        "not-a-pair": r"not a \(key, value\) pair.*, line 2",
        "int-key": r"keys of a job must be of one type.* \(in map",
        "sys.exit": "SystemExit: enough",
        "interrupt": "KeyboardInterrupt",
        "os._exit": "exited with status 7",
        "segfault": "killed by SIGSEGV",
        "hang": r"no progress for 1 s \(--task-timeout\)",
        "fill-memory": r"killed by SIGKILL for using more than its 105 MB .*\(--memory\)",
    }
    for way in reasons:
        (texts / f"{way}.txt").write_text(f"good\n!{way}\n")
    (zmr.folder / "once").mkdir()
    limits = ("--task-timeout", "1", "--memory", "100M", "-j", "2", "-r", "1")

    # When they are counted
    ended = zmr.run("run", MISBEHAVING, texts, "-p", "once=once", *limits)

    # Then all are, each failure has its reason told, if only in the end, and no other task failed
    assert ended.status == 0, ended.stderr
    ways = [f"!{way}\t1" for way in sorted(reasons)]
    assert ended.stdout.splitlines() == [*ways, f"good\t{len(ways) + 2}", *COUNTS[1:]]
    told = r"^.*attempt .* (?:failed on|is complete, after one that failed).*$"
    failures = re.findall(told, ended.stderr, flags=re.MULTILINE)
    # Of pairs that are odd once, a task that looks at them again sees nothing.
    odd = {reasons.pop("not-a-pair"), reasons.pop("int-key")}
    n_odd = sum(re.search(reason, failure) is not None for reason in odd for failure in failures)
    assert len(failures) == len(reasons) + n_odd <= len(reasons) + 2
    for reason in reasons.values():
        told = rf"(?:failed on {HERE} \(1 of 4\)|complete, after one that failed): .*{reason}"
        assert any(re.search(told, failure) for failure in failures), ended.stderr


@pytest.mark.parametrize(
    ("how", "place", "reason"),
    [
        ("unpicklable", "combine", "PickleError: .*not for the road"),
        ("not-a-pair", "reduce", r"not a \(key, value\) pair: 5"),
    ],
)
def test_pairs_that_cannot_be(zmr: Zmr, texts: Path, how: str, place: str, reason: str) -> None:
    ended = misbehave(zmr, texts, how, "--max-attempts", "1", place=place)
    assert (ended.status, ended.stdout) == (1, "")
    assert re.search(rf"\nzmr: Misbehaving failed: .*{reason}", ended.stderr), ended.stderr


def test_reducing_all_to_nothing(zmr: Zmr, texts: Path) -> None:
    counts, _ = both_engines(zmr, f"{JOBS / 'odd.py'}:Nothing", texts)
    assert counts == {}


def test_what_code_does_with_stdin_and_stdout_and_leaves_running(zmr: Zmr, texts: Path) -> None:
    # Given code that reads what nobody wrote, prints, and leaves processes behind
    (texts / "bad.txt").write_text("!read-stdin\n!speak\n!leave-children\n")
    given = ("run", MISBEHAVING, texts, "-r", "1")

    ended = zmr.run(*given, program=in_shell('echo not for you | "$@"'))

    # Then stdin is empty for it, what it prints is no part of the result, and the processes end
    assert ended.status == 0, ended.stderr
    said = ["!leave-children\t1", "!read-stdin\t1", "!speak\t1", *COUNTS, "stdin=''\t1"]
    assert ended.stdout.splitlines() == said
    assert "said on stdout\n" in ended.stderr
    assert "written to 1\n" in ended.stderr
    assert zmr.processes() == {}


# --- a machine that fails ----------------------------------------------------------------------


def test_an_input_that_vanishes_before_it_is_read(zmr: Zmr, texts: Path) -> None:
    job = f"{JOBS / 'odd.py'}:Vanishing"
    ended = zmr.run("run", job, texts, "-j", "1", "--max-attempts", "2")
    assert (ended.status, ended.stdout) == (1, "")
    gone = r"No such file or directory \(reading \S*texts/\d\.txt\)"
    assert re.search(rf"\nzmr: Vanishing failed: .* 2 times, .*{HERE}: {gone}\n", ended.stderr)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("place", "doing"),
    [("combine", r"writing map output to \S+"), ("reduce", r"writing the output to \S*/out")],
)
def test_a_full_disk(zmr: Zmr, texts: Path, place: str, doing: str) -> None:
    (texts / "bad.txt").write_text("!long-value\n")
    given = ("run", MISBEHAVING, texts, "-p", f"place={place}", "-o", "out")
    full = with_files_of_at_most(500_000)

    ended = zmr.run(*given, "--max-attempts", "1", program=full)

    assert ended.status == 1
    assert re.search(rf"\nzmr: Misbehaving failed: .*: File too large \({doing}\)\n", ended.stderr)
    assert "Traceback" not in ended.stderr
    assert not (zmr.folder / "out" / "_SUCCESS").exists()


def test_no_room_for_anything_at_all(zmr: Zmr, texts: Path) -> None:
    wanted = r"can't keep temporary files: .*\(choose a folder with --local-dir\)"
    refused(zmr, (("wordcount", texts), wanted), program=with_files_of_at_most(0))


def test_more_slots_than_can_be_started(zmr: Zmr, texts: Path) -> None:
    for number in range(30):
        (texts / f"more{number}.txt").touch()
    limited = in_shell('ulimit -n 26; exec "$@"')
    ended = zmr.run("run", "wordcount", texts, "-j", "30", program=limited)
    assert ended.status == 1
    assert re.search(r"\nzmr: slot \d+ can't start: Too many open files", ended.stderr)
    assert "Traceback" not in ended.stderr
