"""Who may take part: other users and machines need a key, one's own commands find it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from support import Zmr
from support.cluster import Cluster, output_of, reserved_port
from support.orders import Orders
from support.peers import peer_of
from support.programs import as_nobody

from zmr import messages as m
from zmr.net.key_files import paths_to_keep, read_key
from zmr.net.keyring import Keyring
from zmr.net.keys import Secret, new_secret
from zmr.shuffle.fetch import Fetcher
from zmr.shuffle.map_output import open_partition
from zmr.wire.address import parse
from zmr.wire.roles import Role

Context = zmq.Context[zmq.Socket[bytes]]


def key_of(address: str, role: Role) -> str:
    """The text of the key for the master at the address."""
    key = Keyring(parse(address)).find(role)
    assert key is not None
    return key.text()


def secret_of(address: str) -> Secret:
    """What all keys of the master follow from."""
    [path, *_] = paths_to_keep(parse(address))
    secret = read_key(path, is_found=True)
    assert isinstance(secret, Secret)
    return secret


@pytest.fixture
def strangers_home() -> Iterator[Path]:
    """A folder where another user may write."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    home = Path(tempfile.mkdtemp(prefix="zmr-stranger-"))
    home.chmod(0o777)
    yield home
    shutil.rmtree(home)


# --- another user of this machine --------------------------------------------------------------


def test_another_user_learns_nothing_and_runs_nothing(
    cluster: Cluster,
    zmr: Zmr,
    orders: Orders,
    texts: Path,
    strangers_home: Path,
    zmq_context: Context,
) -> None:
    # Given a master and a worker with a job in progress
    orders.hold("map text1.txt")
    cluster.start_master()
    worker = cluster.start_worker()
    out = zmr.folder / "out"
    job = cluster.submit(*orders.job, texts, "-o", out, "-r", "3")
    worker.wait_for("hold at map text1.txt")
    job_id = job.wait_for(r"^\S+-[0-9a-f]{8}$", stream="stdout").group()
    (strangers_home / "in.txt").write_text("a b c\n")
    stranger = as_nobody(strangers_home)

    # When another user tries what there is
    address, given = cluster.address, ("--timeout", "1")
    attempts = [
        zmr.start("status", address, *given, program=stranger),
        zmr.start("tail", address, "--from-start", *given, program=stranger),
        zmr.start("cancel", address, job_id, *given, program=stranger),
        zmr.start(
            *("submit", "wordcount", "in.txt", "-o", "out", "--master", address, *given),
            program=stranger,
        ),
        zmr.start("worker", address, "--death-timeout", "1", program=stranger),
        zmr.start("status", address, *given, "--insecure", program=stranger),
        zmr.start("worker", address, "--insecure", program=stranger),
    ]
    # With a key of its own making, too
    other = new_secret()
    forged = {"ZMR_KEY": other.key(Role.CLIENT).text()}
    attempts.append(zmr.start("status", address, *given, program=stranger, env=forged))

    # Then all of that ends with what is missing, and no word of the job
    for attempt in attempts:
        # Python itself may be where that user can't go; a worker needs it for its slots.
        assert attempt.wait() == 4 or "slot processes can't start" in attempt.stderr, attempt
        assert not attempt.stdout
        assert job_id not in attempt.stderr
        assert "Traceback" not in attempt.stderr, attempt
    assert not (strangers_home / "out").exists()
    with peer_of(zmq_context, address, role=None) as peer:
        peer.say(m.Register("impostor", "nowhere", 1, 1))
        assert not peer.socket.poll(300)
    # And the owner's commands work without a word, to the right end
    assert job_id in zmr.run("status", address).stdout
    orders.go_on()
    assert job.wait() == 0
    assert set(orders.maps.values()) == {1}
    cluster.stop()


def test_a_master_of_another_user_gets_no_worker(
    zmr: Zmr, strangers_home: Path, cluster: Cluster
) -> None:
    # Given another user's master, at the port at which one's own is to be
    with reserved_port() as port:
        squatter = zmr.start("master", "--port", str(port), program=as_nobody(strangers_home))
        squatter.wait_for(r"^tcp://\S+", stream="stdout")
        address = f"tcp://127.0.0.1:{port}"
        # When one's own worker comes
        worker = zmr.start("worker", address, "--death-timeout", "2")
        # Then it waits for a key, and ends without having heard the other master
        assert worker.wait() == 4
        assert "no master of this user keeps a key for" in worker.stderr
        assert "registered" not in squatter.stderr + worker.stderr
        squatter.send(signal.SIGKILL)
        squatter.wait()
        # And it finds its own master when that is there
        late = zmr.start("worker", address)
        late.wait_for("no master of this user keeps a key for")
        cluster.start_master(port=port)
        late.wait_for("registered with the master")
        cluster.stop()
        assert late.wait() == 0


def test_map_outputs_are_read_with_their_workers_key_alone(
    cluster: Cluster, zmr: Zmr, orders: Orders, texts: Path
) -> None:
    # Given a worker with a map output
    orders.hold("map text1.txt")
    cluster.start_master("--job", *orders.job, texts, "-o", zmr.folder / "out", "-r", "3")
    worker = cluster.start_worker("-v")
    worker.wait_for("hold at map text1.txt")
    [output] = cluster.local_folders[0].glob("*/*-map-*")
    found = re.search(r"-map-(\d+)-(\d+)", output.name)
    assert found, output.name
    job_id, index, attempt = output.parent.name, int(found[1]), int(found[2])
    # Whose port somebody knows
    [port] = ports_of(worker.pid)
    # When it is asked without the key, then it does not answer
    with Fetcher(1 << 20, patience_s=1.0) as fetcher:
        source = fetcher.open(f"tcp://127.0.0.1:{port}", job_id, index, attempt, 3)
        with pytest.raises(OSError, match="no answer"):
            open_partition(source, 0)
    orders.go_on()
    cluster.end()


def ports_of(pid: int) -> set[int]:
    """The ports of TCP at which the process listens."""
    opened = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    listening = [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in opened]
    return {int(row[1].partition(":")[2], 16) for row in listening}


# --- keys that are given -----------------------------------------------------------------------


def test_a_worker_joins_with_the_key_that_is_printed(
    cluster: Cluster, zmr: Zmr, tmp_path: Path
) -> None:
    # Given a worker elsewhere, where no key is found
    cluster.start_master()
    printed = zmr.run("key", "worker", cluster.address)
    assert (printed.status, printed.stderr) == (0, "")
    assert printed.stdout.strip() == key_of(cluster.address, Role.WORKER)
    elsewhere = {"ZMR_HOME": str(tmp_path / "elsewhere")}
    worker = zmr.start(
        "worker", cluster.address, env=elsewhere | {"ZMR_KEY": printed.stdout.strip()}
    )
    worker.wait_for("registered with the master")
    # And one with it in a file
    file = tmp_path / "key"
    file.write_text(printed.stdout)
    file.chmod(0o600)
    other = zmr.start("worker", cluster.address, "--key-file", file, env=elsewhere)
    other.wait_for("registered with the master")
    cluster.stop()
    assert (worker.wait(), other.wait()) == (0, 0)


@pytest.mark.parametrize("kind", ["another master's", "revoked", "watch", "no key"])
def test_a_given_key_that_is_wrong_is_said_at_once(cluster: Cluster, zmr: Zmr, kind: str) -> None:
    master = cluster.start_master()
    status, said = 4, ""
    if kind == "another master's":
        key, said = new_secret().key(Role.WORKER).text(), "is that of another master"
    elif kind == "revoked":
        key = key_of(cluster.address, Role.WORKER)
        assert zmr.run("key", "--rotate", "worker", cluster.address).status == 0
        said = "refuses the key in ZMR_KEY: it has been changed"
    elif kind == "watch":
        key, status = key_of(cluster.address, Role.WATCH), 2
        said = "is a watch key, and a worker key is needed"
    else:
        key, status, said = "worker.abc", 2, "ZMR_KEY is no key"
    worker = zmr.start("worker", cluster.address, env={"ZMR_KEY": key})
    assert worker.wait() == status
    assert said in worker.stderr
    assert key not in worker.stderr
    if status == 4:
        master.wait_for("peer refused, number 1: ")
        client = zmr.start(
            "status", cluster.address, env={"ZMR_KEY": key.replace("worker", "watch")}
        )
        assert client.wait() == 4
    cluster.stop()


def test_a_changed_key_puts_out_who_has_the_earlier_one(
    cluster: Cluster,
    zmr: Zmr,
    tmp_path: Path,
    orders: Orders,
    texts: Path,
    counts: dict[str, bytes],
) -> None:
    # Given a worker with a key that was given, one that has found it, and a job in progress
    master = cluster.start_master("--state-dir", tmp_path / "state")
    given = zmr.start(
        "worker", cluster.address, "-j", "1", env={"ZMR_KEY": key_of(cluster.address, Role.WORKER)}
    )
    given.wait_for("registered with the master")
    orders.hold("map text1.txt")
    own = cluster.start_worker()
    own.wait_for("registered with the master")
    out = zmr.folder / "out"
    job = cluster.submit(*orders.job, texts, "-o", out, "-r", "3")
    master.wait_for("job .* started")
    before = secret_of(cluster.address)

    # When the workers' key is changed
    changed = zmr.run("key", "--rotate", "worker", cluster.address)

    # Then the first one ends with the reason, and the other one, and the client, go on
    assert changed.status == 0, changed.stderr
    assert changed.stdout.strip() == key_of(cluster.address, Role.WORKER)
    assert given.wait() == 4
    assert "refuses the key in ZMR_KEY" in given.stderr
    orders.go_on()
    assert job.wait() == 0
    assert output_of(out) == counts
    after = secret_of(cluster.address)
    assert after == before.rotated(Role.WORKER)
    # And the change outlives the master
    assert read_key(str(tmp_path / "state" / "secret"), is_found=True) == after
    cluster.master.send(signal.SIGTERM)
    assert cluster.master.wait() == 128 + signal.SIGTERM
    own.send(signal.SIGTERM)
    own.wait()


def test_a_secret_that_was_made_before_serves_all(
    zmr: Zmr, cluster: Cluster, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    made = zmr.run("key", "new", secret)
    assert (made.status, made.stdout, secret.stat().st_mode & 0o777) == (0, "", 0o600)
    again = zmr.run("key", "new", secret)
    assert again.status == 2
    assert "is there already, and is left as it is" in again.stderr
    elsewhere = {"ZMR_HOME": str(tmp_path / "elsewhere")}
    cluster.start_master("--key-file", secret)
    worker = zmr.start("worker", cluster.address, "--key-file", secret, env=elsewhere)
    worker.wait_for("registered with the master")
    status = zmr.run("status", cluster.address, env={"ZMR_KEY": secret.read_text()} | elsewhere)
    assert "alive" in status.stdout
    cluster.stop()
    assert worker.wait() == 0


def test_a_master_takes_a_secret_only(zmr: Zmr) -> None:
    key = new_secret().key(Role.WORKER).text()
    master = zmr.run("master", "--port", "0", env={"ZMR_KEY": key})
    assert master.status == 2
    assert "ZMR_KEY is a worker key; a master needs a secret" in master.stderr


def test_a_key_and_no_keys_do_not_go_together(zmr: Zmr) -> None:
    key = {"ZMR_KEY": new_secret().text()}
    for args in (["master", "--port", "0"], ["worker", "127.0.0.1:1"], ["status", "127.0.0.1:1"]):
        ended = zmr.run(*args, "--insecure", env=key)
        assert ended.status == 2
        assert "--insecure is without keys, and ZMR_KEY is one" in ended.stderr


def test_the_key_is_not_in_the_environment_of_user_code(
    cluster: Cluster, zmr: Zmr, tmp_path: Path
) -> None:
    job = tmp_path / "job.py"
    job.write_text(
        "import os\nimport zmr\n\n\nclass Environment(zmr.Job):\n"
        "    def map(self, line):\n        yield 'ZMR_KEY' in os.environ, 1\n"
    )
    (tmp_path / "in.txt").write_text("x\n")
    cluster.start_master("--job", job, tmp_path / "in.txt", "-o", tmp_path / "out", "-r", "1")
    key = {"ZMR_KEY": key_of(cluster.address, Role.WORKER)}
    worker = zmr.start("worker", cluster.address, env=key)
    assert (cluster.master.wait(), worker.wait()) == (0, 0)
    assert (tmp_path / "out" / "mr-out-0").read_text().startswith("false\t")


# --- keys that are found -----------------------------------------------------------------------


def test_the_key_of_an_earlier_master_is_replaced_by_the_next(cluster: Cluster, zmr: Zmr) -> None:
    with reserved_port() as port:
        # Given a master that was killed, and so has left its key
        first = cluster.start_master(port=port)
        left = secret_of(cluster.address)
        first.send(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
        # And a worker and a tail that have found it
        worker = cluster.start_worker()
        tail = zmr.start("tail", cluster.address)
        tail.wait_for("waiting for a master")
        # When the next one comes, which has another one
        cluster.start_master(port=port)
        assert secret_of(cluster.address) != left
        # Then they find that
        worker.wait_for("registered with the master")
        tail.wait_for("worker .*: alive", stream="stdout")
        cluster.stop()
        assert tail.wait() == 0
    assert not any(os.path.exists(path) for path in paths_to_keep(parse(cluster.address)))


def test_a_master_whose_home_takes_no_key_serves_those_who_have_it(
    zmr: Zmr, cluster: Cluster, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    assert zmr.run("key", "new", secret).status == 0
    master = zmr.start(
        *("master", "--port", "0", "--key-file", secret), env={"ZMR_HOME": "/proc/nowhere"}
    )
    cluster.address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    master.wait_for("no command finds the key of this master by itself: can't keep it in")
    assert zmr.run("status", cluster.address, "--key-file", secret).status == 0
    master.send(signal.SIGTERM)
    assert master.wait() == 128 + signal.SIGTERM


def test_nothing_of_a_key_is_in_the_log(cluster: Cluster, zmr: Zmr) -> None:
    master = cluster.start_master("-v")
    worker = cluster.start_worker("-v")
    worker.wait_for("registered with the master")
    secret = secret_of(cluster.address)
    texts = [secret.key(role).text().partition(".")[2] for role in Role]
    texts += [text[43:] for text in texts] + [secret.text().split(".")[1]]
    cluster.stop()
    for text in texts:
        for process in (master, worker):
            assert text not in process.stderr + process.stdout
    assert "#" not in worker.stderr


def test_many_masters_come_and_go_while_others_connect(tmp_path: Path, zmr: Zmr) -> None:
    """libzmq#4241: making keys while contexts end has aborted the process."""
    program = tmp_path / "stress.py"
    program.write_text(STRESS)
    ended = zmr.run(program=[sys.executable, program])
    assert (ended.status, ended.stdout) == (0, "all right\n"), ended.stderr


STRESS = """
import threading, time
import zmq
from zmr.sockets.curve import new_pair, present, serve

end = time.monotonic() + 3


def connect():
    while time.monotonic() < end:
        pair = new_pair()
        with zmq.Context() as context:
            context.linger = 0
            with context.socket(zmq.ROUTER) as server, context.socket(zmq.DEALER) as peer:
                serve(server, pair, with_roles=False)
                port = server.bind_to_random_port("tcp://127.0.0.1")
                present(peer, pair.public, new_pair())
                peer.connect(f"tcp://127.0.0.1:{port}")
                peer.send(b"x")
                assert server.poll(10000)


def make():
    while time.monotonic() < end:
        new_pair()


threads = [threading.Thread(target=work) for work in (connect, connect, connect, make)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("all right")
"""
