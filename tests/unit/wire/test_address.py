"""Addresses: as the user writes them, and as sockets get them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from zmr.errors import AddressError
from zmr.sockets.addresses import bind, bind_ipc, connect, rebind, usable_from_elsewhere
from zmr.wire.address import Address, parse

_Context = zmq.Context[zmq.Socket[bytes]]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("tcp://127.0.0.1:5555", "127.0.0.1", 5555),
        ("localhost:1", "localhost", 1),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("tcp://[::1]:5555", "::1", 5555),
        ("example.org:5555", "example.org", 5555),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert parse(text) == Address(host, port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_an_address_is_written_as_it_is_read(host: str) -> None:
    assert parse(str(Address(host, 5555))) == Address(host, 5555)
    assert str(Address(host, 5555)).count("[") == (host == "::1")


@pytest.mark.parametrize(
    "text",
    [
        *("", "5555", ":5555", "tcp://:5555", "localhost", "localhost:", "localhost:five"),
        *("localhost:0", "localhost:65536", "localhost:-1", "tcp://localhost:5555/x", "[]:5555"),
    ],
)
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse(text)
    assert str(refused.value) == f"{text!r} is no address: write tcp://HOST:PORT"


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *((host, True) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1")),
        *((host, False) for host in ("10.0.0.1", "example.org", "::", "0.0.0.0")),
    ],
)
def test_what_is_of_this_machine_alone_is_known(host: str, is_loopback: bool) -> None:
    assert Address(host, 5555).is_loopback == is_loopback


@pytest.fixture
def sockets(zmq_context: _Context) -> Iterator[list[zmq.Socket[bytes]]]:
    """A ROUTER and two DEALERs."""
    kinds = (zmq.ROUTER, zmq.DEALER, zmq.DEALER)
    opened = [zmq_context.socket(kind) for kind in kinds]
    yield opened
    for each in opened:
        each.close(linger=0)


def says(dealer: zmq.Socket[bytes], router: zmq.Socket[bytes], text: bytes) -> None:
    """Fail if what the dealer sends does not arrive."""
    dealer.send(text)
    assert router.poll(10_000), f"{text!r} does not arrive"
    assert router.recv_multipart()[1] == text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_port_0_is_a_free_one_that_is_told(host: str, sockets: list[zmq.Socket[bytes]]) -> None:
    router, dealer, _ = sockets

    bound = bind(router, Address(host, 0), "--port")

    assert bound.host == host
    assert 0 < bound.port < 65536
    connect(dealer, bound)
    says(dealer, router, b"hello")


def test_a_port_that_is_asked_for_is_taken(sockets: list[zmq.Socket[bytes]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = Address("127.0.0.1", other.getsockname()[1])

    assert bind(sockets[0], free, "--port") == free
    assert sockets[0].getsockopt_string(zmq.LAST_ENDPOINT) == str(free)


def test_a_port_that_is_in_use_is_said_with_the_way_out(
    sockets: list[zmq.Socket[bytes]],
) -> None:
    router, other, _ = sockets
    taken = bind(router, Address("127.0.0.1", 0), "--port")

    with pytest.raises(AddressError) as refused:
        bind(other, taken, "--events-port")
    assert str(refused.value) == (
        f"{taken} is in use: choose another port with --events-port (0 picks a free one)"
    )


def test_an_address_of_no_interface_can_not_be_listened_at(
    sockets: list[zmq.Socket[bytes]],
) -> None:
    with pytest.raises(AddressError, match=r"can't listen at tcp://192\.0\.2\.1:5555: "):
        bind(sockets[0], Address("192.0.2.1", 5555), "--port")


def test_a_host_that_is_none_can_not_be_connected_to(sockets: list[zmq.Socket[bytes]]) -> None:
    with pytest.raises(AddressError, match="can't connect to tcp://a b:5555: "):
        connect(sockets[1], Address("a b", 5555))


def send_for_ever(router: zmq.Socket[bytes], peer: bytes) -> None:
    """Raise when libzmq has noticed that the peer is gone."""
    while True:
        router.send_multipart([peer, b"two"])
        router.poll(10)


def test_a_socket_that_is_bound_again_lets_go_of_its_peers(
    sockets: list[zmq.Socket[bytes]],
) -> None:
    router, dealer, _ = sockets
    bound = bind(router, Address("127.0.0.1", 0), "--port")
    connect(dealer, bound)
    dealer.send(b"one")
    assert router.poll(10_000)
    first = router.recv_multipart()[0]

    rebind(router)

    assert router.getsockopt_string(zmq.LAST_ENDPOINT) == str(bound)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    with pytest.raises(zmq.ZMQError):
        send_for_ever(router, first)
    # It comes back by itself; what it had under way may be lost.
    deadline = time.monotonic() + 10
    while not router.poll(50):
        assert time.monotonic() < deadline
        dealer.send(b"three")


def test_a_socket_of_this_machine_alone_is_a_file(
    sockets: list[zmq.Socket[bytes]], tmp_path: Path
) -> None:
    router, dealer, _ = sockets

    bind_ipc(router, f"ipc://{tmp_path}/s")

    dealer.connect(f"ipc://{tmp_path}/s")
    says(dealer, router, b"hello")
    with pytest.raises(AddressError, match="can't listen at ipc:///nowhere/s"):
        bind_ipc(sockets[2], "ipc:///nowhere/s")


# --- as other machines see it ---


@pytest.mark.parametrize(
    ("families", "needs"),
    [([4], False), ([6], True), ([6, 4], False), ([], False)],
)
def test_ipv6_is_used_where_there_is_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
    sockets: list[zmq.Socket[bytes]],
    families: list[int],
    needs: bool,
) -> None:
    known = {4: (socket.AF_INET, "127.0.0.1"), 6: (socket.AF_INET6, "::1")}

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if not families:
            raise socket.gaierror("no such name")
        return [(known[f][0], 1, 6, "", (known[f][1], 0)) for f in families]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    connect(sockets[1], Address("localhost", 5555))
    assert sockets[1].getsockopt(zmq.IPV6) == needs


def test_the_address_for_others_is_one_that_they_can_use(
    sockets: list[zmq.Socket[bytes]],
) -> None:
    bound = bind(sockets[0], Address("0.0.0.0", 0), "--port")
    usable = usable_from_elsewhere(bound, sockets[0])
    assert usable.port == bound.port
    assert not usable.is_loopback
    here = bind(sockets[1], Address("127.0.0.1", 0), "--port")
    assert usable_from_elsewhere(here, sockets[1]) == here
    # A name for loopback is of no use to others, whatever it looks like.
    named = Address("master.lan", here.port)
    assert usable_from_elsewhere(named, sockets[1]) == here
