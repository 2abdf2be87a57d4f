"""What map has yielded: pairs, checked to be that, and kept as they were when they were yielded.

To look at each pair would take a tenth of the time that a simple map takes. So pairs are taken as
they come, some at a time, and looked at together. What is odd then, such as a key that no key may
be, or a value that may have been changed since it was yielded, raises `LookAgain`: the task begins
anew, and looks at each pair while map waits. A wrong pair is found at the very record so, and right
ones cost next to nothing.
"""

from __future__ import annotations

import dis
import pickle
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from inspect import isgeneratorfunction
from itertools import chain, islice
from operator import countOf
from types import NoneType
from typing import Any

from zmr.display import short_repr
from zmr.errors import PickleError, YieldError
from zmr.formats.text import not_a_pair
from zmr.formats.written_types import NUMPY_SCALARS
from zmr.job import Job
from zmr.key_types import OneType, plain_key
from zmr.reducers import Count
from zmr.tasks.errors import LookAgain, in_one_line
from zmr.tasks.map_input import MapInput

Pair = tuple[Any, Any]

# Objects of these types are what they were.
FIXED = frozenset(
    {str, bytes, int, float, bool, complex, NoneType, date, time, timedelta, datetime}
)
_ALSO_FIXED = frozenset(  # by name, for a job that uses them has loaded them
    {
        *("decimal.Decimal", "fractions.Fraction", "uuid.UUID", "datetime.timezone"),
        *NUMPY_SCALARS,
        "numpy.datetime64",
    }
)

_STACK_GLOBAL = b"\x93"  # is in each pickle of an object of a class, and in some others
_PAIRS_AT_ONCE = 256
_PICKLE_PROTOCOL = 5


def makes_pairs(method: Callable[..., Any]) -> bool:
    """Whether it is seen in a generator function that all it yields are pairs.

    So it is if each is made where it is yielded, `yield key, value`. Then there is no need to look
    at them.
    """
    code = getattr(method, "__code__", None)
    if code is None or not isgeneratorfunction(method):
        return False
    before: dis.Instruction | None = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "YIELD_VALUE" and (
            before is None or instruction.is_jump_target or not _is_of_two(before)
        ):
            return False
        before = instruction
    return True


def _is_of_two(made: dis.Instruction) -> bool:
    if made.opname in ("BUILD_TUPLE", "BUILD_LIST"):
        return made.arg == 2
    return made.opname == "LOAD_CONST" and is_pair(made.argval)


def is_pair(value: Any) -> bool:
    """Whether the value is a tuple or list of two. A str of two characters, say, is none."""
    return isinstance(value, (tuple, list)) and len(value) == 2


def checked_pairs(pairs: Iterator[Any]) -> Iterator[Pair]:
    """The pairs, of which some are taken at a time, or each alone if they can change.

    Raises `LookAgain` for what is none.
    """
    return chain.from_iterable(_checked_some(pairs))


def _checked_some(pairs: Iterator[Any]) -> Iterator[Iterable[Pair]]:
    n = 1
    while some := list(islice(pairs, n)):
        if countOf(map(type, some), tuple) != len(some) and not all(map(is_pair, some)):
            raise LookAgain
        yield some
        if n == 1 and parts_can_change(some):
            yield _checked_each(pairs)
            return
        n = min(4 * n, _PAIRS_AT_ONCE)


def _checked_each(pairs: Iterator[Any]) -> Iterator[Pair]:
    for pair in pairs:
        if not is_pair(pair):
            raise LookAgain
        yield pair


def can_change(values: Collection[Any]) -> bool:
    """Whether any of the values, or of what they hold, may be another one a moment later."""
    return _of_such_kinds(set(map(type, values)), values)


def parts_can_change(pairs: Collection[Pair]) -> bool:
    """Whether any of the keys and values can change."""
    return _of_such_kinds(set(map(type, chain.from_iterable(pairs))), pairs, inside=True)


def _of_such_kinds(kinds: set[type], values: Collection[Any], inside: bool = False) -> bool:
    """Whether values of these kinds can change; those `inside` the values, if so."""
    while not kinds <= FIXED:
        tuples = {kind for kind in kinds if issubclass(kind, tuple) and not kind.__dictoffset__}
        if not all(map(_is_fixed, kinds - tuples)):
            return True
        if inside:
            values = list(chain.from_iterable(values))
        if kinds != {tuple}:
            values = [value for value in values if type(value) in tuples]
        kinds, inside = set(map(type, chain.from_iterable(values))), True
    return False


def _is_fixed(kind: type) -> bool:
    return kind in FIXED or f"{kind.__module__}.{kind.__qualname__}" in _ALSO_FIXED


def private(value: Any) -> Any:
    """The value, or if it can change, a copy that nothing else knows of.

    Raises `PickleError` if pickling does not give it back, as it would on its way to the reduces.
    """
    kind = type(value)
    if kind in FIXED:
        return value
    if kind is list and FIXED.issuperset(map(type, value)):
        return value[:]
    if not can_change((value,)):
        return value
    return unpickled(value, pickled(value))


def taken(pairs: Iterator[Any], n: int, pickles: bool, line: Callable[[], str]) -> list[Pair]:
    """The next pairs, up to `n`, as they are now. Raises `YieldError`.

    Unless the output `pickles` them itself, of a key or value that is no plain data there can't be
    a copy whose text is sure to be the same. Then it is the last, to be written before the next.
    """
    found: list[Pair] = []
    add, fixed = found.append, FIXED
    for pair in islice(pairs, n):
        if type(pair) is tuple and len(pair) == 2:
            key, value = pair
            if type(value) in fixed and type(key) in fixed:
                add(pair)
                continue
        elif not is_pair(pair):
            raise not_a_pair(pair, line())
        key, value = pair
        if pickles:
            add((private(key), private(value)))
            continue
        copies = plain_copy(key), plain_copy(value)
        add((copies[0] or (key,))[:1] + (copies[1] or (value,))[:1])
        if None in copies:
            break
    return found


def plain_copy(value: Any) -> tuple[Any] | None:
    """A copy of plain data, alone in a tuple; None for anything else, of which none is made."""
    if not can_change((value,)):
        return (value,)
    try:
        data = pickle.dumps(value, _PICKLE_PROTOCOL)
    except Exception:
        return None
    return None if _STACK_GLOBAL in data else (pickle.loads(data),)


def pickled(value: Any) -> bytes:
    """The value's pickle. Raises `PickleError`."""
    try:
        return pickle.dumps(value, _PICKLE_PROTOCOL)
    except Exception as error:
        raise PickleError.of(0, value, error) from error


def unpickled(value: Any, data: bytes) -> Any:
    """What a value's pickle gives back. Raises `PickleError` if that fails."""
    try:
        return pickle.loads(data)
    except Exception as error:
        text = f"a value of type {type(value).__name__} does not survive pickling"
        raise PickleError(0, f"{text}: {in_one_line(error)}") from error


def looked_at(job: Job, source: MapInput, for_reduces: bool) -> Iterator[Pair]:
    """The pairs that map makes of the records, each checked and private before map goes on.

    Raises `YieldError` for what is no pair, or can't be kept, while the source is at the record.
    """
    look = Look(job, for_reduces)
    make = job.map
    return (pair for records in source for record in records for pair in look.at(make(record)))


class Look:
    """Looks at each pair that a job's map yields.

    If they are for reduces, all keys are of one type, and values are made private.
    """

    def __init__(self, job: Job, for_reduces: bool) -> None:
        self._is_for_reduces = for_reduces
        self._counts_only = isinstance(job.reduce, Count)
        self.one_type = OneType()

    def at(self, result: Any, method: str = "map") -> Iterator[Pair]:
        """The pairs of what the method returned for a record. Raises `YieldError`."""
        pairs = iterated(result, method)
        is_for_reduces, has = self._is_for_reduces, self.one_type.has
        fixed = frozenset() if self._counts_only else FIXED
        for pair in pairs:
            if not is_pair(pair):
                raise not_a_pair(pair, line_of(pairs))
            if not is_for_reduces:
                yield pair
                continue
            key, value = pair
            if type(value) in fixed and has(type(key)):
                yield key, value
            else:
                yield self._kept(key, value)

    def _kept(self, key: Any, value: Any) -> Pair:
        key = plain_key(key)
        self.one_type.check(key)
        if self._counts_only:
            return key, None
        try:
            return key, private(value)
        except PickleError as error:
            raise PickleError(0, f"{error} (under the key {short_repr(key)})") from error


def iterated(result: Any, method: str) -> Iterator[Any]:
    """What the job's method of this name returned, one by one. Raises `YieldError`."""
    try:
        return iter(() if result is None else result)
    except TypeError:
        raise YieldError(
            f"{method} returned {short_repr(result)}: it yields (key, value) pairs, "
            "or returns a list of them"
        ) from None


def line_of(pairs: Iterator[Any]) -> str:
    """The line of the job where the last of the pairs was yielded: "/home/me/job.py, line 7".

    "" if that isn't known.
    """
    frame = getattr(pairs, "gi_frame", None)
    return "" if frame is None else f"{frame.f_code.co_filename}, line {frame.f_lineno}"
