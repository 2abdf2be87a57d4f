"""Who may say what to a master: the roles of its peers, and the messages of each.

A client's and a worker's key are both the right to run code on the workers: jobs are code, and what
workers hand each other is unpickled. That they are two only keeps mistakes apart. To watch is less.
"""

from __future__ import annotations

from enum import Enum

from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import BadFrame


class Role(Enum):
    WATCH = "watch"
    CLIENT = "client"
    WORKER = "worker"


# What is sent to a master, by the names in `proto/zmr.proto`.
_WATCH = frozenset({"get_snapshot"})
_CLIENT = frozenset({"submit", "cancel_job"})
_WORKER = frozenset(
    {
        "register",
        "get_task",
        "heartbeat",
        "map_done",
        "reduce_done",
        "task_failed",
        "commit_request",
        "leave",
        "outputs_checked",
    }
)
_MAY_SEND: dict[Role | None, frozenset[str]] = {
    Role.WATCH: _WATCH,
    Role.CLIENT: _WATCH | _CLIENT,
    Role.WORKER: _WATCH | _WORKER,
    None: _WATCH | _CLIENT | _WORKER,  # without keys there are no roles
}
_KINDS = {number: f.name for number, f in pb.Message.DESCRIPTOR.fields_by_number.items()}


def require_may_send(role: Role | None, kind: str | int) -> None:
    """Raise `BadFrame` if a peer of this role, None: without keys, sends a master no such message.

    `kind` is the name of the message's field in `Message`, or its number.
    """
    name = kind if isinstance(kind, str) else _KINDS.get(kind, "")
    if name not in _MAY_SEND[role]:
        who = f"a peer with a {role.value} key" if role is not None else "a peer"
        raise BadFrame(f"{who} may not send a master {name or 'that'}")
