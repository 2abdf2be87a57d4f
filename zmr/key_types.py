"""What a key may be: str, bytes, int, float, bool, date, datetime, Decimal, UUID, None, or a tuple.

All keys of a job are of one type, for two reasons: keys are sorted, so any two must compare; and
they are grouped, so equal keys must look the same, which 1, 1.0 and True don't. None may be among
keys of any type, alone or in tuples, and comes before all others (`sortable`). NaN equals nothing,
not even itself, and therefore has no group.

A key of a type that is derived from one of these (members of an enum, named tuples), or a scalar of
numpy, counts as the plain key that it is (`plain_key`).
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import combinations
from types import NoneType
from typing import Any

from zmr.display import short_repr
from zmr.errors import YieldError

_PICKLE_PROTOCOL = 5  # that all our versions of Python read

# Those that have an Arrow type.
COLUMN_TYPES = (str, bytes, int, float, bool, date, datetime)

# Keys of these are pickled, and handled one by one. They are known by their names, since a job that
# uses them has loaded them.
_OTHER_TYPES = ("decimal.Decimal", "uuid.UUID")

_KEY_TYPES = frozenset({*COLUMN_TYPES, NoneType})
_ALIKE = frozenset({str, bytes, int, bool, date})  # a float may be NaN, a time ambiguous
_ALLOWED = "str, bytes, int, float, bool, date, datetime, Decimal, UUID, None, or a tuple of them"
_NONE = "None"
_OR_NONE = " or None"

# What to yield in place of what is no key, by the name of its type.
_INSTEAD = {
    "Fraction": "(key.numerator, key.denominator), or float(key)",
    "Timestamp": "key.to_pydatetime()",
    "datetime64": "key.item()",
    "time": "key.isoformat()",
    "timedelta": "key.total_seconds()",
    "list": "tuple(key)",
    "set": "tuple(sorted(key))",
    "frozenset": "tuple(sorted(key))",
    "dict": "tuple(sorted(key.items())), or one of its values",
}


class KeyTypeError(YieldError):
    """Keys that can't be sorted and grouped together."""


def plain_key(key: Any) -> Any:
    """The key as one of the types that a key may have, if it is of a type derived from one, or a
    scalar of numpy that is exactly such a value. Any other key is returned as it is.
    """
    if type(key) in _KEY_TYPES:
        return key
    if isinstance(key, tuple):
        return tuple(map(plain_key, key))
    return plain_scalar(key)


def plain_scalar(value: Any) -> Any:
    """The str, bytes, int, float or bool that the value is, if it is one; or the value."""
    kind = type(value)
    if kind.__module__ == "numpy" and hasattr(kind, "dtype"):
        is_scalar = kind.__name__ not in ("ndarray", "datetime64", "timedelta64")
        plain = value.item() if is_scalar else value
        return plain if type(plain) in _PLAIN else value
    for plain_type, plain_of in _PLAIN.items():
        if isinstance(value, plain_type):
            return plain_of(value)
    return value


# By type, what gives the plain value of an object of a derived type, whatever that overrides.
_PLAIN: dict[type, Any] = {
    str: str.__str__,
    bytes: lambda value: bytes(memoryview(value)),
    bool: bool,
    int: int.__index__,
    float: float.__float__,
}


class _First:
    """Stands for None where keys are compared: less than anything else, and equal to itself."""

    def __lt__(self, other: object) -> bool:
        return other is not self

    def __gt__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return _NONE


_FIRST = _First()


def sortable(key: Any) -> Any:
    """The key as what compares with those of other keys of its job."""
    if key is None:
        return _FIRST
    if type(key) is tuple and None in key:
        return tuple(_FIRST if element is None else element for element in key)
    return key


def type_of_keys(keys: Collection[Any]) -> str:
    """The name of the type that all the keys have: "str", "(str, int or None)"; "" if there are no
    keys, and "None" if all of them are that.

    Raises `KeyTypeError`, naming examples, if they have several, or one that no key may have.
    """
    if not keys:
        return ""
    types = set(map(type, keys))
    name = _type_of_tuples(keys) if types == {tuple} else _type_of_scalars(keys, types)
    if name is None:
        raise _mixture(keys)
    return name


def may_be_none(name: str) -> bool:
    """Whether some of the keys whose type has this name are, or have in them, None."""
    return _NONE in name


def common_type(one: str, other: str) -> str | None:
    """The type of keys of which each is of one of these two; None if they can't be of one job."""
    if one == other:
        return one
    is_tuple = one.startswith("(")
    parts, others = (name.strip("()").split(", ") for name in (one, other))
    if is_tuple != other.startswith("(") or len(parts) != len(others):
        return None
    common = [_common_part(*both) for both in zip(parts, others, strict=True)]
    if None in common:
        return None
    joined = ", ".join(map(str, common))
    return f"({joined})" if is_tuple else joined


def checked_common_type(one: str, other: str) -> str:
    """The same; it raises `KeyTypeError`."""
    common = common_type(one, other)
    if common is None:
        raise KeyTypeError(
            f"the keys of a job must be of one type, but there are {one} and {other}"
        )
    return common


def _common_part(one: str, other: str) -> str | None:
    kinds = {name.removesuffix(_OR_NONE) for name in (one, other)} - {_NONE}
    if len(kinds) > 1:
        return None
    kind = kinds.pop() if kinds else _NONE
    is_optional = may_be_none(one + other) and kind != _NONE
    return f"{kind}{_OR_NONE}" if is_optional else kind


class OneType:
    """Sees to it that keys, which come one by one, are of one type."""

    def __init__(self) -> None:
        self.examples: dict[str, Any] = {}  # a key of each type; never changed in place

    def has(self, kind: type) -> bool:
        """Whether keys of this kind were seen, of which any is like the others."""
        return kind in _ALIKE and kind.__name__ in self.examples

    def check(self, key: Any) -> None:
        """Raise `KeyTypeError` if the key is none, or not of the type of the others."""
        if self.has(type(key)):
            return
        name = type_of_keys((key,))
        if name in self.examples:
            return
        for other, example in self.examples.items():
            if common_type(name, other) is None:
                raise _mixture([example, key])
        self.examples = self.examples | {name: key}


def check_maps(types: Iterable[tuple[int, str]]) -> None:
    """Raise `KeyTypeError` if the keys of maps (number, type's name; "": none) differ in type."""
    examples: dict[str, int] = {}
    for number, name in types:
        if name and name not in examples:
            for other, first in examples.items():
                if common_type(name, other) is None:
                    raise KeyTypeError(
                        f"the keys of a job must be of one type, but map {first} put out {other} "
                        f"and map {number} {name}"
                    )
            examples[name] = number


def keys_to_bytes(keys: Sequence[Any]) -> bytes:
    """Keys as they travel in a job's spec."""
    return pickle.dumps(list(keys), _PICKLE_PROTOCOL)


def keys_from_bytes(data: bytes) -> list[Any]:
    """The keys again. For the job's own processes only, as are pickled values."""
    keys: list[Any] = pickle.loads(data)
    return keys


def of_one_type(pairs: Iterable[tuple[Any, Any]], first: Any) -> Iterable[tuple[Any, Any]]:
    """The pairs, checked for keys that a dict would take for equal although their types differ.

    Only numbers and tuples can do that; other keys pass unwatched, for a dict keeps them apart
    and `type_of_keys` on the dict finds them. `first` is the first key.
    """
    kind = type(first)
    if kind is tuple:
        return _of_tuple_type(pairs, first)
    if kind in (int, float, bool, NoneType) or kind.__name__ == "Decimal":
        return _of_scalar_type(pairs, first)
    return pairs


def _of_scalar_type(pairs: Iterable[tuple[Any, Any]], first: Any) -> Iterator[tuple[Any, Any]]:
    kind, one_type = type(first), OneType()
    one_type.check(first)
    for key, value in pairs:
        if type(key) is not kind:
            one_type.check(key)
            kind = type(key) if kind is NoneType else kind
        yield key, value


def _of_tuple_type(pairs: Iterable[tuple[Any, Any]], first: Any) -> Iterator[tuple[Any, Any]]:
    kinds, one_type = tuple(map(type, first)), OneType()
    one_type.check(first)
    for key, value in pairs:
        if type(key) is not tuple or tuple(map(type, key)) != kinds:
            one_type.check(key)
            kinds = tuple(map(type, key)) if NoneType in kinds else kinds
        yield key, value


def _type_of_tuples(keys: Collection[tuple[Any, ...]]) -> str | None:
    """The type that all the tuples have, or None."""
    if len(set(map(len, keys))) > 1:
        return None
    names = []
    for column in zip(*keys, strict=True):
        types = set(map(type, column))
        if tuple in types:
            raise KeyTypeError(f"a key can't be a tuple in a tuple: {short_repr(next(iter(keys)))}")
        names.append(_type_of_scalars(column, types))
    return None if None in names else f"({', '.join(map(str, names))})"


def _type_of_scalars(keys: Collection[Any], types: set[type]) -> str | None:
    """The type that all the keys have, or None."""
    strange = [kind for kind in types - _KEY_TYPES if not _is_other_key_type(kind)]
    if strange:
        example = next(key for key in keys if type(key) in strange)
        if type(example) is tuple:
            return None
        way_out = _INSTEAD.get(type(example).__name__, "")
        way_out = f"; yield {way_out}" if way_out else ""
        raise KeyTypeError(f"a key can't be {_described(example)}: it is {_ALLOWED}{way_out}")
    if NoneType in types:
        if len(types) == 1:
            return _NONE
        name = _type_of_scalars([key for key in keys if key is not None], types - {NoneType})
        return name and f"{name}{_OR_NONE}"
    if len(types) > 1:
        return None
    (kind,) = types
    is_decimal = kind.__name__ == "Decimal"
    if (kind is float and any(key != key for key in keys)) or (
        is_decimal and any(key.is_nan() for key in keys)
    ):
        raise KeyTypeError("NaN can't be a key: it equals nothing, not even itself")
    if kind is datetime:
        if (found := next(filter(_is_ambiguous, keys), None)) is not None:
            raise KeyTypeError(
                f"a key can't be {found.isoformat()} in {found.tzinfo}, where this hour comes "
                "twice or not at all; yield key.astimezone(datetime.timezone.utc)"
            )
        names = {_name(key) for key in keys}
        return names.pop() if len(names) == 1 else None
    return kind.__name__


def _is_other_key_type(kind: type) -> bool:
    return f"{kind.__module__}.{kind.__qualname__}" in _OTHER_TYPES


def _is_ambiguous(key: datetime) -> bool:
    """Whether the zone's clocks go back or forward just then.

    Python takes the two hours of that name for equal, and neither for equal to any time of another
    zone: such keys would have no groups.
    """
    return key.tzinfo is not None and key.utcoffset() != key.replace(fold=not key.fold).utcoffset()


def _mixture(keys: Iterable[Any]) -> KeyTypeError:
    examples: dict[str, Any] = {}
    for key in keys:
        examples.setdefault(_name(key), key)
    one, other = next(
        (examples[a], examples[b])
        for a, b in combinations(examples, 2)
        if common_type(a, b) is None
    )
    return KeyTypeError(
        f"the keys of a job must be of one type, but there are {_described(one)} "
        f"and {_described(other)}"
    )


def _name(key: Any) -> str:
    if type(key) is tuple:
        return f"({', '.join(map(_name, key))})"
    if type(key) is datetime and key.utcoffset() is not None:
        return "datetime with time zone"
    return _NONE if key is None else type(key).__name__


def _described(key: Any) -> str:
    return f"{_name(key)} ({short_repr(key)})"
