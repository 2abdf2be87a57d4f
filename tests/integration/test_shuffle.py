"""Map outputs go from worker to worker over the network, and the answer stays the same.

The workers keep their map outputs in folders of their own, and read none of them directly.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from support import Command, Zmr
from support.cluster import LOST_AFTER_S, Cluster, name_of, output_of
from support.orders import Orders

ALL_MAPS = {f"text{number}.txt": 1 for number in range(5)}
OVER_TCP = "--no-direct-read"


def start_job(cluster: Cluster, orders: Orders, texts: Path, *args: str) -> Path:
    """Start a master with the job; return the folder of its output."""
    out = cluster.zmr.folder / "out"
    cluster.start_master("--job", *orders.job, texts, "-o", out, "-r", "3", *args)
    return out


def start_worker(cluster: Cluster, name: str) -> Command:
    """Start a worker with a local folder of its own that reads no file of another one."""
    return cluster.start_worker(OVER_TCP, "--local-dir", cluster.zmr.temporary / name)


def ended_well(cluster: Cluster, out: Path, counts: dict[str, bytes]) -> None:
    cluster.end()
    assert output_of(out) == counts
    assert (out / "_SUCCESS").exists()


def map_outputs(cluster: Cluster) -> list[Path]:
    return sorted(cluster.zmr.temporary.glob("**/*-map-*"))


def test_workers_with_folders_of_their_own_give_the_sequential_answer(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given two workers that have both done some maps
    orders.hold("map text1.txt")
    orders.hold("map text4.txt")
    out = start_job(cluster, orders, texts)
    for name in ("one", "other"):
        worker = start_worker(cluster, name)
        worker.wait_for(r"hold at map text\d.txt")
    assert len({path.parent.parent.parent for path in map_outputs(cluster)}) == 2
    # When they are let go on
    orders.go_on()
    # Then each reduce has all that it needs, and nothing was done twice
    ended_well(cluster, out, counts)
    assert orders.maps == ALL_MAPS
    for name in ("one", "other"):
        assert list((cluster.zmr.temporary / name).iterdir()) == []


@pytest.mark.parametrize("option", [(OVER_TCP,), (OVER_TCP, "--memory", "40M")])
def test_zmr_run_over_tcp_gives_the_sequential_answer(
    zmr: Zmr, orders: Orders, texts: Path, counts: dict[str, bytes], option: tuple[str, ...]
) -> None:
    out = zmr.folder / "out"
    ended = zmr.run("run", *orders.job, texts, "-o", out, "-r", "3", "-j", "2", *option)
    assert ended.status == 0, ended.stderr
    assert output_of(out) == counts
    assert list(zmr.temporary.iterdir()) == []


def test_a_worker_killed_in_the_reduce_phase_takes_its_outputs_with_it(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a worker that did all maps, and another; both of them are in a reduce
    orders.hold("reduce")
    out = start_job(cluster, orders, texts, "--lost-after", str(LOST_AFTER_S))
    victim = start_worker(cluster, "victim")
    victim.wait_for("hold at reduce")
    orders.hold("reduce")
    heir = start_worker(cluster, "heir")
    heir.wait_for("hold at reduce")

    # When it is killed, and its folder is gone
    cluster.kill(victim)
    orders.go_on()

    # Then the other has all maps done again, for the reduces that are still to do
    ended_well(cluster, out, counts)
    assert re.search(
        rf"{name_of(victim)} lost .* 5 map outputs go to others", cluster.master.stderr
    )
    assert orders.maps == dict.fromkeys(ALL_MAPS, 2)


def test_outputs_that_are_gone_or_damaged_are_noticed_over_the_network_too(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given all maps but the last one finished
    orders.hold("map text4.txt")
    out = start_job(cluster, orders, texts)
    worker = start_worker(cluster, "worker")
    worker.wait_for("hold at map text4.txt")

    # When one output is removed, one has a bit flipped and one is cut
    [gone, damaged, cut, _] = map_outputs(cluster)
    gone.unlink()
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 4)
        [byte] = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    os.truncate(cut, cut.stat().st_size - 1)
    orders.go_on()

    # Then the reduces say so, and these maps run again
    ended_well(cluster, out, counts)
    lost = r"reduce \d, attempt \d+ could not read .*: can't read the output of map [0-2, ]+: "
    assert re.search(lost, cluster.master.stderr)
    assert orders.maps == ALL_MAPS | {"text0.txt": 2, "text1.txt": 2, "text2.txt": 2}


def test_a_worker_ends_at_once_while_others_fetch_from_it(
    cluster: Cluster, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a worker that did all maps, and another that reads them; both of them are in a reduce
    orders.hold("reduce")
    out = start_job(cluster, orders, texts)
    leaver = start_worker(cluster, "leaver")
    leaver.wait_for("hold at reduce")
    orders.hold("reduce")
    stayer = start_worker(cluster, "stayer")
    stayer.wait_for("hold at reduce")

    # When it gets two signals, of which the second ends it at once
    leaver.send(signal.SIGINT)
    leaver.wait_for("once more stops at once")
    leaver.send(signal.SIGINT)

    # Then it is gone with all that it had, and the job is done without it
    assert leaver.wait() == 128 + signal.SIGINT
    cluster.workers.remove(leaver)
    assert list((cluster.zmr.temporary / "leaver").iterdir()) == []
    assert "Traceback" not in leaver.stderr
    orders.go_on()
    ended_well(cluster, out, counts)
    assert "Traceback" not in stayer.stderr


def test_a_port_in_use_is_told(cluster: Cluster) -> None:
    cluster.start_master()
    port = cluster.address.rpartition(":")[2]
    worker = cluster.start_worker("--shuffle-port", port)
    assert worker.wait() == 2
    worker.wait_for(rf"127.0.0.1:{port} is in use: choose another port with --shuffle-port")
    cluster.workers.remove(worker)
    cluster.stop()
