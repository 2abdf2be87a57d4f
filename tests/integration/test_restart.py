"""The master is killed and started again on its journal; the job never notices."""

from __future__ import annotations

import json
import random
import re
import select
import signal
from collections import Counter
from pathlib import Path

import pytest
from support.cluster import Cluster, output_of, reserved_port
from support.orders import JOBS, Orders
from support.process import ZMR, Argument

from zmr import read
from zmr.core.settings import MasterSettings

ALL_MAPS = {f"text{number}.txt": 1 for number in range(5)}
KILLS = 20
LONGEST_LIFE_S = 0.4
LEAVE_GRACE_S = MasterSettings().leave_grace_s


@pytest.fixture
def state(tmp_path: Path) -> tuple[str, Path]:
    """Return the option for a state folder."""
    return "--state-dir", tmp_path / "state"


@pytest.mark.usefixtures("nothing_left_behind")
def test_twenty_kills_at_random_moments_of_one_job(
    cluster: Cluster, state: tuple[str, Path], tmp_path: Path
) -> None:
    # Given a job of many tasks, one of which lasts until half of the kills, and one until the last
    rng = random.Random(20)
    n_maps, words = 60, [f"word{n}" for n in range(40)]
    folder, notes, out = tmp_path / "in", tmp_path / "notes", tmp_path / "out"
    folder.mkdir()
    for n in range(n_maps):
        (folder / f"{n}.txt").write_text(" ".join(rng.choices(words, k=50)))
    counts = Counter(word for path in folder.iterdir() for word in path.read_text().split())
    notes.mkdir()
    long_map, long_reduce = notes / "hold map 0.txt", notes / "hold reduce word0"
    long_map.touch()
    long_reduce.touch()
    job: list[Argument] = ["--job", JOBS / "steady.py", folder, "-o", out, "-r", "40", *state]
    job += ["-p", f"notes={notes}", "-p", "takes_s=0.1"]
    job += ["--lost-after", "2", "--no-backups", "--task-timeout", "60"]

    with reserved_port() as port:
        # When its master is killed again and again, each time after it has served for a moment
        master = cluster.start_master(*job, port=port)
        for _ in range(2):
            cluster.start_worker(slots=2)
        master.wait_for("registered, with 2 slots", count=2)
        phases = []
        for kill in range(KILLS):
            if kill == KILLS // 2:
                long_map.unlink()
            live_for(rng.random() * LONGEST_LIFE_S)
            phases.append("reduce" if any(out.glob("mr-out-*")) else "map")
            master.send(signal.SIGKILL)
            assert master.wait() == -signal.SIGKILL, "the job was over too early"
            master = cluster.start_master(*job, port=port)
            master.wait_for(r"going on where the journal ends, with 1 job and 2 workers")
        long_reduce.unlink()
        cluster.end()

    # Then the output is right, and everything was done once
    lines = b"".join(output_of(out).values()).decode().splitlines()
    assert sorted(lines) == sorted(f"{word}\t{n}" for word, n in counts.items())
    assert dict(read(out)) == counts  # with types: also of what was written before a kill
    begun = Counter((notes / "begun").read_text().splitlines())
    calls = [*(f"map {n}.txt" for n in range(n_maps)), *(f"reduce {word}" for word in words)]
    assert begun == Counter(calls)
    manifest = json.loads((out / "_SUCCESS").read_text())
    assert manifest["stats"]["records_in"] == n_maps
    assert set(phases) == {"map", "reduce"}


def live_for(duration_s: float) -> None:
    """Let the processes do what they do for a moment which is drawn, not waited for."""
    select.select([], [], [], duration_s)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.usefixtures("nothing_left_behind")
def test_clients_and_subscribers_follow_a_job_over_a_restart(
    ending: signal.Signals,
    cluster: Cluster,
    orders: Orders,
    texts: Path,
    counts: dict[str, bytes],
    state: tuple[str, Path],
    tmp_path: Path,
) -> None:
    with reserved_port() as port:
        # Given a job that somebody has submitted, and that somebody else watches
        orders.hold("map text3.txt")
        cluster.start_master(*state, port=port)
        worker = cluster.start_worker()
        tail = cluster.zmr.start("tail", cluster.address, "--json")
        submit = cluster.submit(*orders.job, texts, "-o", tmp_path / "out", "-r", "3")
        worker.wait_for("hold at map text3.txt")
        tail.wait_for(r'"task": 3,.*"state": "running"')

        # When the master ends and is started again
        cluster.master.send(ending)
        assert cluster.master.wait() == (-9 if ending is signal.SIGKILL else 143)
        cluster.start_master(*state, port=port)
        worker.wait_for("registered with the master", count=2)
        orders.go_on()

        # Then all go on by themselves
        assert submit.wait() == 0
        assert output_of(tmp_path / "out") == counts
        assert orders.maps == ALL_MAPS
        tail.wait_for(r'"state": "map", "text": "the master was started again"')
        tail.wait_for(r'"event": "job",.*"state": "done"')
        worker.send(signal.SIGTERM)
        assert worker.wait() == 143
        cluster.master.send(ending)
        cluster.master.wait()

        # And the master remembers the job for as long as masters do
        cluster.start_master(*state, port=port)
        told = cluster.zmr.run("status", cluster.address).stdout
        assert re.fullmatch(r"job Obedient-\w+: done, maps 5 of 5, reduces 3 of 3\n", told)
        cluster.master.send(signal.SIGTERM)
        assert cluster.master.wait() == 143
        tail.send(signal.SIGINT)
        tail.wait()


def test_the_same_words_go_on_other_words_and_a_second_master_are_refused(
    cluster: Cluster,
    orders: Orders,
    texts: Path,
    counts: dict[str, bytes],
    state: tuple[str, Path],
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    job = ("--job", *orders.job, texts, "-o", out, "-r", "3", *state)
    with reserved_port() as port:
        # Given a job that has begun, and a map that is finished
        orders.hold("map text1.txt")
        cluster.start_master(*job, port=port)
        worker = cluster.start_worker()
        worker.wait_for("hold at map text1.txt")

        # A second master on the same folder is refused, also one that would take another port
        second = cluster.zmr.run("master", "--port", "0", *state)
        assert (second.status, second.stdout) == (2, "")
        assert f"another master uses {state[1]}: stop it, or choose another" in second.stderr

        # When it is killed, a job in other words is refused
        cluster.master.send(signal.SIGKILL)
        cluster.master.wait()
        other = cluster.zmr.run("master", "--port", "0", *job, "-r", "4")
        assert other.status == 2
        assert "has the unfinished job Obedient-" in other.stderr
        assert (
            "start the master with the same command line to go on with it, or choose"
            in other.stderr
        )

        # The same words, from another folder even, go on with it
        cluster.start_master(*job, port=port)
        orders.go_on()
        cluster.end()
        assert output_of(out) == counts
        assert orders.maps == ALL_MAPS

        # And once more, they say that it is done
        again = cluster.zmr.run("master", "--port", str(port), *job, timeout_s=LEAVE_GRACE_S)
        assert again.status == 0
        assert "has ended before; to run it again, choose another --state-dir" in again.stderr
        assert output_of(out) == counts


def test_a_full_disk_ends_the_master_with_a_clear_word(
    cluster: Cluster, texts: Path, tmp_path: Path
) -> None:
    # Given a limit on the size of files, which SQLite meets as it would a full disk
    limited = ("sh", "-c", 'trap "" XFSZ; ulimit -f 160; exec "$@"', "sh", *ZMR)
    state = ("--state-dir", tmp_path / "state")
    master = cluster.zmr.start("master", "--port", "0", *state, program=limited)
    cluster.address = master.wait_for(r"^tcp://\S+", stream="stdout").group()

    # When a job comes that is too large for that
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(500):
        (folder / f"{'long' * 50}-{n}").touch()
    submit = cluster.submit("wordcount", folder, "-o", tmp_path / "out", "--timeout", "1")

    # Then the master ends rather than take it on
    assert master.wait() == 1
    assert "can't write the journal" in master.stderr
    assert "Traceback" not in master.stderr
    assert submit.wait() == 4
    assert submit.stdout == ""
