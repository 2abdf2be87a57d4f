"""`zmr` as it is, but that it notes what it sends, gets and decides: a script for real processes.

    python noting.py FOLDER COMMAND ARGUMENT...

Each process appends to a file of its own in the folder, a line for each moment, before it goes on;
so a process that is killed leaves all that it did. The times are of the system's monotonic clock,
which all processes share. `judge.real` reads the files.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zmr import messages as m
from zmr.wire import codec

if TYPE_CHECKING:
    from zmr.net.client import Client
    from zmr.net.publisher import Publisher
    from zmr.net.reactor import Reactor
    from zmr.net.router import Router
    from zmr.net.uplink import SocketUplink

_SENT = (m.CommitRequest, m.MapDone, m.ReduceDone)
_GOT = (m.CommitReply, m.Ack, m.Cancel, m.Submitted, m.Refused)


class Notes:
    """The file of this process."""

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, f"{os.getpid()}.notes")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def frame(self, what: str, messages: Iterable[m.Message], **more: int) -> None:
        """Something happens now with these messages, if there are any."""
        kept = tuple(messages)
        if kept:
            self._write(what, codec.encode(m.Frame(0, kept)), **more)

    def event(self, number: str, since_ns: int, event: m.Event) -> None:
        """The master is about to publish the event, decided since then."""
        data = codec.join_events(1, [codec.encode_event(m.Published(1, 0.0, event))])
        self._write("publishes", data, number=number, since_ns=since_ns)

    def published(self, numbers: list[str]) -> None:
        """These events have left, and what was decided with them."""
        if numbers:
            self._write("published", b"", numbers=numbers)

    def _write(self, what: str, data: bytes, **more: Any) -> None:
        text = base64.b64encode(data).decode()
        note = {"at_ns": time.monotonic_ns(), "pid": os.getpid(), "what": what, "data": text}
        os.write(self._file, (json.dumps(note | more) + "\n").encode())


def note_worker(notes: Notes) -> None:
    """Note what a worker says about its attempts, and what it is told."""
    from zmr.net import uplink

    right_send, right_watch = uplink.SocketUplink.send, uplink.SocketUplink.watch

    def send(self: SocketUplink, epoch: int, messages: Sequence[m.Message]) -> None:
        notes.frame("sends", (each for each in messages if isinstance(each, _SENT)))
        right_send(self, epoch, messages)

    def watch(self: SocketUplink, reactor: Reactor, on_frame: Callable[[m.Frame], None]) -> None:
        def noted(frame: m.Frame) -> None:
            notes.frame("gets", (each for each in frame.messages if isinstance(each, _GOT)))
            on_frame(frame)

        right_watch(self, reactor, noted)

    _replace(uplink.SocketUplink, send=send, watch=watch)


def note_client(notes: Notes) -> None:
    """Note a client's questions and their answers."""
    from zmr.errors import MasterLost, ZmrError
    from zmr.net import client

    right = client.Client.ask

    def ask(
        self: Client, question: m.Message, on_wait: Callable[[], None] = lambda: None
    ) -> tuple[int, m.Message]:
        if not isinstance(question, m.Submit | m.CancelJob):
            return right(self, question, on_wait)
        noted = replace(question, inputs=()) if isinstance(question, m.Submit) else question
        notes.frame("sends", [noted])
        try:
            answer = right(self, question, on_wait)
        except MasterLost:
            raise
        except ZmrError as error:
            notes.frame("gets", [m.Refused(str(error))])
            raise
        notes.frame("gets", [answer[1]])
        return answer

    _replace(client.Client, ask=ask)


def note_master(notes: Notes) -> None:
    """Note what a master decides by itself: from the begin of the turn until it leaves."""
    from zmr.net import master_server, publisher, router

    server = master_server.MasterServer
    handle, tick, flush = server.handle, server.tick, server.flush
    send, publish, flush_events = (
        router.Router.send,
        publisher.Publisher.publish,
        publisher.Publisher.flush,
    )
    turn_began_ns = 0  # 0: between two turns
    publishing: list[str] = []

    def begun() -> int:
        nonlocal turn_began_ns
        turn_began_ns = turn_began_ns or time.monotonic_ns()
        return turn_began_ns

    def noted_handle(self: master_server.MasterServer, event: Any) -> None:
        begun()
        handle(self, event)

    def noted_tick(self: master_server.MasterServer, now: float) -> None:
        begun()
        tick(self, now)

    def noted_flush(self: master_server.MasterServer) -> None:
        nonlocal turn_began_ns
        flush(self)
        turn_began_ns = 0

    def noted_send(
        self: Router, peers: Sequence[bytes], epoch: int, messages: Sequence[m.Message]
    ) -> None:
        given = (each for each in messages if isinstance(each, m.TaskResponse))
        tasks = (task._replace(splits=(), sources=()) for each in given for task in each.tasks)
        notes.frame("hands out", (m.TaskResponse((task,)) for task in tasks), since_ns=begun())
        send(self, peers, epoch, messages)

    def noted_publish(self: Publisher, event: m.Event) -> None:
        publish(self, event)
        if isinstance(event, m.TaskEvent | m.JobEvent):
            number = f"{os.getpid()}.{self.log.seq}"
            notes.event(number, begun(), event)
            publishing.append(number)

    def noted_flush_events(self: Publisher) -> None:
        flush_events(self)
        notes.published(publishing)
        publishing.clear()

    _replace(server, handle=noted_handle, tick=noted_tick, flush=noted_flush)
    _replace(router.Router, send=noted_send)
    _replace(publisher.Publisher, publish=noted_publish, flush=noted_flush_events)


def _replace(owner: type, **functions: Any) -> None:
    for name, function in functions.items():
        setattr(owner, name, function)


def main() -> int:
    """Note what the command does; the exit status is the command's."""
    from zmr.cli import main as zmr

    folder, *arguments = sys.argv[1:]
    note = {"master": note_master, "worker": note_worker}.get(arguments[0], note_client)
    note(Notes(folder))
    return zmr(arguments)


if __name__ == "__main__":
    sys.exit(main())
