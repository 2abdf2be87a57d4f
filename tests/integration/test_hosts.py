"""Several machines: what they need to work together, and what is said where it is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import Zmr
from support.cluster import output_of
from support.hosts import Hosts, made_hosts
from support.orders import Orders
from support.process import Command

from zmr.net.keys import new_secret
from zmr.wire.roles import Role

ALL_MAPS = {f"text{n}.txt": 1 for n in range(5)}

# Writes all that passes the host's interfaces to a file, until its standard input ends.
CAPTURE = """
import socket, sys, threading
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
packets.settimeout(0.2)
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
with open(sys.argv[1], "wb") as file:
    print("captures", flush=True)
    while not over.is_set():
        try:
            file.write(packets.recv(1 << 17))
        except TimeoutError:
            pass
"""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Give three hosts."""
    with made_hosts("abc") as hosts:
        yield hosts


@contextmanager
def captured(hosts: Hosts, host: str, file: Path) -> Iterator[None]:
    """Write what passes the host's interfaces to the file, for a while."""
    capture = subprocess.Popen(
        [*hosts.inside(host), sys.executable, "-c", CAPTURE, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert capture.stdout is not None
        assert capture.stdout.readline() == b"captures\n"
        yield
    finally:
        capture.communicate(timeout=60)


class Site:
    """Three hosts, each with a home and a folder for temporary files of its own."""

    def __init__(self, zmr: Zmr, hosts: Hosts) -> None:
        self.zmr, self.hosts = zmr, hosts
        self.homes = {name: zmr.temporary / f"home-{name}" for name in hosts.names}
        self.folders = {name: zmr.temporary / f"tmp-{name}" for name in hosts.names}
        for folder in (*self.homes.values(), *self.folders.values()):
            folder.mkdir()
        self.address = ""
        self.names = zmr.folder / "hosts"  # the names that all of them know
        self.names.write_text("127.0.0.1 localhost\n")

    def start(
        self, host: str, *args: str | Path, key: str = "", hidden: Path | None = None
    ) -> Command:
        """Start `zmr ARGS` there; nothing of the other hosts' own folders is to be seen."""
        others = [folder for name, folder in self.folders.items() if name != host]
        others += [folder for name, folder in self.homes.items() if name != host]
        hides = [*others, *([hidden] if hidden is not None else [])]
        program = self.hosts.program(host, *hides, names=self.names)
        environment = {"ZMR_HOME": str(self.homes[host]), "TMPDIR": str(self.folders[host])}
        if key:
            environment["ZMR_KEY"] = key
        return self.zmr.start(*args, program=program, env=environment)

    def start_master(self, *args: str | Path) -> Command:
        master = self.start("a", "master", "--host", self.hosts.address("a"), "--port", "0", *args)
        self.address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
        return master

    def key(self, role: Role) -> str:
        """What is printed beside the master."""
        printed = self.start("a", "key", role.value, self.address).finish()
        assert printed.status == 0, printed.stderr
        return printed.stdout.strip()


def require_done(
    processes: Sequence[Command], out: Path, counts: dict[str, bytes], orders: Orders
) -> None:
    """Wait until the processes have ended, all well; each map ran once, and the result is right."""
    assert [process.wait() for process in processes] == [0] * len(processes)
    assert output_of(out) == counts
    assert orders.maps == ALL_MAPS


@pytest.fixture
def site(zmr: Zmr, hosts: Hosts) -> Site:
    return Site(zmr, hosts)


def test_a_worker_elsewhere_joins_with_the_key_and_nothing_can_be_read_on_the_way(
    site: Site, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a master, and a worker on each of two other hosts with the key that was printed
    orders.hold("map text1.txt")
    orders.hold("map text4.txt")
    out, traffic = site.zmr.folder / "out", site.zmr.folder / "traffic"
    with captured(site.hosts, "b", traffic):
        master = site.start_master("--job", *orders.job, texts, "-o", out, "-r", "3")
        key = site.key(Role.WORKER)
        workers = [site.start(host, "worker", site.address, "-j", "1", key=key) for host in "bc"]
        for worker in workers:
            worker.wait_for(r"hold at map text\d.txt")
        # When the reduces on each fetch what is on the other
        orders.go_on()
        # Then the result is right
        require_done((master, *workers), out, counts, orders)
    # And no word, name or piece of code has passed in clear
    seen = traffic.read_bytes()
    assert len(seen) > 20_000
    words = {word for text in texts.iterdir() for word in text.read_bytes().split()}
    long_words = {word for word in words if len(word) >= 6}
    assert len(long_words) > 20
    for word in (*long_words, b"Obedient", b"mr-out", b"host-c", b"wordcount", key.encode()):
        assert word not in seen, word


def test_a_worker_elsewhere_without_the_right_key_does_not_join(site: Site) -> None:
    master = site.start_master()
    revoked = site.key(Role.WORKER)
    assert site.start("a", "key", "--rotate", "worker", site.address).wait() == 0
    trials = [
        ("", 4, "no master of this user keeps a key for"),
        (new_secret().key(Role.WORKER).text(), 4, "is that of another master"),
        (revoked, 4, "refuses the key in ZMR_KEY: it has been changed"),
        (site.key(Role.WATCH), 2, "is a watch key, and a worker key is needed"),
    ]
    for key, status, said in trials:
        args = () if key else ("--death-timeout", "1")
        worker = site.start("b", "worker", site.address, *args, key=key)
        assert worker.wait() == status
        assert said in worker.stderr
    assert "registered" not in master.stderr
    watch = site.start("b", "status", site.address, key=site.key(Role.WATCH)).finish()
    assert (watch.status, watch.stdout) == (0, "no jobs, no workers\n")


def test_an_output_folder_that_a_worker_does_not_share_is_said_before_the_work(
    site: Site, orders: Orders, texts: Path, counts: dict[str, bytes]
) -> None:
    # Given a worker that is busy, and one on whose machine the output folder is another one
    orders.hold("map text0.txt")
    out = site.zmr.folder / "out"
    out.mkdir()
    master = site.start_master("--job", *orders.job, texts, "-o", out, "-r", "3")
    key = site.key(Role.WORKER)
    other = site.start("c", "worker", site.address, "-j", "1", key=key)
    other.wait_for("hold at map text0.txt")
    without = site.start("b", "worker", site.address, "-j", "1", key=key, hidden=out)
    # Then that one says so before it does anything
    master.wait_for(f"the output folder {out} is not on a disk that host-b shares")
    # And the job is done by the other
    orders.go_on()
    require_done((master, without, other), out, counts, orders)


@pytest.mark.parametrize("version", [4, 6])
def test_a_worker_may_start_before_the_name_of_its_master_resolves(
    site: Site, orders: Orders, texts: Path, counts: dict[str, bytes], version: int
) -> None:
    # Given two workers that know their master by a name that means nothing yet
    secret, address = new_secret().text(), "tcp://master.lan:5555"
    workers = [site.start(host, "worker", address, "-j", "1", "-v", key=secret) for host in "bc"]
    for worker in workers:
        worker.wait_for("nothing from the master for 3 s: connecting again")
    orders.hold("map text1.txt")
    orders.hold("map text4.txt")
    out = site.zmr.folder / "out"
    all_interfaces = "0.0.0.0" if version == 4 else "::"
    master = site.start(
        *("a", "master", "--host", all_interfaces, "--job", *orders.job),
        *(texts, "-o", out, "-r", "3"),
        key=secret,
    )
    master.wait_for("listening at")
    # When it gets a meaning
    with site.names.open("a") as names:
        names.write(f"{site.hosts.address('a', version)} master.lan\n")
    for worker in workers:
        worker.wait_for(r"hold at map text\d.txt")
    orders.go_on()
    # Then they do the work, and read each other's map outputs
    require_done((master, *workers), out, counts, orders)


def test_a_name_that_is_of_the_master_alone_is_said(site: Site) -> None:
    with site.names.open("a") as names:
        names.write("127.0.1.1 master.lan\n")
    master = site.start("a", "master", "--host", "master.lan", "--port", "0")
    master.wait_for("master.lan is this machine alone here .127.0.1.1.: to let others connect")
    assert master.wait_for(r"^tcp://\S+", stream="stdout").group().startswith("tcp://127.0.1.1:")
