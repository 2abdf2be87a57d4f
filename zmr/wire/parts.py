"""Towards a master: what does not fit into one frame goes in parts, and is put together again.

A master takes small frames only, so that no frame costs it much. Two messages may be large with
reason: a `Submit` by its inputs, a `Register` by the map outputs that a worker holds. Each part is
a frame with that one message and some of those elements. Nothing is made of a part before the last
one has come, and what may wait for its last part is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

from zmr import messages as m
from zmr.wire import codec, scan
from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import MAX_ELEMENTS, BadFrame, MissingParts
from zmr.wire.roles import Role, require_may_send

# The elements of a kind of message that may be many.
_ELEMENTS = {"submit": "inputs", "register": "held"}

_MOST_PARTS = 48  # which peers together can have wait, too: see `FramesToMaster`

# What stands around the elements: the fields of the frame, and the lengths of what they are in;
# around each of them, its own.
_AROUND_BYTES = 64
_ELEMENT_BYTES = 8
_MOST_WAITING_BYTES = _MOST_PARTS * codec.TO_MASTER_LIMIT_BYTES


def encode_to_master(epoch: int, messages: Sequence[m.Message]) -> Iterator[bytes]:
    """The frames that a master takes, with these messages. Raises ValueError if it takes none."""
    limit_bytes = codec.TO_MASTER_LIMIT_BYTES
    for data in codec.encode_all(epoch, messages, limit_bytes):
        if len(data) <= limit_bytes:
            yield data
        else:
            yield from _in_parts(data, limit_bytes)


def _in_parts(data: bytes, limit_bytes: int) -> Iterator[bytes]:
    whole = pb.Frame.FromString(data)
    [message] = whole.messages
    kind = message.WhichOneof("kind")
    name = _ELEMENTS.get(kind, "")
    elements = list(getattr(getattr(message, kind), name)) if name else []
    if name:
        getattr(message, kind).ClearField(name)
    groups = _groups(elements, limit_bytes - whole.ByteSize() - _AROUND_BYTES)
    if not 1 < len(groups) <= _MOST_PARTS:
        raise ValueError(f"a {kind} of {len(data):,} bytes is more than a master takes")
    for part, group in enumerate(groups, 1):
        frame = pb.Frame(version=codec.VERSION, epoch=whole.epoch, part=part, parts=len(groups))
        added = getattr(frame.messages.add(), kind)
        if part == 1:
            added.CopyFrom(getattr(message, kind))
        getattr(added, name).extend(group)
        yield frame.SerializeToString()


def _groups(elements: Sequence[Any], limit_bytes: int) -> list[list[Any]]:
    """The elements in their order, in groups of at most so many bytes; none if one has more."""
    groups: list[list[Any]] = [[]]
    size_bytes = 0
    for element in elements:
        element_bytes = element.ByteSize() + _ELEMENT_BYTES
        if element_bytes > limit_bytes:
            return []
        if size_bytes + element_bytes > limit_bytes:
            groups.append([])
            size_bytes = 0
        groups[-1].append(element)
        size_bytes += element_bytes
    return groups


class FramesToMaster:
    """Takes what a master's peers send, and keeps the parts whose last one has not come.

    They are together no more than one whole message may be: the parts that have waited longest are
    dropped for others. Their sender repeats all of them when it gets no answer.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, list[bytes]] = OrderedDict()  # by peer
        self._waiting_bytes = 0

    def take(
        self, peer: bytes, role: Role | None, parts: Sequence[bytes | memoryview]
    ) -> m.Frame | None:
        """The frame, or None: it is a part, and others are to come. Raises `BadFrame`.

        `role` is that of the peer, None: without keys. What the role may not send is refused before
        anything is made of it.
        """
        data = codec.only(parts)
        if len(data) > codec.TO_MASTER_LIMIT_BYTES:
            raise BadFrame(
                f"a frame of {len(data):,} bytes; a master takes {codec.TO_MASTER_LIMIT_BYTES:,}"
            )
        if len(data) > codec.QUICKLY_PARSED_BYTES:
            kinds, part = scan.outline(data, codec.FRAME_LIMIT_MESSAGES)
            for kind in kinds:
                require_may_send(role, kind)
            if part:
                return self._take_part(peer, role, bytes(data))
        parsed = codec.parse(data)
        if parsed.part:
            return self._take_part(peer, role, bytes(data))
        _require_all(role, parsed)
        return codec.read(parsed)

    def _take_part(self, peer: bytes, role: Role | None, data: bytes) -> m.Frame | None:
        parsed = codec.parse(data)
        _require_all(role, parsed)
        before = self._drop(peer)
        if parsed.part == 1:
            before = []
        if not (1 < parsed.parts <= _MOST_PARTS and parsed.part <= parsed.parts):
            raise BadFrame(f"part {parsed.part} of {parsed.parts}, which can't be")
        if parsed.part != len(before) + 1:
            raise MissingParts(f"part {parsed.part} of {parsed.parts}, and others are missing")
        if parsed.part < parsed.parts:
            self._keep(peer, [*before, data])
            return None
        return codec.read(_joined([*map(codec.parse, before), parsed]))

    def _keep(self, peer: bytes, parts: list[bytes]) -> None:
        self._waiting[peer] = parts
        self._waiting_bytes += sum(map(len, parts))
        while self._waiting_bytes > _MOST_WAITING_BYTES:
            self._drop(next(iter(self._waiting)))

    def _drop(self, peer: bytes) -> list[bytes]:
        parts = self._waiting.pop(peer, [])
        self._waiting_bytes -= sum(map(len, parts))
        return parts


def _require_all(role: Role | None, parsed: pb.Frame) -> None:
    for message in parsed.messages:
        require_may_send(role, message.WhichOneof("kind") or "")


def _joined(parts: Sequence[pb.Frame]) -> pb.Frame:
    """The whole of these. Raises `BadFrame` if they are not parts of one."""
    whole, *others = parts
    for other in others:
        if len(whole.messages) != 1 or len(other.messages) != 1 or other.parts != whole.parts:
            raise BadFrame("parts that do not belong together")
        kind = whole.messages[0].WhichOneof("kind")
        if kind not in _ELEMENTS or other.messages[0].WhichOneof("kind") != kind:
            raise BadFrame(f"parts of a {kind}")
        elements = getattr(getattr(whole.messages[0], kind), _ELEMENTS[kind])
        elements.MergeFrom(getattr(getattr(other.messages[0], kind), _ELEMENTS[kind]))
        if len(elements) > MAX_ELEMENTS:
            raise BadFrame(f"more than {MAX_ELEMENTS:,} {_ELEMENTS[kind]}")
    return whole
