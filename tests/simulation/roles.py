"""The roles of a simulation's peers, as their keys give them; and that each says what it may.

In some seeds there are no keys, and so no roles. A stranger may have any key, also one by which it
may watch only.
"""

from __future__ import annotations

from random import Random

from zmr import messages as m
from zmr.wire.roles import Role

STRANGER = "x1"

_WITH_KEYS = 0.6

# What each may say to a master: written down here anew, to be compared.
_WATCH = (m.GetSnapshot,)
_CLIENT = (m.GetSnapshot, m.Submit, m.CancelJob)
_WORKER = (
    *(m.GetSnapshot, m.Register, m.GetTask, m.Heartbeat, m.MapDone, m.ReduceDone, m.TaskFailed),
    *(m.CommitRequest, m.OutputsChecked, m.Leave),
)
_MAY_SAY = {Role.WATCH: _WATCH, Role.CLIENT: _CLIENT, Role.WORKER: _WORKER}


class Roles:
    """Those of one scenario."""

    def __init__(self, seed: int) -> None:
        rng = Random(f"roles {seed}")
        self._has_keys = rng.random() < _WITH_KEYS
        self._strangers: Role = rng.choice([*Role, Role.WORKER])

    def role_of(self, process: str) -> Role | None:
        """Of a peer of the master, by the name of its process; None: without keys."""
        if not self._has_keys:
            return None
        if process == STRANGER:
            return self._strangers
        return Role.WORKER if process.startswith("w") else Role.CLIENT

    def check(self, process: str, frame: m.Frame) -> None:
        """The master hears it."""
        role = self.role_of(process)
        for message in frame.messages:
            may_say = role is None or isinstance(message, _MAY_SAY[role])
            kind = type(message).__name__
            assert may_say, f"{process}, with a {role} key, is heard with a {kind}"
            anybody = (*_CLIENT, *_WORKER)
            assert isinstance(message, anybody), f"a master hears a {kind}"

    def check_refused(self, process: str, reason: str) -> None:
        """The master refuses a frame."""
        is_known = process == STRANGER or not self._has_keys
        assert is_known or "may not send" not in reason, f"{process} {reason}"
