"""Map outputs go from worker to worker over the network, and the answer stays the same.

The workers keep their map outputs in folders of their own, and read none of them directly.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import Command, Zmr
from support.cluster import LOST_AFTER_S, Cluster, name_of, output_of
from support.orders import Orders
from support.process import WAIT_S, ZMR

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


# --- hosts of their own ---


@dataclass(frozen=True)
class Hosts:
    """Two network namespaces, "a" and "b", that see each other, and nobody else."""

    mark: str

    def program(self, host: str, hidden: Path) -> list[str]:
        """How to start zmr there, under a name of its own, with nothing to be seen in `hidden`."""
        script = 'hostname "$0" && mount -t tmpfs none "$1" && shift && exec "$@"'
        enter = ["ip", "netns", "exec", f"{self.mark}{host}", "unshare", "--uts", "--mount"]
        return [*enter, "sh", "-c", script, f"host-{host}", str(hidden), *map(str, ZMR)]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Give two hosts, at 10.213.77.1 and 10.213.77.2."""
    mark = f"zmr{os.getpid()}"
    with ExitStack() as stack:
        try:
            for host in "ab":
                ip("netns", "add", f"{mark}{host}")
                stack.callback(ip, "netns", "del", f"{mark}{host}")
            ends = ("type", "veth", "peer", "name", "end", "netns", f"{mark}b")
            ip("link", "add", "end", "netns", f"{mark}a", *ends)
            for number, host in enumerate("ab", 1):
                there = ("-n", f"{mark}{host}")
                ip(*there, "address", "add", f"10.213.77.{number}/24", "dev", "end")
                ip(*there, "link", "set", "end", "up")
                ip(*there, "link", "set", "lo", "up")
            subprocess.run(["unshare", "--uts", "--mount", "true"], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces can't be made here: {error}")
        yield Hosts(mark)


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True, timeout=WAIT_S)


def test_two_hosts_that_share_inputs_and_output_but_not_their_local_folders(
    zmr: Zmr, hosts: Hosts, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a master on one host, and on each a worker whose folder the other one can't see
    folders = {host: zmr.temporary / host for host in "ab"}
    for folder in (*folders.values(), zmr.temporary / "none"):
        folder.mkdir()
    orders.hold("map text1.txt")
    orders.hold("map text4.txt")
    out = zmr.folder / "out"
    everywhere = hosts.program("a", zmr.temporary / "none")
    master = zmr.start(
        *("master", "--host", "10.213.77.1", "--port", "0", "--job", *orders.job),
        *(texts, "-o", out, "-r", "3"),
        program=everywhere,
    )
    address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    workers = []
    for host, other in ("ab", "ba"):
        worker = zmr.start(
            *("worker", address, "-j", "1", "--local-dir", folders[host]),
            program=hosts.program(host, folders[other]),
        )
        worker.wait_for(r"hold at map text\d.txt")
        workers.append(worker)
    assert all(list(folder.glob("**/*-map-*")) for folder in folders.values())

    # When both have done some of the maps, and go on
    orders.go_on()

    # Then the reduces on each have what is on the other
    assert [process.wait() for process in (master, *workers)] == [0, 0, 0]
    assert output_of(out) == counts
    assert orders.maps == ALL_MAPS
    assert "host-b:" in master.stderr
