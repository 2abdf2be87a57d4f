"""What values from other processes must be; `zmr/fields.py` says which types have which check.

Each check returns the value, or raises `BadFrame`. Text and paths are here as well, since Python's
strings hold what UTF-8 can't say.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from zmr.fields import NAME_LENGTH, TYPE_NAME_LENGTH

MAX_ELEMENTS = 1_000_000

_NAME = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,{NAME_LENGTH - 1}}}").fullmatch
_ENDPOINT = re.compile(
    r"tcp://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(%\w{1,15})?\]):(?P<port>[0-9]{1,5})"
    r"(#[A-Za-z0-9_-]{43})?"
).fullmatch

T = TypeVar("T")


class BadFrame(Exception):
    """The bytes are no frame of this protocol. The text says why, for the sender and the log."""


class MissingParts(BadFrame):
    """Parts before this one were lost, or went to the master of before: no fault of the sender's.

    It gets no answer, and repeats what it said.
    """


# --- on the way out, and paths -----------------------------------------------------------------


def text(text: str) -> str:
    """`text`, with lone surrogates (from odd file names and user errors) made encodable."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def path_bytes(path: str) -> bytes:
    """The bytes by which the file system knows this path."""
    return path.encode("utf-8", "surrogateescape")


def read_path(path: bytes) -> str:
    """The path as Python has it."""
    return path.decode("utf-8", "surrogateescape")


def fill(add: Callable[[], Any], write: Callable[[Any, Any], None], values: Iterable[Any]) -> None:
    """Add a message for each value, and write the value into it."""
    for value in values:
        write(add(), value)


# --- checks that a type of `zmr/fields.py` names ----------------------------------------------


def name(text: str, what: str) -> str:
    """A name that becomes part of a path, so it must not be able to leave its folder."""
    if not _NAME(text):
        raise BadFrame(f"{text[:NAME_LENGTH]!r} can't be a {what}")
    return text


def label(text: str) -> str:
    """A name for people, on one line of a log: made so, whatever it is."""
    return "".join(c if c.isprintable() else "?" for c in text[:NAME_LENGTH])


def type_name(name: str) -> str:
    """The name of a type: one object for all that are equal, as a master keeps one of each task."""
    if len(name) > TYPE_NAME_LENGTH:
        raise BadFrame(f"{label(name)}... is no name of a type")
    return sys.intern(name)


def beginning(text: str, limit: int) -> str:
    """A text for people, which is cut off where it is longer: a master keeps very many of them."""
    return text[:limit]


def end(text: str, limit: int) -> str:
    """The same, of which the end says most."""
    return text[-limit:]


def endpoint(text: str) -> str:
    """Where others are to connect to, or nothing. It must not lead elsewhere than to a TCP port."""
    found = _ENDPOINT(text)
    if text and not (found and 0 < int(found["port"]) < 65536):
        raise BadFrame(f"{label(text)} is no address of a worker")
    return text


def at_most(value: int, limit: int, what: str) -> int:
    """A number up to the limit."""
    if value > limit:
        raise BadFrame(f"{value} {what}; at most {limit} are allowed")
    return value


def slots(value: int, limit: int) -> int:
    """A number of slots: a worker has one at least."""
    if not value:
        raise BadFrame("a worker without slots")
    return at_most(value, limit, "slots")


def fraction(value: float) -> float:
    """A part of a whole: from nothing, 0, to all, 1."""
    if not 0 <= value <= 1:
        raise BadFrame(f"{value} is no fraction")
    return value


def seconds(value: float) -> float:
    """A time span, of more than no time and less than for ever."""
    if not 0 < value < math.inf:
        raise BadFrame(f"{value} s is no time in which anything happens")
    return value


# --- checks that follow from a field's type ----------------------------------------------------


def several(values: Any, what: str, limit: int = MAX_ELEMENTS) -> Any:
    """The elements, unless they are more than any process has: each of them becomes an object."""
    if len(values) > limit:
        raise BadFrame(f"{len(values):,} {what}; at most {limit:,} are allowed")
    return values


def member(value: int, members: Mapping[int, T], what: str) -> T:
    """That one of an enum's members that has this number."""
    try:
        return members[value]
    except KeyError:
        raise BadFrame(f"{value} is no {what}") from None


def sound(value: T, flaw: str) -> T:
    """A value whose fields fit together: `flaw` is what its class says is wrong with it."""
    if flaw:
        raise BadFrame(flaw)
    return value
