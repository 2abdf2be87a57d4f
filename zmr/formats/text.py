r"""Text output: one line for each pair, `key<TAB>value<LF>`, in UTF-8.

How a value is written:

    str                     as it is
    int, float              as `repr` does: 17, 0.1, 1e+100, nan
    bool, None              true, false, null
    bytes                   its bytes, whatever they are
    date, datetime          ISO 8601: 2026-01-31, 2026-01-31T12:00:00
    list, tuple, dict       compact JSON: ["a",1], {"n":null}; what JSON doesn't know, as text
    set, frozenset          as a list, sorted
    anything else           as `str` does

Ordinary text is untouched, backslashes included, so the words that a job counts look as they do
in any other tool. Only the three characters that would break a line are shown by their pictures,
and a picture that was there before gets an ESC picture before it:

    tab -> ␉    LF -> ␊    CR -> ␍        ␉ -> ␛␉    ␊ -> ␛␊    ␍ -> ␛␍    ␛ -> ␛␛

`unescape` takes all that back. Writing never fails for what the characters are: a lone surrogate
is written as its three bytes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from zmr.display import short_repr
from zmr.errors import YieldError
from zmr.key_types import plain_scalar

_PICTURES = {"\t": "␉", "\n": "␊", "\r": "␍"}
_ESCAPE = "␛"
_ESCAPED = {_ESCAPE: _ESCAPE * 2} | {p: _ESCAPE + p for p in _PICTURES.values()} | _PICTURES
_TABLE = str.maketrans(_ESCAPED)
ESCAPED_BYTES = [(char.encode(), text.encode()) for char, text in _ESCAPED.items()]
_MEANING = {picture: char for char, picture in _PICTURES.items()}
_SEQUENCE = re.compile("␛([␉␊␍␛])|([␉␊␍])")
_PICTURES_BEGIN = b"\xe2\x90"  # all of them
_MEANING_BYTES = {picture.encode(): char.encode() for picture, char in _MEANING.items()}
_BYTE_SEQUENCE = re.compile("␛(␉|␊|␍|␛)|(␉|␊|␍)".encode())


def encode_pairs(
    pairs: Sequence[tuple[Any, Any]], kinds: tuple[set[type], set[type]] | None = None
) -> bytes:
    """The lines of the pairs. Of which types they are is added to `kinds` of keys and of values.

    Raises `YieldError` for what is no pair, and whatever an object's own `__str__` raises.
    """
    if not pairs:
        return b""
    of_keys, of_values = kinds or (set(), set())
    try:
        keys, values = zip(*pairs, strict=True)
    except (TypeError, ValueError):
        raise not_a_pair(_first_non_pair(pairs)) from None
    try:
        fields = _texts(keys, of_keys), _texts(values, of_values)
        return ("\n".join(map("\t".join, zip(*fields, strict=True))) + "\n").encode()
    except (_NotPlainError, UnicodeEncodeError):
        of_values.update(map(type, values))
        return b"".join(b"%b\t%b\n" % (encode_field(k), encode_field(v)) for k, v in pairs)


def encode_field(value: Any) -> bytes:
    """One key or value as it stands in the output."""
    if isinstance(value, (bytes, bytearray)):
        field = bytes(value)
        for char, text in ESCAPED_BYTES:
            field = field.replace(char, text)
        return field
    return to_text(value).translate(_TABLE).encode("utf-8", "surrogatepass")


def encode_json(element: Any) -> bytes:
    """An element of a tuple or list as it stands in its JSON, not yet escaped."""
    return _to_json([element])[1:-1].encode("utf-8", "surrogatepass")


def to_text(value: Any) -> str:
    """A value other than bytes as text, not yet escaped."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return _digits(value)
    if kind is float:
        return repr(value)
    if value is None or kind is bool:
        return _CONSTANTS[value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return _to_json(value)
    if kind.__module__ == "numpy":
        plain = plain_scalar(value)
        return str(value) if plain is value else to_text(plain)
    return str(value)


def unescape(field: str) -> str:
    """The text that was written as this field."""
    return _SEQUENCE.sub(lambda match: match[1] or _MEANING[match[2]], field)


def decode_field(field: bytes) -> str:
    """The text of a field. Bytes that are no text come as lone surrogates."""
    try:
        text = field.decode()
    except UnicodeDecodeError:
        text = _decode_odd(field)
    return unescape(text) if _PICTURES_BEGIN in field else text


def unescape_bytes(field: bytes) -> bytes:
    """The bytes that were written as this field."""
    return _BYTE_SEQUENCE.sub(lambda match: match[1] or _MEANING_BYTES[match[2]], field)


class _NotPlainError(Exception):
    """A column holds something that has to be looked at field by field."""


def _texts(column: Sequence[Any], seen: set[type]) -> Sequence[str]:
    """The fields of a column where none needs escaping, checked all at once."""
    kinds = set(map(type, column))
    seen |= kinds
    if kinds <= {int, float}:
        try:
            return list(map(repr, column))
        except ValueError:
            raise _NotPlainError from None  # an int with more digits than Python likes to write
    if any(issubclass(kind, (bytes, bytearray)) for kind in kinds):
        raise _NotPlainError
    texts = column if kinds == {str} else list(map(to_text, column))
    joined = "".join(texts)
    if any(char in joined for char in _ESCAPED):
        raise _NotPlainError
    return texts


_CONSTANTS = {None: "null", True: "true", False: "false"}


def _digits(number: int) -> str:
    try:
        return repr(number)
    except ValueError:
        with any_number_of_digits():
            return repr(number)


@contextmanager
def any_number_of_digits() -> Iterator[None]:
    """Python refuses to write ints of more than 4300 digits, which is no good to a sum."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


def _to_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError):
        with any_number_of_digits():
            return json.dumps(_for_json(value), ensure_ascii=False, separators=(",", ":"))


def _for_json(value: Any) -> Any:
    """The value with all that JSON doesn't know replaced by text."""
    if isinstance(value, dict):
        return {_json_key(key): _for_json(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return [_for_json(item) for item in _sorted_items(value)]
    if isinstance(value, (list, tuple)):
        return [_for_json(item) for item in value]
    if type(value) in (str, int, float):
        return value
    value = plain_scalar(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return to_text(value)


def _json_key(key: Any) -> Any:
    return key if key is None or isinstance(key, (str, int, float)) else str(_for_json(key))


def _sorted_items(items: set[Any] | frozenset[Any]) -> list[Any]:
    if not any(isinstance(item, frozenset) for item in items):  # `<` on sets is no order
        try:
            return sorted(items)
        except TypeError:
            pass
    return sorted(items, key=lambda item: (type(item).__name__, to_text(item)))


def _decode_odd(field: bytes) -> str:
    try:
        return field.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return field.decode("utf-8", "surrogateescape")


def not_a_pair(value: Any, line: str = "") -> YieldError:
    """The error for what a job has yielded, at this line of it if that is known."""
    at = f", yielded at {line}" if line else ""
    return YieldError(
        f"not a (key, value) pair: {short_repr(value)}{at}; a pair is a tuple or list of two"
    )


def _first_non_pair(pairs: Sequence[Any]) -> Any:
    for pair in pairs:
        try:
            _, _ = pair
        except (TypeError, ValueError):
            return pair
    return pairs[0]
