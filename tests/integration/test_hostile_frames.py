"""Whatever comes in through the ports, masters and workers go on as if nothing had been.

One master and one worker, with a job in progress, stand all of it, one attack after the other; when
the last one is over, the job is let go on and its output compared.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import zmq
from support import Zmr, terminate
from support.cluster import Cluster, output_of
from support.orders import Orders
from support.peers import FakeMaster, Peer, peer_of, zmtp_greeting, zmtp_message
from support.process import WAIT_S, zmr_processes
from support.programs import in_shell

from zmr import messages as m
from zmr.net.keyring import Keyring
from zmr.sockets.curve import present
from zmr.wire import codec
from zmr.wire import zmr_pb2 as pb
from zmr.wire.address import parse
from zmr.wire.roles import Role

Context = zmq.Context[zmq.Socket[bytes]]


@dataclass(frozen=True)
class Besieged:
    """A master that has one worker, which has done one map, and waits in the second."""

    cluster: Cluster
    snapshot: m.Snapshot
    epoch: int

    @property
    def job_id(self) -> str:
        return self.snapshot.jobs[0].job_id

    def attempt(self, number: int) -> int:
        """Return the id of an attempt: 1 is that of the map that is done, 2 the one that runs."""
        return self.epoch << 32 | number

    @property
    def memory_bytes(self) -> int:
        """What the master's process has in memory now."""
        status = Path(f"/proc/{self.cluster.master.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@pytest.fixture(scope="module")
def besieged(
    tmp_path_factory: pytest.TempPathFactory, texts: Path, counts: dict[str, bytes]
) -> Iterator[Besieged]:
    """Give a master with a job in progress; in the end, let it go on and see that it is right."""
    folder = tmp_path_factory.mktemp("besieged")
    orders = Orders(folder / "orders")
    orders.hold("map text1.txt")
    context: Context = zmq.Context()
    with zmr_processes(folder) as zmr:
        cluster = Cluster(zmr)
        # All the tests of this module take their time, while one map is held.
        patient = ("--task-timeout", "1000")
        cluster.start_master("--job", *orders.job, texts, "-o", folder / "out", "-r", "3", *patient)
        [worker] = cluster.start_workers(1)
        worker.wait_for("hold at map text1.txt")
        with peer_of(context, cluster.address) as peer:
            snapshot = peer.snapshot()
            yield Besieged(cluster, snapshot, peer.epoch)
        orders.go_on()
        cluster.end()
        assert output_of(folder / "out") == counts
        assert set(orders.maps.values()) == {1}
    terminate(context)


@pytest.fixture
def peer(besieged: Besieged, zmq_context: Context) -> Iterator[Peer]:
    """Give an attacker; afterwards, another peer sees that nothing has changed."""
    with peer_of(zmq_context, besieged.cluster.address) as attacker:
        yield attacker
    with peer_of(zmq_context, besieged.cluster.address) as witness:
        now = witness.snapshot()
        assert (now.jobs, now.workers) == (besieged.snapshot.jobs, besieged.snapshot.workers)
        assert witness.epoch == besieged.epoch


def frame(*messages: pb.Message, version: int = codec.VERSION) -> bytes:
    encoded: bytes = pb.Frame(version=version, messages=messages).SerializeToString()
    return encoded


def submit(**changes: object) -> bytes:
    spec = m.JobSpec("job", "job", "wordcount", b"", "", (), 1, "/nowhere")
    spec = replace(spec, **changes)  # type: ignore[arg-type]
    return codec.encode(m.Frame(0, (m.Submit(spec, ()),)))


WHOLE = codec.encode(m.Frame(0, (m.GetSnapshot(),)))
UNKNOWN_KIND = bytes([0x08, codec.VERSION, 0x1A, 3, 0xFA, 0x7F, 0])  # field 2047 of Message


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([b"\xff" * 100], r"not a zmr frame \(100 bytes\)"),
        ([b"GET / HTTP/1.1\r\n\r\n"], "not a zmr frame"),
        ([WHOLE[:-1]], "not a zmr frame"),
        ([b""], "protocol version 0, but this side speaks version 1: run the same zmr version"),
        ([frame(version=2)], "protocol version 2, but this side speaks version 1"),
        ([WHOLE, WHOLE], "a message of 2 parts; one is expected"),
        ([b"", WHOLE], "a message of 2 parts"),
        ([b"x"] * 1000, "a message of 1000 parts"),
        ([frame(*[pb.Message(get_snapshot=pb.GetSnapshot())] * 1001)], "more than 1,000 messages"),
        ([WHOLE * 100_000], "more than 16 fields that are no messages"),
        ([frame(pb.Message())], "may not send a master that"),
        ([UNKNOWN_KIND], "may not send a master that"),
        ([frame(pb.Message(register=pb.Register(slots=0)))], "slots"),
        ([frame(pb.Message(register=pb.Register(slots=10_001)))], "10001 slots; at most 10000"),
        ([frame(pb.Message(get_task=pb.GetTask(credit=2**31)))], "credits; at most"),
        ([frame(pb.Message(commit_request=pb.CommitRequest()))], "0 is no task kind"),
        ([frame(pb.Message(exit=pb.Exit()))], "with a worker key may not send a master exit"),
        ([frame(pb.Message(task=pb.Task(job_id="j", kind=pb.TASK_KIND_MAP)))], "a master task"),
        ([frame(pb.Message(snapshot=pb.Snapshot()))], "may not send a master snapshot"),
        ([submit()], "a peer with a worker key may not send a master submit"),
    ],
)
def test_a_bad_frame_is_refused_with_its_reason(
    parts: list[bytes], reason: str, peer: Peer
) -> None:
    peer.send(*parts)
    assert_refused(peer, reason)


def test_a_part_whose_others_were_lost_is_repeated_and_not_refused(peer: Peer) -> None:
    # A worker that is refused as it registers ends; one whose first part the master of before has
    # got, a moment before it ended, must not.
    peer.send(pb.Frame(version=codec.VERSION, part=2, parts=2).SerializeToString())
    peer.say(m.GetSnapshot())
    [answer] = peer.answer()
    assert isinstance(answer, m.Snapshot)


def assert_refused(peer: Peer, reason: str) -> None:
    [answer] = peer.answer()
    assert isinstance(answer, m.Refused)
    assert re.search(reason, answer.reason)
    assert len(answer.reason) < 300


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (submit(job_id="../../tmp/x"), "'../../tmp/x' can't be a job id"),
        (submit(n_reduce=2**31), "reduce tasks; at most"),
        (submit(max_attempts=0), "a job with limits that make no sense"),
        (submit(task_timeout_s=float("nan")), "a job with limits that make no sense"),
        (submit(), "this master takes no more jobs"),
        (frame(pb.Message(cancel_job=pb.CancelJob(job_id="x"))), "there is no job 'x'"),
        (frame(pb.Message(register=pb.Register(slots=1))), "a client key may not send a master"),
    ],
)
def test_what_a_client_may_not_ask_is_refused(
    part: bytes, reason: str, besieged: Besieged, peer: Peer, zmq_context: Context
) -> None:
    with peer_of(zmq_context, besieged.cluster.address, Role.CLIENT) as client:
        client.send(part)
        assert_refused(client, reason)


def test_who_watches_may_do_nothing(besieged: Besieged, peer: Peer, zmq_context: Context) -> None:
    with peer_of(zmq_context, besieged.cluster.address, Role.WATCH) as watcher:
        for part, kind in (
            (submit(), "submit"),
            (frame(pb.Message(cancel_job=pb.CancelJob(job_id=besieged.job_id))), "cancel_job"),
            (frame(pb.Message(register=pb.Register(slots=1))), "register"),
            (frame(pb.Message(leave=pb.Leave())), "leave"),
        ):
            watcher.send(part)
            assert_refused(watcher, f"a peer with a watch key may not send a master {kind}")
        assert watcher.snapshot().jobs == besieged.snapshot.jobs


def test_who_has_no_key_is_not_heard(besieged: Besieged, peer: Peer, zmq_context: Context) -> None:
    with peer_of(zmq_context, besieged.cluster.address, role=None) as stranger:
        stranger.say(m.GetSnapshot())
        besieged.cluster.master.wait_for("peer refused, number 1: it has no key")
        assert not stranger.socket.poll(200)


def test_a_frame_of_100_megabytes_is_not_taken_in(
    besieged: Besieged, peer: Peer, zmq_context: Context
) -> None:
    peer.snapshot()
    before_bytes = besieged.memory_bytes
    peer.send(bytes(3_000_000))
    [answer] = peer.answer()
    assert answer == m.Refused("a frame of 3,000,000 bytes; a master takes 2,097,152")
    # Of one that is larger still, libzmq drops the connection.
    with peer_of(zmq_context, besieged.cluster.address) as other:
        other.send(bytes(100_000_000))
        assert not other.socket.poll(1000)
    peer.snapshot()
    assert besieged.memory_bytes < before_bytes + 20_000_000


def test_costly_frames_within_the_limits_are_cheap(besieged: Besieged, peer: Peer) -> None:
    peer.snapshot()
    before_bytes = besieged.memory_bytes
    n = codec.TO_MASTER_LIMIT_BYTES // 2 - 100
    jobs = pb.Snapshot(jobs=[pb.JobStatus()] * n)
    beats = pb.Heartbeat(progress=[pb.Progress()] * n)
    for _ in range(4):
        for data in (
            frame(pb.Message(snapshot=jobs)),
            frame(pb.Message(heartbeat=beats)),
            b"\x08\x01" * n,
        ):
            peer.send(data)
            peer.answer()
    assert besieged.memory_bytes < before_bytes + 300_000_000


def test_a_flood_of_bad_frames_is_counted(besieged: Besieged, peer: Peer) -> None:
    for number in range(10_000):
        peer.send(b"\xff" * (number % 100))
    peer.snapshot()
    besieged.cluster.master.wait_for(r"WARNING bad frame, number 10000: ")
    told = re.findall(r"bad frame, number (\d+)", besieged.cluster.master.stderr)
    assert told == ["1", "10", "100", "1000", "10000"][-len(told) :]


def test_what_only_a_worker_says_is_not_believed_from_others(
    besieged: Besieged, peer: Peer
) -> None:
    done = m.MapDone(besieged.job_id, 1, besieged.attempt(2), "/etc/passwd", m.Stats())
    for message in (done, m.GetTask(5), m.Heartbeat(5)):
        for peer.epoch in (besieged.epoch, 0):
            peer.say(message)
            assert list(peer.answer()) == [m.RegisterAgain()]
    peer.epoch = besieged.epoch
    peer.say(m.Leave("just so"))


def test_a_worker_can_say_nothing_of_anothers_attempts(besieged: Besieged, peer: Peer) -> None:
    # Given an impostor that is registered, and claims right away to hold what is another's
    job_id, done, running = besieged.job_id, besieged.attempt(1), besieged.attempt(2)
    forged_map = m.MapDone(job_id, 0, done, "/etc/passwd", m.Stats())
    peer.say(m.Register("impostor", "nowhere", 1, 1, (done, running), (forged_map,)))
    registered, cancel = peer.answer()
    assert isinstance(registered, m.Registered)
    assert isinstance(cancel, m.Cancel)
    assert set(cancel.attempts) >= {running}
    try:
        # When it reports on them as if they were its own
        file = m.OutputFile("mr-out-0", 1, "crc32:00000000")
        user_error = m.FailureReason.USER_ERROR
        for attempt in (done, running, 12345, 0):
            index = max(0, (attempt & 0xFFFFFFFF) - 1)
            for forged in (
                replace(forged_map, index=index, attempt=attempt),
                m.ReduceDone(job_id, index, attempt, file, m.Stats()),
                m.TaskFailed(job_id, m.TaskKind.MAP, index, attempt, user_error, "no"),
                m.TaskFailed(
                    job_id, m.TaskKind.REDUCE, index, attempt, m.FailureReason.LOST_INPUT, "no",
                    lost=((0, done), (1, running), (2**31, 0)),
                ),
            ):  # fmt: skip
                peer.say(forged)
                answers = peer.answer()
                assert {type(answer) for answer in answers} <= {m.Ack, m.Cancel}
            # Then it is told to forget them, and may commit none
            for kind in m.TaskKind:
                peer.say(m.CommitRequest(job_id, kind, index, attempt))
                assert list(peer.answer()) == [m.CommitReply(attempt, granted=False)]
        peer.say(m.Heartbeat(0, (m.Progress(running, 10**12), m.Progress(done, 10**12))))
        assert m.HeartbeatReply() in peer.answer()
    finally:
        peer.say(m.Leave("enough"))


@pytest.mark.parametrize("is_events_port", [False, True])
def test_other_protocols_are_none_of_ours(
    is_events_port: bool, besieged: Besieged, peer: Peer
) -> None:
    address = besieged.snapshot.events_address if is_events_port else besieged.cluster.address
    with connected(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: master\r\n\r\n" + bytes(100_000))
        read_to_the_end(connection)


def test_many_connections_leave_room_for_more(zmr: Zmr, zmq_context: Context) -> None:
    few_files = in_shell('ulimit -Sn 64; exec "$@"')
    master = zmr.start("master", "--port", "0", program=few_files)
    address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connected(address))
        with peer_of(zmq_context, address) as peer:
            assert peer.snapshot().jobs == ()


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_S)


def read_to_the_end(connection: socket.socket) -> None:
    """Wait until the other side closes the connection."""
    with suppress(ConnectionResetError):
        while connection.recv(4096):
            pass


def test_nothing_can_be_said_at_the_events_port(
    besieged: Besieged, zmq_context: Context, peer: Peer
) -> None:
    with zmq_context.socket(zmq.XSUB) as subscriber:
        key = Keyring(parse(besieged.cluster.address)).find(Role.WATCH)
        assert key is not None
        present(subscriber, key.master, key.pair)
        subscriber.connect(besieged.snapshot.events_address)
        for said in (b"\x01", b"\x01" * 1000, b"\x00never subscribed", b"\x07", WHOLE):
            subscriber.send(said)
        assert subscriber.poll(10_000)
        assert codec.decode_events(subscriber.recv()) == (besieged.epoch, ())


def test_subscriptions_without_end_take_nothing_from_the_master(
    besieged: Besieged, zmq_context: Context, peer: Peer
) -> None:
    address, before = besieged.snapshot.events_address, besieged.memory_bytes
    with zmq_context.socket(zmq.XSUB) as subscriber:
        key = Keyring(parse(besieged.cluster.address)).find(Role.WATCH)
        assert key is not None
        present(subscriber, key.master, key.pair)
        subscriber.setsockopt(zmq.LINGER, 0)
        subscriber.setsockopt(zmq.SNDTIMEO, 1000)
        subscriber.connect(address)
        # Each takes some fifty times its size: a hundred thousand would be gigabytes.
        for _ in range(100_000):
            with suppress(zmq.Again):
                subscriber.send(b"\x01" + os.urandom(900))
            if "the process that broadcasts events has ended" in besieged.cluster.master.stderr:
                break
        besieged.cluster.master.wait_for("the process that broadcasts events has ended")
    # The master has not grown, and answers; and who follows then is greeted as before.
    assert besieged.memory_bytes < before + 50_000_000
    assert peer.snapshot().events_address == address
    with zmq_context.socket(zmq.SUB) as follower:
        present(follower, key.master, key.pair)
        follower.setsockopt(zmq.SUBSCRIBE, b"")
        follower.connect(address)
        assert follower.poll(int(WAIT_S * 1000))
        assert codec.decode_events(follower.recv()) == (besieged.epoch, ())


def test_a_subscription_of_a_megabyte_ends_its_connection(besieged: Besieged, peer: Peer) -> None:
    with connected(besieged.snapshot.events_address) as connection:
        with suppress(ConnectionResetError):  # while the rest of it is being sent
            connection.sendall(zmtp_greeting("SUB") + zmtp_message(b"\x01" * 1_000_000))
        read_to_the_end(connection)


def test_a_worker_stands_what_a_wrong_master_sends(zmr: Zmr, zmq_context: Context) -> None:
    # Given a worker whose master is none
    master = FakeMaster(zmq_context)
    with master.socket:
        worker = zmr.start("worker", master.address, "-j", "1", "--insecure")
        assert isinstance(master.heard(m.Register), m.Register)
        master.say(m.Registered(0.05, 5.0), epoch=7)
        master.heard(m.Heartbeat)

        # When that one sends what no master would
        for parts in ([b"\xff" * 100], [b""], [WHOLE, WHOLE], [frame(version=2)], [UNKNOWN_KIND]):
            master.send(*parts)
        spec = m.JobSpec("job", "job", "wordcount", b"", "", (), 1, "/nowhere")
        task = m.Task("other", m.TaskKind.MAP, 0, 1, 1, "/nowhere")
        for message in (
            m.TaskResponse((task,), (spec,)),
            m.Register("master", "nowhere", 1, 1),
            m.Submit(spec, ()),
            m.Cancel((1, 2, 3), "never heard of them"),
            m.Ack((1, 2, 3)),
            m.CommitReply(1, granted=True),
            m.ForgetJob("job"),
        ):
            master.say(message, epoch=7)
            master.say(message, epoch=8)
        master.say(m.Exit("said in another epoch"), epoch=8)
        # Then it counts them and goes on, also when one was so large that the connection broke
        worker.wait_for("bad frame from the master, number 1: not a zmr frame")
        assert master.heard(m.Heartbeat) == m.Heartbeat(1)
        master.send(bytes(codec.FRAME_LIMIT_BYTES + 1))
        while isinstance(master.heard(m.Heartbeat, m.Leave), m.Heartbeat):
            with suppress(zmq.ZMQError):  # that heartbeat was from before
                master.say(m.Exit("enough"), epoch=7)
        assert worker.wait() == 0
        assert "the master says to exit: enough" in worker.stderr


def test_a_worker_of_another_version_ends_with_the_reason(zmr: Zmr, zmq_context: Context) -> None:
    master = FakeMaster(zmq_context)
    with master.socket:
        worker = zmr.start("worker", master.address, "-j", "1", "--insecure")
        master.heard(m.Register)
        master.send(frame(version=codec.VERSION + 1))
        assert worker.wait() == 4
        assert f"the master at {master.address}: protocol version 2, but" in worker.stderr
        assert "run the same zmr version on both sides" in worker.stderr


def test_a_port_in_use_is_said_before_anything_starts(
    zmr: Zmr, texts: Path, tmp_path: Path
) -> None:
    job = ("--job", "wordcount", texts, "-o", tmp_path / "out")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        control = zmr.start("master", "--port", str(port), *job)
        events = zmr.start("master", "--port", "0", "--events-port", str(port), *job)
        for command, flag in ((control, "--port"), (events, "--events-port")):
            assert command.wait() == 2
            assert command.stderr == (
                f"zmr: tcp://127.0.0.1:{port} is in use: choose another port with {flag} "
                "(0 picks a free one)\n"
            )
    assert not (tmp_path / "out").exists()


def test_a_master_without_keys_says_so_each_time(cluster: Cluster) -> None:
    master = cluster.start_master("--insecure")
    master.wait_for("--insecure: whoever can reach the ports can run code on the workers")
    cluster.start_worker("--insecure").wait_for("registered with the master")
    cluster.stop()


def test_the_environment_opens_no_master(cluster: Cluster, zmr: Zmr) -> None:
    master = zmr.start("master", "--port", "0", env={"ZMR_INSECURE": "1"})
    cluster.address = master.wait_for(r"^tcp://\S+", stream="stdout").group()
    stranger = zmr.run("status", cluster.address, "--insecure")
    assert stranger.status == 4
    assert "wants a key: leave --insecure out" in stranger.stderr
    master.send(signal.SIGTERM)
    assert master.wait() == 128 + signal.SIGTERM
