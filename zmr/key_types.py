"""What a key may be: str, bytes, int, float, bool, date, datetime, or a tuple of them.

All keys of a job are of one type, for two reasons: keys are sorted, so any two must compare; and
they are grouped, so equal keys must look the same, which 1, 1.0 and True don't. NaN equals nothing,
not even itself, and therefore has no group.

A key of a type that is derived from one of these (members of an enum, named tuples), or a scalar of
numpy, counts as the plain key that it is (`plain_key`).
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from zmr.display import short_repr
from zmr.errors import YieldError

_PICKLE_PROTOCOL = 5  # that all our versions of Python read

KEY_TYPES = (str, bytes, int, float, bool, date, datetime)
_ALLOWED = "str, bytes, int, float, bool, date, datetime, or a tuple of them"

# What to yield in place of what is no key, by the name of its type.
_INSTEAD = {
    "NoneType": "a key of its own for what is missing, such as ''",
    "Decimal": "str(key), or a whole number of the smallest unit",
    "UUID": "str(key), or key.bytes",
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
    if type(key) in KEY_TYPES:
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


def type_of_keys(keys: Collection[Any]) -> str:
    """The name of the type that all the keys have: "str", "(str, int)"; "" if there are none.

    Raises `KeyTypeError`, naming examples, if they have several, or one that no key may have.
    """
    if not keys:
        return ""
    types = set(map(type, keys))
    name = _type_of_tuples(keys) if types == {tuple} else _type_of_scalars(keys, types)
    if name is None:
        raise _mixture(keys)
    return name


def check_maps(types: Iterable[tuple[int, str]]) -> None:
    """Raise `KeyTypeError` if the keys of maps (number, type's name; "": none) differ in type."""
    examples: dict[str, int] = {}
    for number, name in types:
        if name:
            examples.setdefault(name, number)
    if len(examples) > 1:
        (one, first), (other, second), *_ = examples.items()
        raise KeyTypeError(
            f"the keys of a job must be of one type, but map {first} put out {one} "
            f"and map {second} {other}"
        )


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
    if type(first) in (int, float, bool):
        return _of_scalar_type(pairs, first)
    if type(first) is tuple:
        return _of_tuple_type(pairs, first)
    return pairs


def _of_scalar_type(pairs: Iterable[tuple[Any, Any]], first: Any) -> Iterator[tuple[Any, Any]]:
    kind = type(first)
    for key, value in pairs:
        if type(key) is not kind:
            raise _mixture([first, key])
        yield key, value


def _of_tuple_type(pairs: Iterable[tuple[Any, Any]], first: Any) -> Iterator[tuple[Any, Any]]:
    kinds = tuple(map(type, first))
    for key, value in pairs:
        if type(key) is not tuple or tuple(map(type, key)) != kinds:
            raise _mixture([first, key])
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
    if not types.issubset(KEY_TYPES):
        example = next(key for key in keys if type(key) not in KEY_TYPES)
        if type(example) is tuple:
            return None
        way_out = _INSTEAD.get(type(example).__name__, "")
        way_out = f"; yield {way_out}" if way_out else ""
        raise KeyTypeError(f"a key can't be {_described(example)}: it is {_ALLOWED}{way_out}")
    if len(types) > 1:
        return None
    (kind,) = types
    if kind is float and any(key != key for key in keys):
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
    one, other, *_ = examples.values()
    return KeyTypeError(
        f"the keys of a job must be of one type, but there are {_described(one)} "
        f"and {_described(other)}"
    )


def _name(key: Any) -> str:
    if type(key) is tuple:
        return f"({', '.join(map(_name, key))})"
    if type(key) is datetime and key.utcoffset() is not None:
        return "datetime with time zone"
    return type(key).__name__


def _described(key: Any) -> str:
    return f"{_name(key)} ({short_repr(key)})"
