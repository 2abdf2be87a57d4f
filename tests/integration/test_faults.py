"""Processes are killed, stopped and damaged; the answer stays that of the sequential run.

Every test holds the job at a known point, does its worst, lets the job go on, and then asks for
three things: the right output, a log that says what happened, and that nothing is left behind.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from support import Command
from support.cluster import LOST_AFTER_S, Cluster, name_of, output_of, reserved_port
from support.leaks import has_ended
from support.orders import Orders
from support.process import WAIT_S

ALL_MAPS = {f"text{number}.txt": 1 for number in range(5)}
SHORT = ("--lost-after", str(LOST_AFTER_S))


def start_job(cluster: Cluster, orders: Orders, texts: Path, *args: str, port: int = 0) -> Path:
    """Start a master with the job; return the folder of its output."""
    out = cluster.zmr.folder / "out"
    cluster.start_master("--job", *orders.job, texts, "-o", out, "-r", "3", *args, port=port)
    return out


def held_at(worker: Command, place: str) -> tuple[int, int]:
    """Wait until the worker is held there; return the process ids of slot and fork server."""
    held = worker.wait_for(rf"hold at {place}; slot (\d+), fork server (\d+)")
    return int(held[1]), int(held[2])


def ended_well(cluster: Cluster, out: Path, counts: dict[str, bytes]) -> None:
    cluster.end()
    assert output_of(out) == counts
    assert (out / "_SUCCESS").exists()


def test_a_worker_killed_in_the_map_phase(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a worker with one finished map, which is at its second, and another that waits
    orders.hold("map text1.txt")
    out = start_job(cluster, orders, texts, *SHORT)
    victim = cluster.start_worker()
    held_at(victim, "map text1.txt")
    heir = cluster.start_worker()
    heir.wait_for("registered with the master")

    # When it is killed
    cluster.kill(victim)
    orders.go_on()

    # Then the other one does both of them again
    ended_well(cluster, out, counts)
    given_away = rf"{name_of(victim)} lost .*1 running task\w* and 1 map output\w* go to others"
    assert re.search(given_away, cluster.master.stderr)
    assert orders.maps == ALL_MAPS | {"text0.txt": 2, "text1.txt": 2}
    assert len(cluster.local_folders) == 1  # the victim's: the next worker here removes it


def test_a_worker_killed_in_the_reduce_phase(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a worker that did all maps and is in a reduce
    orders.hold("reduce")
    out = start_job(cluster, orders, texts, *SHORT)
    victim = cluster.start_worker()
    held_at(victim, "reduce")
    heir = cluster.start_worker()
    heir.wait_for("registered with the master")

    # When it is killed
    cluster.kill(victim)
    orders.go_on()

    # Then another does the reduce, and first the maps again, whose outputs are gone with it
    ended_well(cluster, out, counts)
    given_away = rf"{name_of(victim)} lost .*1 running task\w* and 5 map outputs go to others"
    assert re.search(given_away, cluster.master.stderr)
    assert orders.maps == dict.fromkeys(ALL_MAPS, 2)


def test_a_stopped_worker_comes_back_and_nothing_of_its_work_is_done_again(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a worker with one finished map, which is at its second, and another that is busy too
    orders.hold("map text1.txt")
    orders.hold("map text4.txt")
    out = start_job(cluster, orders, texts, *SHORT, "--no-backups")
    sleeper = cluster.start_worker()
    held_at(sleeper, "map text1.txt")
    held_at(cluster.start_worker(), "map text4.txt")

    # When it is stopped until it is given up, and then goes on
    sleeper.send(signal.SIGSTOP)
    cluster.master.wait_for(rf"{name_of(sleeper)} lost \(silent for")
    sleeper.send(signal.SIGCONT)
    sleeper.wait_for("does not know this worker: registering again")
    cluster.master.wait_for(rf"map 0, attempt 1, thought lost, is complete on {name_of(sleeper)}")
    cluster.master.wait_for(rf"map 1, attempt 2 is back with worker {name_of(sleeper)}")
    orders.go_on()

    # Then what it had done and begun is used
    ended_well(cluster, out, counts)
    assert orders.maps == ALL_MAPS


def test_a_stopped_worker_comes_back_when_others_are_at_its_tasks(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a worker that was stopped in a map, which another one has then begun
    orders.hold("map text1.txt")
    out = start_job(cluster, orders, texts, *SHORT)
    sleeper = cluster.start_worker()
    held_at(sleeper, "map text1.txt")
    sleeper.send(signal.SIGSTOP)
    orders.hold("map text1.txt")
    held_at(cluster.start_worker(), "map text1.txt")

    # When it comes back, and both finish
    sleeper.send(signal.SIGCONT)
    cluster.master.wait_for(rf"map 1, attempt 2 is back with worker {name_of(sleeper)}")
    orders.go_on()

    # Then one of them counts
    ended_well(cluster, out, counts)
    assert orders.maps["text1.txt"] == 2


def test_a_stopped_worker_comes_back_when_the_job_is_done(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes], tmp_path: Path
) -> None:
    # Given a worker that was stopped in a map of a job that another one then completed
    orders.hold("map text1.txt")
    cluster.start_master(*SHORT)
    sleeper = cluster.start_worker()
    first = cluster.submit(*orders.job, texts, "-o", tmp_path / "first", "-r", "3")
    slot, _ = held_at(sleeper, "map text1.txt")
    sleeper.send(signal.SIGSTOP)
    cluster.start_worker()
    assert first.wait() == 0
    assert output_of(tmp_path / "first") == counts

    # When it comes back
    sleeper.send(signal.SIGCONT)

    # Then it drops what nobody needs any more, and takes part in the next job
    sleeper.wait_for("registered with the master", count=2)
    assert has_ended(slot, timeout_s=WAIT_S)
    others = Orders(tmp_path / "other orders")
    others.hold("map text0.txt")
    others.hold("map text1.txt")
    second = cluster.submit(*others.job, texts, "-o", tmp_path / "second", "-r", "3")
    for worker in cluster.workers:
        held_at(worker, r"map text\d.txt")
    others.go_on()
    assert second.wait() == 0
    assert output_of(tmp_path / "second") == counts
    cluster.stop()
    assert cluster.local_folders == []


def test_a_slot_that_hangs_is_stopped_and_its_task_done_again(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    orders.hang("map text2.txt")
    orders.hang("reduce")
    out = start_job(cluster, orders, texts, *SHORT, "--task-timeout", "1")
    worker = cluster.start_worker()
    ended_well(cluster, out, counts)
    for task in ("map 2", "reduce 0"):
        assert f"slot 0: {task} stopped: no progress for 1 s (--task-timeout)" in worker.stderr
        failed = rf"{task}, attempt \d+ failed on {name_of(worker)} \(1 of 4\): no progress for 1 s"
        assert re.search(failed, cluster.master.stderr)
    assert orders.maps["text2.txt"] >= 2


def test_a_killed_slot_and_a_killed_fork_server_are_replaced(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    orders.hold("map text0.txt")
    orders.hold("map text2.txt")
    out = start_job(cluster, orders, texts)
    worker = cluster.start_worker()

    slot, first_fork_server = held_at(worker, "map text0.txt")
    os.kill(slot, signal.SIGKILL)
    worker.wait_for("slot 0, map 0: the slot process was killed by SIGKILL")
    slot, fork_server = held_at(worker, "map text2.txt")
    assert fork_server == first_fork_server
    os.kill(fork_server, signal.SIGKILL)
    worker.wait_for("slot 0, map 2: the slot process was killed by SIGKILL")
    orders.hold("map text3.txt")
    assert held_at(worker, "map text3.txt")[1] != fork_server
    orders.go_on()

    ended_well(cluster, out, counts)
    for task in ("map 0", "map 2"):
        failed = rf"{task}, attempt \d+ failed on {name_of(worker)} \(1 of 4\): .*killed by SIGKILL"
        assert re.search(failed, cluster.master.stderr)
    assert orders.maps == ALL_MAPS | {"text0.txt": 2, "text2.txt": 2}


def test_map_outputs_that_are_gone_or_damaged_are_made_again(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given all maps but the last one finished
    orders.hold("map text4.txt")
    out = start_job(cluster, orders, texts)
    worker = cluster.start_worker()
    held_at(worker, "map text4.txt")

    # When one output is removed, one has a bit flipped, one is that of another map, and one is cut
    [gone, damaged, cut, replaced] = sorted(cluster.local_folders[0].glob("*/*-map-*"))
    gone.unlink()
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 4)
        [byte] = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    replaced.write_bytes(cut.read_bytes())
    os.truncate(cut, cut.stat().st_size - 1)
    orders.go_on()

    # Then the reduces say so, and these maps run again
    ended_well(cluster, out, counts)
    lost = r"reduce \d, attempt \d+ could not read .*: can't read the output of map [0-3, ]+: "
    assert re.search(lost, cluster.master.stderr)
    assert orders.maps == dict.fromkeys(ALL_MAPS, 2) | {"text4.txt": 1}


def test_the_folder_of_a_job_that_runs_is_refused_even_to_overwrite(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    orders.hold("map text1.txt")
    out = start_job(cluster, orders, texts, *SHORT)
    held_at(cluster.start_worker(), "map text1.txt")
    refused = cluster.zmr.run("run", "wordcount", texts, "-o", out, "--overwrite")
    assert (refused.status, refused.stdout) == (2, "")
    assert re.search(r"is that of Obedient-\w+, which runs: name another\n$", refused.stderr)
    orders.go_on()
    ended_well(cluster, out, counts)


def test_a_stopped_master_blames_nobody_when_it_goes_on(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a master that is stopped for so long that a worker gives it up
    orders.hold("map text1.txt")
    out = start_job(cluster, orders, texts, *SHORT)
    patient = cluster.start_worker()
    held_at(patient, "map text1.txt")
    hasty = cluster.start_worker("--death-timeout", "2")
    hasty.wait_for("registered with the master")
    cluster.master.send(signal.SIGSTOP)
    assert hasty.wait() == 4
    cluster.workers.remove(hasty)

    # When it goes on
    cluster.master.send(signal.SIGCONT)
    cluster.master.wait_for(rf"{name_of(hasty)} (lost|left) \(")
    orders.go_on()

    # Then it has not taken its own silence for that of the worker which is still there
    ended_well(cluster, out, counts)
    assert f"{name_of(patient)} lost" not in cluster.master.stderr
    assert orders.maps["text0.txt"] == orders.maps["text1.txt"] == 1


def test_workers_wait_for_a_master_that_starts_later_or_starts_again(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    with reserved_port() as port:
        # Given a worker that was there first, and is now at work for a master
        cluster.address = f"tcp://127.0.0.1:{port}"
        patient = cluster.start_worker()
        patient.wait_for(rf"waiting for the master at {cluster.address} \(gives up in \d+ s\)")
        orders.hold("map text1.txt")
        start_job(cluster, orders, texts, *SHORT, port=port)
        held_at(patient, "map text1.txt")
        hasty = cluster.start_worker("--death-timeout", "2")
        hasty.wait_for("registered with the master")

        # When the master is killed, then a worker gives up after its time ...
        cluster.master.send(signal.SIGKILL)
        assert hasty.wait() == 4
        hasty.wait_for(rf"no master at {cluster.address} for 2 s \(--death-timeout\)")
        cluster.workers.remove(hasty)

        # ... and one that waits for longer serves the next master there
        orders.go_on()
        out = start_job(cluster, orders, texts, *SHORT, "--overwrite", port=port)
        patient.wait_for("registered with the master", count=2)
        ended_well(cluster, out, counts)
        assert cluster.local_folders == []
