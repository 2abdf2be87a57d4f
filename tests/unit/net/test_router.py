"""The master end of the connections, on real sockets."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
import zmq

from zmr import messages as m
from zmr.net.reactor import Reactor
from zmr.net.router import Router, control_socket
from zmr.wire import codec


def test_a_peer_that_does_not_read_is_sent_only_so_much() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = control_socket(context)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        peer = context.socket(zmq.DEALER)
        peer.setsockopt(zmq.RCVHWM, 1)
        peer.setsockopt(zmq.ROUTING_ID, b"peer")
        peer.connect(f"tcp://127.0.0.1:{port}")
        peer.send(b"hello")
        assert socket.poll(10_000)
        socket.recv_multipart()
        # Given a peer that reads nothing of what it is sent
        router = Router(socket)
        message = m.Refused("x" * 1_000_000)
        for _ in range(2000):
            router.send([b"peer"], 1, [message])
        # When it reads after all, then most of it was dropped: the rest is of the sockets' buffers
        n = 0
        while peer.poll(1000):
            peer.recv()
            n += 1
        assert 1 < n < 400
        # And it is sent again what comes from now on
        deadline = time.monotonic() + 30
        router.send([b"peer"], 1, [m.Refused("the last")])
        while not peer.poll(1000):
            assert time.monotonic() < deadline
        assert b"the last" in peer.recv()
    finally:
        context.destroy(linger=0)


def test_large_frames_do_not_hold_up_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    reactor = Reactor()
    try:
        socket = control_socket(context)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        peer = context.socket(zmq.DEALER)
        peer.connect(f"tcp://127.0.0.1:{port}")
        heard: list[bytes] = []
        Router(socket).watch(reactor, lambda peer, frame: heard.append(peer), lambda *bad: None)
        now = 0.0

        def monotonic() -> float:
            nonlocal now
            now += 0.04  # each frame takes so long
            return now

        monkeypatch.setattr("zmr.net.router.time.monotonic", monotonic)
        for _ in range(10):
            peer.send(codec.encode(m.Frame(0, (m.GetSnapshot(),))))
        turns: list[int] = []
        while len(heard) < 10:
            reactor.turn(10.0)
            turns.append(len(heard))

        assert max(after - before for before, after in pairwise([0, *turns])) == 2
    finally:
        reactor.close()
        context.destroy(linger=0)
