"""Reading text output: its lines as (key, value) pairs, with the types that were noted of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any

from zmr.formats.text import any_number_of_digits, decode_field, unescape_bytes

Read = Callable[[bytes], Any]

_OR_NONE = " or None"
_BOOLS = {b"true": True, b"false": False}
_NONE = {b"null": None}


def pairs_of(lines: Iterable[bytes], key_type: str, value_type: str) -> Iterator[tuple[Any, Any]]:
    """The pairs of the lines. Raises ValueError for a line whose values are not of these types.

    A type that is not known here is read as text.
    """
    read_key, read_value = reader_of(key_type), reader_of(value_type)
    for number, line in enumerate(lines, 1):
        key, _, value = line.rstrip(b"\n").partition(b"\t")
        try:
            pair = read_key(key), read_value(value)
        except (ValueError, LookupError, ArithmeticError, TypeError, RecursionError):
            raise ValueError(f"line {number} is no {key_type} with {value_type}") from None
        yield pair


def reader_of(name: str) -> Read:
    """What makes a value of the type with this name of a field."""
    if name.startswith("("):
        return _reader_of_tuples(name) or decode_field
    plain = name.removesuffix(_OR_NONE)
    if plain != name and plain in ("str", "bytes"):  # a None looks like the text "null"
        return decode_field
    read = _READERS.get(plain, decode_field)
    if plain == name:
        return read
    return lambda field: None if field == b"null" else read(field)


def _reader_of_tuples(name: str) -> Read | None:
    names = name[1:-1].split(", ") if name != "()" else []
    found = [_ELEMENTS.get(each.removesuffix(_OR_NONE)) for each in names]
    are_optional = [each.endswith(_OR_NONE) for each in names]
    readers = [each for each in found if each is not None]
    if len(readers) < len(names):
        return None

    def read(field: bytes) -> tuple[Any, ...]:
        elements = _from_json(decode_field(field))
        if type(elements) is not list:
            raise TypeError
        return tuple(
            None if is_optional and element is None else of_element(element)
            for element, of_element, is_optional in zip(
                elements, readers, are_optional, strict=True
            )
        )

    return read


def _int(field: bytes) -> int:
    try:
        return int(field)
    except ValueError:
        with any_number_of_digits():
            return int(field)


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        with any_number_of_digits():
            return json.loads(text)


def _of_text(read: Callable[[str], Any]) -> Read:
    return lambda field: read(field.decode())


def _decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


_READERS: dict[str, Read] = {
    "str": decode_field,
    "bytes": unescape_bytes,
    "int": _int,
    "float": float,
    "bool": _BOOLS.__getitem__,
    "None": _NONE.__getitem__,
    "date": _of_text(date.fromisoformat),
    "datetime": _of_text(datetime.fromisoformat),
    "Decimal": _of_text(_decimal),
    "UUID": _of_text(_uuid),
}


def _exactly(kind: type) -> Callable[[Any], Any]:
    def checked(element: Any) -> Any:
        if type(element) is not kind:
            raise TypeError
        return element

    return checked


# Elements of a tuple, as JSON has them.
_ELEMENTS: dict[str, Callable[[Any], Any]] = {
    "str": _exactly(str),
    "bytes": lambda text: text.encode("utf-8", "surrogateescape"),
    "int": _exactly(int),
    "float": _exactly(float),
    "bool": _exactly(bool),
    "None": _exactly(type(None)),
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "Decimal": _decimal,
    "UUID": _uuid,
}
