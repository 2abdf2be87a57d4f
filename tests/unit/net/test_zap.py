"""Who gets in, and as what: on real sockets, with a reactor between them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from zmr.net.keys import Secret, new_secret
from zmr.net.reactor import Reactor
from zmr.net.zap import Authenticator, answer_of
from zmr.sockets.curve import KeyPair, new_pair, present, serve
from zmr.wire.roles import Role

Context = zmq.Context[zmq.Socket[bytes]]
PUBLIC = b"k" * 32


@given(st.lists(st.binary(max_size=40), max_size=9))
def test_whatever_is_asked_is_answered_and_only_a_known_key_gets_in(request: list[bytes]) -> None:
    role, answer = answer_of(request, {PUBLIC: Role.WORKER})
    assert len(answer) == 6
    is_known = len(request) == 7 and (request[0], *request[5:]) == (b"1.0", b"CURVE", PUBLIC)
    assert (answer[2] == b"200") == (role is not None) == is_known
    assert answer[4] == (b"worker" if role else b"")


def test_other_mechanisms_do_not_get_in() -> None:
    for mechanism, credentials in ((b"NULL", []), (b"PLAIN", [b"a", b"b"]), (b"GSSAPI", [PUBLIC])):
        request = [b"1.0", b"1", b"zmr", b"127.0.0.1", b"", mechanism, *credentials]
        assert answer_of(request, {PUBLIC: Role.WORKER})[0] is None


class Server:
    """A ROUTER that takes the keys of a secret."""

    def __init__(self, context: Context) -> None:
        self.secret = new_secret()
        self.context = context
        self.peers: list[zmq.Socket[bytes]] = []
        self.reactor = Reactor()
        self.authenticator = Authenticator(context, self.reactor)
        self.authenticator.allowed = self.secret.allowed()
        self.socket = context.socket(zmq.ROUTER)
        serve(self.socket, self.secret.pair(), with_roles=True)
        self.authenticator.watch(self.socket)
        self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.heard: list[tuple[bytes, str]] = []
        self.reactor.watch(self.socket, self._on_readable)

    def _on_readable(self) -> None:
        frames = self.socket.recv_multipart(copy=False)
        self.heard.append((frames[-1].bytes, str(frames[-1].get("User-Id"))))

    def peer(self, server: bytes, own: KeyPair) -> zmq.Socket[bytes]:
        socket = self.context.socket(zmq.DEALER)
        self.peers.append(socket)
        present(socket, server, own)
        socket.connect(f"tcp://127.0.0.1:{self.port}")
        return socket

    def turn_until(self, n_heard: int, n_refused: int) -> None:
        deadline = time.monotonic() + 20
        while (len(self.heard), self.authenticator.refused) < (n_heard, n_refused) or (
            self.authenticator.refused < n_refused
        ):
            assert time.monotonic() < deadline, (self.heard, self.authenticator.refused)
            self.reactor.turn(0.05)


@pytest.fixture
def server(zmq_context: Context) -> Iterator[Server]:
    server = Server(zmq_context)
    yield server
    server.authenticator.close()
    for socket in (*server.peers, server.socket):
        socket.close(linger=0)


def test_each_key_has_its_role(server: Server) -> None:
    for role in Role:
        key = server.secret.key(role)
        server.peer(key.master, key.pair).send(role.name.encode())
    server.turn_until(3, 0)
    assert sorted(server.heard) == sorted((role.name.encode(), role.value) for role in Role)


@pytest.mark.parametrize("kind", ["no role", "earlier", "other master"])
def test_who_has_no_key_of_this_master_is_out_and_counted(
    server: Server, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = server.secret.key(Role.CLIENT)
    if kind == "earlier":
        server.authenticator.allowed = server.secret.rotated(Role.CLIENT).allowed()
        stranger = server.peer(key.master, key.pair)
    elif kind == "other master":
        stranger = server.peer(Secret(bytes(32)).pair().public, key.pair)
    else:
        stranger = server.peer(key.master, new_pair())
    with caplog.at_level(logging.WARNING, "zmr.master"):
        stranger.send(b"let me in")
        server.turn_until(0, 1)
    watch = server.secret.key(Role.WATCH)
    server.peer(watch.master, watch.pair).send(b"hello")
    server.turn_until(1, 1)
    assert server.heard == [(b"hello", "watch")]
    assert "peer refused, number 1" in caplog.text


def test_without_an_authenticator_nobody_gets_in(zmq_context: Context) -> None:
    secret = new_secret()
    socket = zmq_context.socket(zmq.ROUTER)
    serve(socket, secret.pair(), with_roles=True)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    peer = zmq_context.socket(zmq.DEALER)
    key = secret.key(Role.WORKER)
    present(peer, key.master, key.pair)
    peer.connect(f"tcp://127.0.0.1:{port}")
    peer.send(b"hello")
    assert not socket.poll(300)
    peer.close(linger=0)
    socket.close(linger=0)
