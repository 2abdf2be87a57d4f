"""Pipelines in real processes: one command, and one job to whoever looks."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from support import Zmr
from support.cluster import Cluster, output_of, reserved_port
from support.orders import JOBS
from support.process import Argument

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

N_REDUCE = 3
IN_STEP_2 = r"step 2 of 2: reduce: 0 of 2 tasks done"


class Notes:
    """What the pipeline is asked for, what it did, and what it is to put out."""

    def __init__(self, zmr: Zmr, texts: Path) -> None:
        self.folder = zmr.folder / "notes"
        self.folder.mkdir()
        words = Counter(word for text in texts.iterdir() for word in text.read_text().split())
        self.n_words = len(words)
        by_count: dict[int, list[str]] = {}
        for word, n in words.items():
            by_count.setdefault(n, []).append(word)
        self.calls = Counter(f"map {text.name}" for text in texts.iterdir())
        self.calls.update(f"reduce {word}" for word in words)
        self.calls.update(f"reduce {n}" for n in by_count)
        self._held = self.folder / f"hold reduce {max(by_count)}"
        self.wanted = {n: sorted(same) for n, same in by_count.items()}
        self.job: list[Argument] = [JOBS / "steps.py", texts, "-r", str(N_REDUCE)]
        self.job += ["-p", f"notes={self.folder}", "-p", "takes_s=0", "--task-timeout", "60"]

    def hold(self) -> None:
        """Have a reduce of the second step not return, until `go_on`."""
        self._held.touch()

    def go_on(self) -> None:
        self._held.unlink()

    @property
    def begun(self) -> Counter[str]:
        return Counter((self.folder / "begun").read_text().splitlines())

    def check(self, out: Path) -> None:
        lines = b"".join(output_of(out).values()).decode().splitlines()
        pairs = (line.split("\t") for line in lines)
        assert {int(n): json.loads(words) for n, words in pairs} == self.wanted
        manifest = json.loads((out / "_SUCCESS").read_text())
        assert manifest["job"] == "Steps"
        assert manifest["counters"] == {"words": self.n_words}
        records = [
            (step["job"], step["stats"]["records_in"], step["stats"]["records_out"])
            for step in manifest["steps"]
        ]
        assert records == [
            ("Steady", 5, self.n_words),
            ("ByCount", self.n_words, len(self.wanted)),
        ]


@pytest.fixture
def notes(zmr: Zmr, texts: Path) -> Notes:
    return Notes(zmr, texts)


def test_a_pipeline_runs_like_a_job_and_tells_of_each_step(zmr: Zmr, notes: Notes) -> None:
    out, inline = zmr.folder / "out", zmr.folder / "inline"
    ended = zmr.run("run", *notes.job, "-o", out, "-j", "2")
    assert ended.status == 0, ended.stderr
    assert notes.begun == notes.calls
    for phase in ("step 1 of 2: map: 0 of 5 ", "step 2 of 2: map: 0 of 3 ", IN_STEP_2):
        assert phase in ended.stderr
    summary = ended.stderr[ended.stderr.index("Steps: done in") :]
    assert re.search(
        rf"\n  step 1, Steady: 5 records in, {notes.n_words} records out, [\d.]+ s\n"
        rf"  step 2, ByCount: {notes.n_words} records in, \d+ records out, [\d.]+ s\n"
        rf"    words: {notes.n_words}\n$",
        summary,
    )
    notes.check(out)
    assert zmr.run("run", *notes.job, "-o", inline, "--engine", "inline").status == 0
    assert output_of(out) == output_of(inline)


@pytest.mark.parametrize("engine", ["local", "inline"])
def test_what_fails_is_told_with_its_step(zmr: Zmr, notes: Notes, engine: str) -> None:
    ended = zmr.run("run", *notes.job, "-p", "fails=yes", "-o", "out", "--engine", engine)
    assert ended.status == 1
    assert re.search(
        r"^zmr: Steps failed: (in )?step 2 of 2, ByCount: ", ended.stderr, re.MULTILINE
    )
    assert "ValueError: not " in ended.stderr
    if engine == "local":
        assert re.search(r"\(in map, \S+mr-out-\d, pair 1, key '.*'\)\n", ended.stderr)
    assert "replay" not in ended.stderr  # tasks of pipelines leave nothing for it
    assert not any((zmr.folder / "out").glob("*"))


MAP_ONLY = """\
import pyarrow.compute as pc
from zmr import Job
class Long(Job):
    def map(self, line):
        if line:
            yield line[:30], len(line)
class LongBatches(Job):
    def map_batch(self, lines):
        lines = lines.filter(pc.not_equal(lines, ""))
        return pc.utf8_slice_codeunits(lines, 0, 30), pc.utf8_length(lines)
"""


def test_a_job_without_reduce_puts_out_what_map_yields_in_order(zmr: Zmr, texts: Path) -> None:
    (zmr.folder / "long.py").write_text(MAP_ONLY)
    lines = [line for text in sorted(texts.iterdir()) for line in text.read_text().splitlines()]
    wanted = "".join(f"{line[:30]}\t{len(line)}\n" for line in lines if line)
    for job in ("long.py:Long", "long.py:LongBatches"):
        for engine in ("local", "inline"):
            ended = zmr.run("run", job, texts, "--engine", engine, "-r", "3")
            assert (ended.status, ended.stdout) == (0, wanted), ended.stderr


def test_a_pipeline_that_can_not_be_is_refused(zmr: Zmr, texts: Path) -> None:
    for steps, told in {
        "[]": "Bad has no steps",
        "[3]": "step 1 of Bad must be a job, not 3",
    }.items():
        (zmr.folder / "bad.py").write_text(
            f"from zmr import *\nclass Bad(Pipeline):\n    steps = {steps}\n"
        )
        ended = zmr.run("run", "bad.py", texts, "-o", "out")
        assert (ended.status, ended.stdout) == (2, "")
        assert re.fullmatch(rf"zmr: {told}.*\n", ended.stderr)


def test_a_pipeline_leaves_out_no_bad_records(zmr: Zmr, notes: Notes) -> None:
    for engine in ("local", "inline"):
        how = ("-o", "out", "--skip-bad-records", "2", "--engine", engine)
        ended = zmr.run("run", *notes.job, *how)
        assert (ended.status, ended.stdout) == (2, "")
        assert "only the first of its steps (Steady, ByCount) reads records" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    assert not (zmr.folder / "out").exists()


def test_a_worker_that_is_killed_in_the_second_step(
    cluster: Cluster, notes: Notes, tmp_path: Path
) -> None:
    notes.hold()
    job, *rest = notes.job
    master = cluster.start_master("--job", job, *rest, "-o", tmp_path / "out", "--lost-after", "1")
    worker = cluster.start_worker()
    master.wait_for(IN_STEP_2)
    cluster.kill(worker)
    cluster.start_worker()
    master.wait_for(r"\d+ running tasks? and 3 map outputs go to others")
    notes.go_on()
    cluster.end()
    notes.check(tmp_path / "out")
    # Nothing of the first step was done again.
    assert {
        call: n for call, n in (notes.begun - notes.calls).items() if call.startswith("map")
    } == {}


def test_the_master_leads_from_step_to_step_and_is_killed_in_the_second(
    cluster: Cluster, notes: Notes, tmp_path: Path
) -> None:
    notes.hold()
    out, state = tmp_path / "out", tmp_path / "state"
    with reserved_port() as port:
        # Given a pipeline that was submitted by a client which is gone
        master = cluster.start_master("--state-dir", state, port=port)
        cluster.start_worker(slots=2)
        submitted = cluster.submit(*notes.job, "-o", out, "--no-wait").finish()
        job_id = submitted.stdout.strip()
        tail = cluster.zmr.start("tail", cluster.address, "--from-start")
        tail.wait_for(rf"job {job_id}: reduce \(step 2 of 2: ByCount\)", stream="stdout")
        status = cluster.zmr.run("status", cluster.address)
        assert f"job {job_id}: step 2 of 2: reduce, maps 3 of 3, reduces " in status.stdout

        # When the master is killed and comes back
        master.send(signal.SIGKILL)
        assert master.wait() == -signal.SIGKILL
        master = cluster.start_master("--state-dir", state, port=port)
        master.wait_for("going on where the journal ends, with 1 job and 1 worker")
        notes.go_on()

        # Then it goes on in the second step, and does nothing again
        master.wait_for(f"job {job_id} done")
        status = cluster.zmr.run("status", cluster.address)
        assert f"job {job_id}: done, maps 3 of 3, reduces 2 of 2\n" in status.stdout
        assert notes.begun == notes.calls
        notes.check(out)

        # And a pipeline is cancelled by its id, in the second step too
        notes.hold()
        following = cluster.submit(*notes.job, "-o", tmp_path / "other")
        following.wait_for(IN_STEP_2)
        (other_id,) = following.wait_for(r"^\S+", stream="stdout").group().split()
        assert cluster.zmr.run("cancel", cluster.address, other_id).status == 0
        assert following.wait() == 1
        assert not (tmp_path / "other" / "_SUCCESS").exists()
        for command in (master, *cluster.workers):
            command.send(signal.SIGTERM)
            assert command.wait() == 128 + signal.SIGTERM
        assert tail.running
        tail.send(signal.SIGINT)
        tail.wait()


COUNTED = """
from zmr import Job, Pipeline, Sum

class Words(Job):
    reduce = Sum()

    def map(self, line):
        self.count("lines")
        for word in line.split():
            yield word, 1

class Shares(Job):
    def __init__(self, **params):
        super().__init__(**params)
        self.digits = 2

    def setup(self):
        self.n_lines = self.counters_of(Words)["lines"]
        self.count("set up")

    def map(self, pair):
        self.count("maps")
        yield pair[0], pair[1] / self.n_lines

    def reduce(self, word, shares):
        self.count("reduces", self.counters_of("Words")["lines"])
        yield word, [round(share, self.digits) for share in shares]

class Last(Job):
    def map(self, pair):
        of_words, of_shares = self.counters_of("Words"), self.counters_of(Shares)
        del of_shares["set up"]
        yield pair, (of_words, of_shares, self.counters_of("Words").get("never", 0))

class Counted(Pipeline):
    steps = [Words, Shares, Last]

class Wrong(Pipeline):
    steps = [Words, Last]
"""


@pytest.mark.parametrize("engine", ["local", "inline"])
def test_a_step_has_the_counters_of_those_before_it(zmr: Zmr, engine: str) -> None:
    (zmr.folder / "counted.py").write_text(COUNTED)
    inputs = zmr.folder / "in"
    inputs.mkdir()
    for number in range(10):
        (inputs / str(number)).write_text("a b\na\n")
    args = ("in", "--engine", engine, "-r", "2")
    ended = zmr.run("run", "counted.py:Counted", *args, "-o", "out")
    assert ended.status == 0, ended.stderr
    lines = b"".join(output_of(zmr.folder / "out").values()).decode().splitlines()
    counted = [{"lines": 20}, {"maps": 2, "reduces": 40}, 0]
    pairs = [[json.loads(field) for field in line.split("\t")] for line in lines]
    assert sorted(pairs) == [[["a", [1.0]], counted], [["b", [0.5]], counted]]
    # When there is no such step, then the job says which there are
    wrong = zmr.run("run", "counted.py:Wrong", *args, "-o", "wrong")
    assert wrong.status == 1
    says = "counters_of('Shares'): no step before this one has this name (they are Words)"
    assert f"LookupError: {says}" in wrong.stderr
