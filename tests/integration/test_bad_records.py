"""Bad records with real processes: left out and saved, or kept in a capsule and replayed."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
from support import CHECKOUT, Zmr
from support.cluster import Cluster, output_of
from support.process import ZMR, Finished

JOBS = Path(__file__).resolve().parent.parent / "jobs"
FRAGILE = JOBS / "fragile.py"
BAD = {100: "!segfault", 555: "!exit", 700: "!raise", 701: "!hang"}

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def write_lines(folder: Path, bad: dict[int, str]) -> Path:
    path = folder / "lines.txt"
    lines = (f"word{n} common {bad.get(n, '')}\n" for n in range(1, 1001))
    path.write_text("".join(lines))
    return path


def run(zmr: Zmr, lines: Path, *args: str, out: str = "out") -> Finished:
    return zmr.run("run", FRAGILE, lines, "-o", out, "-r", "2", "-j", "2", *args)


def good_output(zmr: Zmr, bad: dict[int, str]) -> dict[str, bytes]:
    """The sequential answer without the bad lines."""
    lines = write_lines(zmr.folder, bad)
    good = zmr.folder / "good.txt"
    kept = [line for line in lines.read_text().splitlines(keepends=True) if "!" not in line]
    good.write_text("".join(kept))
    ended = run(zmr, good, "--engine", "inline", out="inline")
    assert ended.status == 0, ended.stderr
    return output_of(zmr.folder / "inline")


def failed_job(zmr: Zmr, bad: dict[int, str], *args: str) -> tuple[Finished, Path]:
    """Run a job that fails; how it ended, and the capsule that it says."""
    ended = run(zmr, write_lines(zmr.folder, bad), *args)
    assert ended.status == 1
    told = re.search(r"^zmr: to run that task alone: zmr replay (\S+)$", ended.stderr, re.MULTILINE)
    assert told is not None, ended.stderr
    return ended, Path(told[1])


def test_records_that_raise_kill_or_hang_are_left_out_and_saved(zmr: Zmr) -> None:
    expected = good_output(zmr, BAD)
    lines = write_lines(zmr.folder, BAD)

    ended = run(zmr, lines, "--skip-bad-records", "4", "--task-timeout", "1")

    assert ended.status == 5, ended.stderr
    out = zmr.folder / "out"
    output = output_of_files(out)
    assert output == expected
    saved = (out / "_skipped" / "map-0.jsonl").read_text()
    rows = [json.loads(line) for line in saved.splitlines()]
    assert [row["place"] for row in rows] == [f"{lines}, line {n}" for n in BAD]
    assert [row["record"].split()[-1] for row in rows] == list(BAD.values())
    assert "ValueError: no good" in rows[2]["traceback"]
    manifest = json.loads((out / "_SUCCESS").read_text())
    assert manifest["counters"] == {"records skipped": 4, "words": 2 * 996}
    assert "zmr: 4 bad records skipped: " in ended.stderr


def test_inline_leaves_out_the_same(zmr: Zmr) -> None:
    bad = {5: "!raise", 999: "!raise"}
    lines = write_lines(zmr.folder, bad)
    ends = [
        run(zmr, lines, "--skip-bad-records", "2", "--engine", engine, out=engine)
        for engine in ("inline", "local")
    ]
    assert [ended.status for ended in ends] == [5, 5]
    one, other = (output_of_files(zmr.folder / engine) for engine in ("inline", "local"))
    assert one == other
    saved = [zmr.folder / engine / "_skipped" / "map-0.jsonl" for engine in ("inline", "local")]
    assert saved[0].read_bytes() == saved[1].read_bytes()


def test_one_more_than_may_be_left_out_fails_the_job_at_once(zmr: Zmr) -> None:
    bad = dict.fromkeys((10, 20, 30), "!raise")
    ended, capsule = failed_job(zmr, bad, "--skip-bad-records", "2")
    assert re.search(r"failed 1 time, .*more than 2 bad records .*line 30\)$", ended.stderr, re.M)
    assert zmr.run("replay", capsule).status == 1


def test_a_cluster_says_the_same(zmr: Zmr, cluster: Cluster) -> None:
    # Given a worker, and a tail that listens from the beginning
    lines = write_lines(zmr.folder, {100: "!segfault"})
    cluster.start_master()
    tail = zmr.start("tail", cluster.address, "--from-start", "--json")
    cluster.start_worker()

    # When a job with a bad record is submitted
    submitted = cluster.submit(
        FRAGILE, lines, "-o", "out", "-r", "2", "--skip-bad-records", "1"
    ).finish()

    # Then its client has the exit status, and the events have the reason
    assert submitted.status == 5, submitted.stderr
    cluster.stop()
    assert tail.wait() == 0
    events = [json.loads(line) for line in tail.stdout.splitlines()]
    failures = [event["failure"] for event in events if "failure" in event]
    assert [failure.pop("peak_bytes") > 1_000_000 for failure in failures] == [True, True]
    assert failures == [{"reason": "slot died", "signal": signal.SIGSEGV, "record": 99}] * 2


OFFSETS = """
from zmr import Job, Lines, Count
import pyarrow as pa

class Of(Job):
    input = Lines(numbers=True)

    def check(self, number, line, n=1):
        right = number == int(line) + 1 and self.source.offset == 8 * int(line)
        self.count("right" if right else "wrong", n)

class OfRecords(Of):
    def map(self, record):
        self.check(*record)
        if record[0] % 100 == 7:
            raise ValueError(record)

class OfBatches(Of):
    reduce = Count()

    def map_batch(self, batch):
        lines = batch.column("line").to_pylist()
        self.check(batch.column("number")[0].as_py(), lines[0], len(lines))
        if any(int(line) % 100 == 6 for line in lines):
            raise ValueError(len(lines))
        return batch.column("line")
"""


@pytest.mark.parametrize("job", ["OfRecords", "OfBatches"])
@pytest.mark.parametrize("engine", ["local", "inline"])
def test_good_records_keep_their_places_beside_bad_ones(zmr: Zmr, job: str, engine: str) -> None:
    (zmr.folder / "offsets.py").write_text(OFFSETS)
    (zmr.folder / "lines").write_text("".join(f"{n:07}\n" for n in range(1000)))
    ended = zmr.run(
        *("run", f"offsets.py:{job}", "lines", "-o", "out", "--engine", engine),
        *("--skip-bad-records", "10"),
    )
    assert ended.status == 5, ended.stderr
    counters = json.loads((zmr.folder / "out" / "_SUCCESS").read_text())["counters"]
    # What a bad record has counted is undone, and so is what a batch with one has.
    assert counters == {"right": 990, "records skipped": 10}


NUMBERED = """
from zmr import Job, Lines

class Numbered(Job):
    input = Lines(numbers=True)

    def map(self, record):
        if record[1] == "bad":
            raise ValueError(f"{record[0]} at {self.source.offset}")
"""


def test_a_map_is_replayed_with_the_numbers_of_its_lines(zmr: Zmr) -> None:
    # Given a file that is cut, and a capsule that knows what is before the piece
    (zmr.folder / "numbered.py").write_text(NUMBERED)
    (zmr.folder / "lines.txt").write_text("123456789\n" * 1_800_000 + "bad\n")
    failed = zmr.run("run", "numbered.py", "lines.txt", "-o", "out")
    where = "ValueError: 1800001 at 18000000 "
    assert failed.status == 1
    assert where in failed.stderr
    (capsule,) = (zmr.folder / "out" / "_failed").iterdir()
    (piece,) = json.loads((capsule / "capsule.json").read_text())["inputs"]
    assert piece["offset"] > 10_000_000
    assert piece["lines_before"] == piece["offset"] // 10
    # When what was before it is gone, then they are still those of the file
    (zmr.folder / "lines.txt").unlink()
    (copy,) = capsule.glob("input-*")
    with open(copy, "r+b") as file:
        file.write(bytes(10_000_000))
    assert where in zmr.run("replay", capsule).stderr


def test_a_map_is_replayed_until_the_job_is_mended(zmr: Zmr) -> None:
    # Given a job of one's own that fails on a line
    job = zmr.folder / "job.py"
    shutil.copy(FRAGILE, job)
    lines = write_lines(zmr.folder, {700: "!raise"})
    failed = zmr.run("run", job, lines, "-o", "out", "-r", "2")
    assert failed.status == 1
    capsule = zmr.folder / "out" / "_failed" / "map-0"
    assert f"zmr replay {capsule}\n" in failed.stderr
    assert "ValueError: no good" in (capsule / "failure.txt").read_text()

    # When it is replayed, then it fails in the same place
    again = zmr.run("replay", capsule)
    assert (again.status, again.stdout) == (1, "")
    assert f"{job}, the same as when the task failed" in again.stderr
    assert re.search(r"line \d+, in map\n(.*\n)*ValueError: no good\n", again.stderr)
    assert f"ValueError: no good (in map, {lines}, line 700)\n" in again.stderr

    # When it is mended, even though the input is gone, then it passes
    job.write_text(job.read_text().replace('raise ValueError("no good")', "pass"))
    lines.unlink()
    mended = zmr.run("replay", capsule)
    assert mended.status == 0, mended.stderr
    assert "changed since the task failed" in mended.stderr
    pairs = mended.stdout.splitlines()
    assert len(pairs) == 2001
    assert {"'common'\t1", "'word700'\t1", "'!raise'\t1"} <= set(pairs)

    # With the code of then, it still fails
    assert zmr.run("replay", capsule, "--code", capsule / "job.py").status == 1

    # And the failed job's folder is free for the next try
    write_lines(zmr.folder, {700: "!raise"})
    assert zmr.run("run", job, lines, "-o", "out", "-r", "2").status == 0
    assert not (zmr.folder / "out" / "_failed").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_replay(zmr: Zmr, number: signal.Signals, status: int) -> None:
    # Given a capsule whose task hangs when it is replayed
    job = zmr.folder / "job.py"
    shutil.copy(FRAGILE, job)
    failed = zmr.run("run", job, write_lines(zmr.folder, {700: "!raise"}), "-o", "out")
    assert failed.status == 1
    hangs = 'print("here", flush=True)\n            while word == "!raise": pass'
    raises = '    raise ValueError("no good")'
    job.write_text(job.read_text().replace(raises, f"    pass\n            {hangs}"))
    replayed = zmr.start("replay", zmr.folder / "out" / "_failed" / "map-0", "--pdb")
    replayed.wait_for("here")

    # When it is told to end, then it does, which is no failure of the task
    replayed.send(number)
    assert replayed.wait() == status
    assert "Traceback" not in replayed.stderr
    assert " fails: " not in replayed.stderr


def test_a_reduce_is_replayed_with_its_part_of_all_maps(zmr: Zmr) -> None:
    _, capsule = failed_job(zmr, {}, "-p", "bad_key=common")
    assert capsule.name.startswith("reduce-")

    failed = zmr.run("replay", capsule)
    assert failed.status == 1
    assert "KeyError: 'common'" in failed.stderr
    assert "in reduce, key 'common'" in failed.stderr

    job = zmr.folder / "mended.py"
    job.write_text(FRAGILE.read_text().replace("raise KeyError(word)", "pass"))
    mended = zmr.run("replay", capsule, "--code", job, "-o", "pairs")
    assert mended.status == 0, mended.stderr
    pairs = (zmr.folder / "pairs").read_text().splitlines()
    assert "common\t1000" in pairs
    partition = capsule.name.removeprefix("reduce-")
    good = good_output(zmr, {})[f"mr-out-{partition}"]
    assert pairs == good.decode().splitlines()

    # One whose partition was too large for a copy does not pass without it
    about = json.loads((capsule / "capsule.json").read_text())
    (capsule / "capsule.json").write_text(json.dumps(about | {"partition": None}))
    refused = zmr.run("replay", capsule)
    assert (refused.status, refused.stdout) == (2, "")
    assert "too large for a copy" in refused.stderr


def test_who_asks_for_it_gets_a_reduces_failure_told_as_such(zmr: Zmr) -> None:
    args = ("-p", "bad_key=common", "--skip-bad-records", "5")
    ended, _ = failed_job(zmr, {}, *args)
    assert "--skip-bad-records is for records of map, not for keys of reduce" in ended.stderr


def test_what_kills_its_process_leaves_a_capsule_too(zmr: Zmr) -> None:
    ended, capsule = failed_job(zmr, {100: "!segfault"})
    assert "killed by SIGSEGV" in ended.stderr
    replayed = zmr.run("replay", capsule)
    assert replayed.status == -signal.SIGSEGV
    assert re.search(r'fragile\.py", line \d+ in map', replayed.stderr)
    # What it could not remove, the next one does
    assert zmr.run("run", "wordcount", zmr.folder / "lines.txt").status == 0


def test_the_debugger_starts_where_it_fails(zmr: Zmr) -> None:
    _, capsule = failed_job(zmr, {700: "!raise"}, "--max-attempts", "1")
    replayed = zmr.run(
        "-c", f"echo 'p word, line.split()[0]' | {shlex.join(ZMR)} replay {capsule} --pdb",
        program=("sh",),
    )  # fmt: skip
    assert replayed.status == 1
    assert "(Pdb) ('!raise', 'word700')" in replayed.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is no capsule: there is no "),
        ("{", "is no capsule: its capsule.json is damaged"),
        ('{"version": 99}', "a capsule of version 99"),
    ],
)
def test_what_is_no_capsule_is_refused(zmr: Zmr, content: str | None, said: str) -> None:
    folder = zmr.folder / "capsule"
    folder.mkdir()
    if content is not None:
        (folder / "capsule.json").write_text(content)
    ended = zmr.run("replay", folder)
    assert (ended.status, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def output_of_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("mr-out-*")}


def test_files_that_can_not_be_read_are_left_out_and_named(zmr: Zmr) -> None:
    inputs = zmr.folder / "in"
    inputs.mkdir()
    for number in range(3):
        packed = gzip.compress(b"a b a\n" * 1000)
        (inputs / f"{number}.gz").write_bytes(packed if number != 1 else packed[:-30])
    (inputs / "3.txt").write_bytes((b"\x7fELF" + bytes(60)) * 10)
    outputs = []
    for engine in ("local", "inline"):
        args = "run", "wordcount", inputs, "-r", "1", "--engine", engine, "-o", engine
        ended = zmr.run(*args, "--skip-bad-files", "2")
        assert ended.status == 5, ended.stderr
        assert "zmr: 2 bad files skipped: " in ended.stderr
        outputs.append((zmr.folder / engine / "mr-out-0").read_bytes())
        manifest = json.loads((zmr.folder / engine / "_SUCCESS").read_text())
        assert manifest["skipped_files"] == [str(inputs / "1.gz"), str(inputs / "3.txt")]
        assert manifest["counters"]["files skipped"] == 2
    assert outputs[0] == outputs[1] == b"a\t4000\nb\t2000\n"

    ended = zmr.run(*args[:-4], "-o", "none", "--skip-bad-files", "1")
    assert ended.status == 1
    assert "more than 1 bad file (--skip-bad-files), the last: " in ended.stderr


TWO_INPUTS = """
import zmr

class Two(zmr.Job):
    lines = zmr.Input()
    rows = zmr.Input(zmr.JsonLines())

    def map_lines(self, line):
        yield line, 1

    def map_rows(self, row):
        yield row["key"], 1

    reduce = zmr.Sum()
"""


@pytest.mark.parametrize("given", ["file", "object"])
def test_a_map_of_the_second_of_two_inputs_is_replayed_as_such(zmr: Zmr, given: str) -> None:
    (zmr.folder / "two.py").write_text(TWO_INPUTS)
    (zmr.folder / "lines").write_text("a\nb\n")
    (zmr.folder / "rows").write_text('{"key": "a"}\n{"kay": "b"}\n')
    folders = os.pathsep.join([str(zmr.folder), str(CHECKOUT)])
    env = {"PYTHONPATH": folders}
    command = ("run", "two.py", "rows=rows", "lines=lines", "-o", "out")
    if given == "object":
        call = "import zmr, two; zmr.run(two.Two, {'rows': 'rows', 'lines': 'lines'}, 'out')"
        failed = zmr.run("-c", call, program=(sys.executable,), env=env)
    else:
        failed = zmr.run(*command)
    assert failed.status == 1
    assert "KeyError: 'kay'" not in failed.stderr
    assert "KeyError: 'key'" in failed.stderr
    again = zmr.run("replay", "out/_failed/map-1", env=env)
    assert again.status == 1
    assert re.search(r"KeyError: 'key' \(in map, .*rows, line 2\)", again.stderr), again.stderr
