"""The shuffle server gives out map outputs, and nothing else, whatever it is asked."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from support.process import WAIT_S
from support.shuffling import JOB_ID, output_path, served

from zmr.errors import AddressError
from zmr.shuffle.protocol import FetchReply, FetchRequest, decode_reply, encode_request
from zmr.shuffle.server import ShuffleServer
from zmr.sockets.addresses import interface_towards
from zmr.wire import zmr_pb2 as pb
from zmr.wire.address import Address, parse

Context = zmq.Context[zmq.Socket[bytes]]
CONTENT = bytes(range(256)) * 1024  # 256 KiB


class Client:
    """A connection with a server."""

    def __init__(self, context: Context, server: ShuffleServer, takes: int = 1000) -> None:
        """It queues so many messages, then lets the server wait."""
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.RCVHWM, takes)
        self.socket.setsockopt(zmq.RCVBUF, 4096 if takes == 1 else -1)
        self.socket.connect(server.endpoint())

    def send(self, *parts: bytes) -> None:
        self.socket.send_multipart(parts)

    def answer(self) -> tuple[FetchReply, bytes]:
        assert self.socket.poll(int(WAIT_S * 1000)), f"no answer within {WAIT_S} s"
        head, piece = self.socket.recv_multipart()
        return decode_reply(head), piece

    def ask(self, request: FetchRequest) -> tuple[FetchReply, bytes]:
        self.send(encode_request(request))
        return self.answer()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a worker's folder with the output of map 0, which is no real one."""
    (tmp_path / JOB_ID).mkdir()
    output_path(tmp_path, 0).write_bytes(CONTENT)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[ShuffleServer]:
    """Give a server of that folder."""
    with served(folder) as server:
        yield server


@pytest.fixture
def client(zmq_context: Context, server: ShuffleServer) -> Iterator[Client]:
    """Give a client, and see afterwards that the server still serves another one."""
    client = Client(zmq_context, server)
    yield client
    client.socket.close(linger=0)
    witness = Client(zmq_context, server)
    assert witness.ask(piece(0, 3)) == (FetchReply(1, len(CONTENT)), CONTENT[:3])
    witness.socket.close(linger=0)


def piece(
    offset: int, size_bytes: int, *, index: int = 0, attempt: int = 100, from_end: bool = False
) -> FetchRequest:
    return FetchRequest(1, JOB_ID, index, attempt, offset, size_bytes, from_end)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (piece(0, len(CONTENT)), CONTENT),
        (piece(5001, 70_000), CONTENT[5001:75_001]),
        (piece(5001, 7), CONTENT[5001:5008]),
        (piece(len(CONTENT) - 10, 100), CONTENT[-10:]),
        (piece(len(CONTENT), 100), b""),
        (piece(2**64 - 1, 100), b""),
        (piece(0, 100, from_end=True), CONTENT[-100:]),
        (piece(0, 1 << 20, from_end=True), CONTENT),
        (piece(0, 0), b""),
    ],
)
def test_a_piece_is_what_the_file_has_there(
    client: Client, request_: FetchRequest, expected: bytes
) -> None:
    assert client.ask(request_) == (FetchReply(1, len(CONTENT)), expected)


def test_what_is_not_there_is_told(client: Client, folder: Path) -> None:
    (folder / "secret").write_text("secret")
    (folder / JOB_ID / "secret").write_text("secret")
    output_path(folder, 2).symlink_to(folder / "secret")
    output_path(folder, 3).mkdir()
    os.mkfifo(output_path(folder, 4))
    for index, attempt in ((0, 101), (1, 100), (2, 102), (3, 103), (4, 104)):
        reply, data = client.ask(piece(0, 10, index=index, attempt=attempt))
        assert reply.error
        assert data == b""


@pytest.mark.parametrize("job_id", ["", "..", "../j1", "/etc", ".hidden", "j1/", "j" * 101, "a\0b"])
def test_a_job_id_that_leads_elsewhere_gets_no_answer(
    client: Client, server: ShuffleServer, job_id: str
) -> None:
    fetch = pb.FetchRequest(version=1, id=7, job_id=job_id, map_index=0, attempt=100, size_bytes=10)
    client.send(fetch.SerializeToString())
    assert client.ask(piece(0, 1))[0].id == 1
    assert server.bad_frames == 1


GOOD = encode_request(piece(0, 1))


@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"\xff" * 100],
        [b"GET / HTTP/1.1\r\n\r\n"],
        [GOOD, GOOD],
        [GOOD, b""],
        [b"x"] * 100,
        [pb.FetchRequest(version=2, job_id=JOB_ID, attempt=100).SerializeToString()],
        [pb.FetchRequest(version=1, job_id=JOB_ID, size_bytes=(1 << 20) + 1).SerializeToString()],
        [GOOD[:-1] + b"\xff"],
    ],
)
def test_what_makes_no_sense_is_counted_and_gets_no_answer(
    client: Client, server: ShuffleServer, parts: list[bytes]
) -> None:
    client.send(*parts)
    assert client.ask(piece(0, 1))[1] == CONTENT[:1]
    assert server.bad_frames == 1


def test_a_huge_message_costs_its_sender_the_connection(
    client: Client, server: ShuffleServer
) -> None:
    client.send(bytes(100_000))
    client.send(encode_request(piece(0, 1)))
    assert not client.socket.poll(50)
    assert server.bad_frames == 0


def test_a_file_that_is_cut_or_removed_is_noticed_although_it_is_open(
    client: Client, folder: Path
) -> None:
    path = output_path(folder, 1)
    path.write_bytes(CONTENT)
    opened = piece(0, len(CONTENT), index=1, attempt=101)
    assert client.ask(opened)[1] == CONTENT
    os.truncate(path, 10)
    assert client.ask(opened) == (FetchReply(1, 10), CONTENT[:10])
    path.unlink()
    assert client.ask(opened)[0].error == "No such file or directory"


def test_a_file_that_is_cut_while_pieces_are_queued_kills_nobody(
    zmq_context: Context, server: ShuffleServer, folder: Path
) -> None:
    # Given a client that takes nothing yet of what it has asked for
    path = output_path(folder, 1)
    path.write_bytes(64 * CONTENT)
    slow = Client(zmq_context, server, takes=1)
    for number in range(16):
        slow.send(encode_request(piece(number << 20, 1 << 20, index=1, attempt=101)))
    slow.answer()
    # A server is fair to its peers, so in this time it has come to all of these requests
    witness = Client(zmq_context, server)
    for _ in range(50):
        witness.ask(piece(0, 3))
    witness.socket.close(linger=0)

    # When the file is cut, then each piece arrives as it was read, and the server goes on
    os.truncate(path, 0)
    for _ in range(15):
        assert slow.answer()[1] in (4 * CONTENT, b"")
    assert slow.ask(piece(0, 3))[1] == CONTENT[:3]
    slow.socket.close(linger=0)


def test_files_are_closed_when_nobody_asks_any_more(client: Client, folder: Path) -> None:
    name = str(output_path(folder, 0))
    assert client.ask(piece(0, len(CONTENT)))[1] == CONTENT
    assert name in open_files()
    # Nothing is told of it: it is looked for until it is so, by questions that concern no file.
    for _ in range(100):
        client.socket.poll(100)
        if name not in open_files():
            break
    assert name not in open_files()


def open_files() -> set[str]:
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{entry}"))
        except OSError:  # the one of the listing itself
            continue
    return found


def test_who_asks_on_and_takes_nothing_does_not_fill_the_memory(
    server: ShuffleServer, zmq_context: Context
) -> None:
    greedy = zmq_context.socket(zmq.DEALER)
    greedy.setsockopt(zmq.RCVHWM, 1)
    greedy.setsockopt(zmq.SNDHWM, 0)
    greedy.connect(server.endpoint())
    request = encode_request(piece(0, len(CONTENT)))
    for _ in range(5000):
        greedy.send(request)
    others = Client(zmq_context, server)
    while not server.dropped:
        assert others.ask(piece(0, 3))[1] == CONTENT[:3]
    greedy.close(linger=0)
    others.socket.close(linger=0)


def test_closing_frees_port_thread_and_files(folder: Path) -> None:
    gc.collect()  # of tests before this one
    before = len(os.listdir("/proc/self/fd"))
    with served(folder) as first:
        port = parse(first.endpoint()).port
        with pytest.raises(AddressError, match="in use: choose another port with --shuffle-port"):
            ShuffleServer([Address("127.0.0.1", port)], str(folder))
    with served(folder, Address("127.0.0.1", port)) as second:
        assert second.endpoint() == first.endpoint()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_the_interface_is_the_one_towards_the_master() -> None:
    assert interface_towards(Address("127.0.0.1", 1)) == "127.0.0.1"
    assert interface_towards(Address("localhost", 1)) == "127.0.0.1"
    assert interface_towards(Address("::1", 1)) == "::1"
    assert interface_towards(Address("0.0.0.0", 1)).startswith("127.")
    with pytest.raises(OSError, match=r"."):
        interface_towards(Address("no.such.host.invalid", 1))
