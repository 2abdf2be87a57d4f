"""A master and its workers as real processes, and the ways to look at what they did."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from support.process import WAIT_S, Argument, Command, Zmr
from zmr.messages import TaskEvent, TaskKind
from zmr.net.client import Client
from zmr.net.keyring import Keyring
from zmr.wire.address import parse
from zmr.wire.roles import Role

# Workers that fall silent are given up after this, where a test waits for just that.
LOST_AFTER_S = 1


class Cluster:
    """Starts the processes of one master through `zmr`."""

    def __init__(self, zmr: Zmr) -> None:
        self.zmr = zmr
        self.address = ""
        self.workers: list[Command] = []
        self._master: Command | None = None

    @property
    def master(self) -> Command:
        assert self._master is not None
        return self._master

    def start_master(
        self, *args: Argument, port: int = 0, env: Mapping[str, str] | None = None
    ) -> Command:
        """Start `zmr master ARGS` and wait until it listens."""
        self._master = self.zmr.start("master", "--port", str(port), *args, env=env)
        self.address = self._master.wait_for(r"^tcp://\S+", stream="stdout").group()
        return self._master

    def start_worker(self, *args: Argument, slots: int = 1) -> Command:
        """Start `zmr worker` for the master."""
        worker = self.zmr.start("worker", self.address, "-j", str(slots), *args)
        self.workers.append(worker)
        return worker

    def start_workers(self, n: int) -> list[Command]:
        return [self.start_worker() for _ in range(n)]

    def kill(self, worker: Command) -> None:
        """End a worker without a chance to say so, and forget it."""
        worker.send(signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL
        self.workers.remove(worker)

    def submit(self, *args: Argument) -> Command:
        """Start `zmr submit ARGS`, which ends with its job."""
        return self.zmr.start("submit", "--master", self.address, *args)

    def wait_for_tasks(self, kind: TaskKind, state: str, n: int) -> None:
        """Wait until the master has published `n` attempts of this kind in this state."""
        with Client(Keyring(parse(self.address)), Role.WATCH, WAIT_S) as client:
            for published in client.follow(from_start=True):
                event = published.event
                if isinstance(event, TaskEvent) and (event.kind, event.state) == (kind, state):
                    n -= 1
                if not n:
                    return
        raise AssertionError(f"the master ended {n} times too early")

    def end(self) -> None:
        """Wait until master and workers have ended by themselves, all well."""
        assert self.master.wait() == 0
        assert [worker.wait() for worker in self.workers] == [0] * len(self.workers)

    def stop(self) -> None:
        """Tell a master without a job of its own to end, with its workers, and wait."""
        self.master.send(signal.SIGTERM)
        assert self.master.wait() == 128 + signal.SIGTERM
        assert [worker.wait() for worker in self.workers] == [0] * len(self.workers)

    @property
    def local_folders(self) -> list[Path]:
        """The folders of workers with their map outputs."""
        return sorted(self.zmr.temporary.glob("zmr-worker-*"))


def name_of(worker: Command) -> str:
    """What logs and events call the worker."""
    return f"{socket.gethostname()}:{worker.pid}"


def output_of(folder: Path) -> dict[str, bytes]:
    """All that the folder holds but logs and the manifest, whose times differ, by name."""
    beside = ("_SUCCESS", "_logs")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in beside}


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port for a master that starts later, perhaps twice; the next one is free as well.

    The port is bound here, so nobody else is given it, but not listened at: then one who allows
    sharing, as libzmq does, can still listen.
    """
    while True:
        first, second = _bound(0), None
        port: int = first.getsockname()[1]
        with suppress(OSError, OverflowError):
            second = _bound(port + 1)
        if second is not None:
            break
        first.close()
    with first, second:
        yield port


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
    except BaseException:
        bound.close()
        raise
    return bound


def first_to_end(commands: list[Command], timeout_s: float) -> None:
    """Wait until one of these processes, which all run, has ended."""
    poll = select.poll()
    handles = [os.pidfd_open(command.pid) for command in commands]
    try:
        for handle in handles:
            poll.register(handle, select.POLLIN)
        assert poll.poll(timeout_s * 1000), f"none ended within {timeout_s} s"
    finally:
        for handle in handles:
            os.close(handle)
