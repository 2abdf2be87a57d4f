"""Frames that may be wrong in any way: made from the protocol's own description, then spoiled.

Half of the fields that name something have what there is at the moment (`Known`): so a frame may be
a coherent lie as well as nonsense.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from zmr.wire import codec
from zmr.wire import zmr_pb2 as pb
from zmr.wire.roles import Role

_INTS = (0, 1, 2, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**47, 2**63 - 1, 2**63, 2**64 - 1)
_FLOATS = (0.0, 1.0, -1.0, 0.5, float("nan"), float("inf"), 1e300)
_TEXTS = ("", "a", ".", "..", "/", "/etc/passwd", "a\nb", "\x1b[2J", "\0", "é" * 50, "x" * 5000)
_FAILURES = (
    pb.FAILURE_REASON_SLOT_DIED,
    pb.FAILURE_REASON_OVER_MEMORY,
    pb.FAILURE_REASON_WORKER_ERROR,
    pb.FAILURE_REASON_DISK_FULL,
    99,
)
_MANY = (0, 1, 1, 2, 3, 3, 50, 3000)
_DEEPEST = 5
_KEPT_FRAMES = 200

_OF_ROLE = {
    Role.WATCH: ("get_snapshot",),
    Role.CLIENT: ("get_snapshot", "submit", "cancel_job"),
    Role.WORKER: (
        *("get_snapshot", "register", "get_task", "heartbeat", "map_done", "reduce_done"),
        *("task_failed", "commit_request", "leave", "outputs_checked"),
    ),
}
_ALL = tuple(each.name for each in pb.Message.DESCRIPTOR.fields)


@dataclass
class Known:
    """What a peer has heard of the cluster."""

    epoch: int = 0
    jobs: list[str] = field(default_factory=lambda: ["job-1"])
    folder: str = "/nowhere"


class Frames:
    """Draws frames of a peer with this role."""

    def __init__(self, rng: Random, role: Role, known: Known) -> None:
        self._rng, self._role, self.known = rng, role, known
        self._sent: deque[list[bytes]] = deque(maxlen=_KEPT_FRAMES)

    def next(self) -> list[bytes]:
        """The parts of a ZeroMQ message."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.1 and self._sent:
            return rng.choice(self._sent)  # once more, and late
        parts = [self._frame()]
        if kind > 0.6:
            parts = [self._spoiled(parts[0])]
        if kind > 0.97:
            parts += [self._frame() for _ in range(rng.randint(1, 3))]
        self._sent.append(parts)
        return parts

    def _frame(self) -> bytes:
        rng = self._rng
        frame = pb.Frame(version=codec.VERSION, epoch=self.known.epoch)
        if rng.random() < 0.1:
            frame.version = rng.choice(_INTS[:9])
        if rng.random() < 0.2:
            frame.epoch = rng.choice(_INTS)
        if rng.random() < 0.05:
            frame.part, frame.parts = rng.randint(0, 70), rng.randint(0, 70)
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 5))):
            names = _OF_ROLE[self._role] if rng.random() < 0.9 else _ALL
            message = frame.messages.add()
            name = rng.choice(names)
            getattr(message, name).SetInParent()
            self._fill(getattr(message, name), 1)
            self._keep_within(message)
        data: bytes = frame.SerializeToString()
        return data

    def _keep_within(self, message: Any) -> None:
        """Leave out what a holder of the key may do: cancel the jobs of others, queue one
        that never ends, or end one by what its code is said to have raised.
        """
        if message.HasField("cancel_job"):
            message.cancel_job.job_id = self._rng.choice(_TEXTS)
        if message.HasField("submit"):
            if self._rng.random() < 0.3:
                self._make_acceptable(message.submit)
            spec = message.submit.spec
            spec.max_attempts = min(spec.max_attempts, 2)
            spec.task_timeout_s, spec.setup_timeout_s = 1.0, 1.0
        if message.HasField("task_failed"):
            message.task_failed.reason = self._rng.choice(_FAILURES)

    def _make_acceptable(self, submit: Any) -> None:
        """Have a job that a master takes: of inputs that are not there, however large."""
        n = self._rng.randrange(10**9)
        sizes = [each.size_bytes for each in submit.inputs][:3]
        submit.Clear()
        spec = submit.spec
        spec.job_id = spec.name = f"lie-{n}"
        spec.reference, spec.output = b"wordcount", f"/nowhere/{n}".encode()
        spec.n_reduce = spec.max_attempts = 1
        spec.backup_after_s = 1.0
        for size_bytes in sizes or (1,):
            submit.inputs.add(path=b"/nowhere/in", size_bytes=size_bytes, splittable=True)

    def _fill(self, message: Any, depth: int) -> None:
        descriptor: Descriptor = message.DESCRIPTOR
        for each in descriptor.fields:
            if self._rng.random() < 0.3:
                continue
            if each.message_type is not None:
                if depth < _DEEPEST:
                    self._fill_in(message, each, depth)
            elif _is_repeated(each):
                values = [self._value(each) for _ in range(self._rng.choice(_MANY[:6]))]
                getattr(message, each.name).extend(values)
            else:
                setattr(message, each.name, self._value(each))

    def _fill_in(self, message: Any, each: FieldDescriptor, depth: int) -> None:
        if not _is_repeated(each):
            inner = getattr(message, each.name)
            inner.SetInParent()
            self._fill(inner, depth + 1)
            return
        n = self._rng.choice(_MANY) if depth == 1 else self._rng.choice(_MANY[:5])
        for at in range(n):
            added = getattr(message, each.name).add()
            if at < 5:  # the others are as empty as can be
                self._fill(added, depth + 1)

    def _value(self, each: FieldDescriptor) -> Any:
        rng, known = self._rng, self.known
        is_known = rng.random() < 0.5
        match each.type:
            case FieldDescriptor.TYPE_STRING:
                if is_known and each.name == "job_id":
                    return rng.choice(known.jobs)
                return rng.choice(_TEXTS)
            case FieldDescriptor.TYPE_BYTES:
                text = f"{known.folder}/{rng.randint(0, 9)}" if is_known else rng.choice(_TEXTS)
                return text.lstrip("/").encode() if not is_known else text.encode()
            case FieldDescriptor.TYPE_DOUBLE:
                return rng.choice(_FLOATS)
            case FieldDescriptor.TYPE_BOOL:
                return is_known
            case FieldDescriptor.TYPE_ENUM:
                return rng.randint(0, 12)
        least, most = _RANGES[each.type]
        if is_known and each.name in ("attempt", "attempts", "running"):
            return min(known.epoch << 32 | rng.randint(0, 40), most)
        return min(max(rng.choice(_INTS) if not is_known else rng.randint(0, 5), least), most)

    def _spoiled(self, data: bytes) -> bytes:
        rng = self._rng
        spoiled = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(spoiled) + 1)
            match rng.randint(0, 4):
                case 0 if spoiled:
                    spoiled[at % len(spoiled)] = rng.randrange(256)
                case 1:
                    del spoiled[at:]
                case 2:
                    spoiled[at:at] = rng.randbytes(rng.randint(1, 20))
                case 3:
                    spoiled[at:at] = spoiled[: rng.randint(0, 200)]
                case 4:
                    del spoiled[at : at + rng.randint(1, 20)]
        return bytes(spoiled)


_RANGES = {
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
}


def _is_repeated(each: FieldDescriptor) -> bool:
    return bool(each.is_repeated)
