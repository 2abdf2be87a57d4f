"""`zmr tail`: whoever watches sees all of it, in order, each thing once, whenever he comes."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import zmq
from support import Command
from support.cluster import Cluster, name_of, reserved_port
from support.orders import Orders
from support.peers import Peer, peer_of

from zmr import messages as m


def test_tails_that_are_early_late_or_interrupted_tell_the_same(
    cluster: Cluster,
    orders: Orders,
    texts: Path,
    tmp_path: Path,
    zmq_context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    orders.hold("map text3.txt")
    with reserved_port() as port:
        # Given tails that are there before the master
        cluster.address = f"tcp://127.0.0.1:{port}"
        early = cluster.zmr.start("tail", cluster.address)
        interrupted = cluster.zmr.start("tail", cluster.address, "--from-start", "--json")
        for tail in (early, interrupted):
            tail.wait_for(rf"waiting for a master at {cluster.address}", stream="stderr")
        cluster.start_master(
            "--job", *orders.job, texts, "-o", tmp_path / "out", "-r", "3", port=port
        )

        # When a job runs, then they tell each thing as it happens
        [worker] = cluster.start_workers(1)
        early.wait_for(r"job Obedient-\w+: map$")
        early.wait_for(rf"map 3, attempt 4, {name_of(worker)}: running$")
        interrupted.wait_for(r'"event": "map".* "task": 3,.* "state": "running"')

        # When one is stopped for a while, and others come in the middle
        interrupted.send(signal.SIGSTOP)
        late = cluster.zmr.start("tail", cluster.address, "--from-start", "--json")
        from_now = cluster.zmr.start("tail", cluster.address, "--json")
        late.wait_for(r'"seq": 1,')
        with peer_of(zmq_context, cluster.address) as visitor:
            while not has_told(from_now):
                come_and_go(visitor)
        orders.go_on()
        cluster.end()
        early.wait_for(r"job Obedient-\w+: reduce$")
        early.wait_for(r"job Obedient-\w+: done$")
        early.wait_for(r"master: ended$")
        interrupted.send(signal.SIGCONT)

    # Then all of them end with the master, and tell the same from where they began
    assert [tail.wait() for tail in (early, interrupted, late, from_now)] == [0, 0, 0, 0]
    told = rows(late)
    assert [row["seq"] for row in told] == list(range(1, len(told) + 1))
    assert rows(interrupted) == told
    assert 0 < len(rows(from_now)) < len(told)
    assert rows(from_now) == told[-len(rows(from_now)) :]
    assert len(early.stdout.splitlines()) == len(told)
    # And that is what happened
    states = [row["state"] for row in told if row["event"] == "job"]
    assert states == ["queued", "map", "reduce", "done"]
    tasks = [row for row in told if row["event"] in ("map", "reduce")]
    assert {row["worker"] for row in tasks} == {name_of(worker)}
    done = [(row["event"], row["task"]) for row in tasks if row["state"] == "succeeded"]
    assert sorted(done) == [("map", n) for n in range(5)] + [("reduce", n) for n in range(3)]


def rows(tail: Command) -> list[dict[str, Any]]:
    """Return what `tail --json` has printed."""
    return [json.loads(line) for line in tail.stdout.splitlines()]


def has_told(tail: Command) -> bool:
    """Wait a moment for the tail to print anything."""
    try:
        tail.wait_for('"seq"', timeout_s=0.1)
    except AssertionError:
        return not tail.running
    return True


def come_and_go(visitor: Peer) -> None:
    """Make two events: a worker registers, and leaves."""
    visitor.register()
    visitor.say(m.Leave("only visiting"))
    visitor.snapshot()
