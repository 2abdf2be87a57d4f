"""Records of which one is odd, and what is done with them: the kinds that `cliffs` measures.

A kind is plain records, one other that takes the place of any of them, and a reduction. What a
block of many plain records takes must not depend on whether the odd one is among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from math import inf, nan
from typing import Any

from zmr import Collect, Count, Distinct, First, Identity, Job, Max, Mean, Min, Sum, Top

Pair = tuple[Any, Any]

DISTINCT_KEYS = 20_000
_LONG = 10_000
_FIRST_MOMENT = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """Pairs `plain(i)`, in whose place `odd` may be once, reduced by `reduce`."""

    name: str
    plain: Callable[[int], Pair]
    odd: Callable[[Pair], Pair]  # of the pair in whose place it is
    reduce: Any

    def pairs(self, n: int, position: int | None) -> Iterator[Pair]:
        """So many of them, with an odd one at the position, if any."""
        for i in range(n):
            pair = self.plain(i)
            yield self.odd(pair) if i == position else pair

    def job(self) -> Job:
        """The job that they are of."""
        job: Job = type("Odd", (Job,), {"map": lambda self, pair: [pair], "reduce": self.reduce})()
        return job


@dataclass(frozen=True, slots=True)
class LineKind:
    """A line that is odd among lines of text."""

    name: str
    odd: bytes


@dataclass(frozen=True, slots=True)
class Variant:
    """Pairs all of which take more than plain ones do: those of `Kind.plain` named `beside`."""

    name: str
    plain: Callable[[int], Pair]
    beside: Callable[[int], Pair]
    reduce: Any


def _word(i: int) -> str:
    """A word of 8 to 16 letters."""
    return f"w{i * 7919 % DISTINCT_KEYS:07}" + "abcdefgh"[: i % 9]


def _word_int(i: int) -> Pair:
    return _word(i), i % 1000


def _word_text(i: int) -> Pair:
    return _word(i), f"value {i}"


def _word_float(i: int) -> Pair:
    return _word(i), (i % 1000) * 0.1


def _int_int(i: int) -> Pair:
    return i * 7919 % DISTINCT_KEYS, i % 1000


def _tuple_int(i: int) -> Pair:
    return (_word(i), i % 3), i % 1000


def _moment_int(i: int) -> Pair:
    return datetime.fromtimestamp(_FIRST_MOMENT + i % DISTINCT_KEYS), i % 1000


def _url_int(i: int) -> Pair:
    return f"https://example.com/{_word(i)}/{'page'[: i % 5]}/{i * 31 % 97}.html", i % 1000


def _bytes_int(i: int) -> Pair:
    return _word(i).encode(), i % 1000


def _key(key: Any) -> Callable[[Pair], Pair]:
    """The odd one has this key."""
    return lambda pair: (key, pair[1])


def _value(value: Any) -> Callable[[Pair], Pair]:
    """The odd one has this value."""
    return lambda pair: (pair[0], value)


_SUM, _FIRST, _COLLECT = Sum(), First(), Collect()

KINDS = (
    Kind("key of 300 bytes", _word_int, _key("k" * 300), _SUM),
    Kind("key of 10 kB", _word_int, _key("k" * _LONG), _SUM),
    Kind("URL of 10 kB", _url_int, _key("https://example.com/" + "k" * _LONG), _SUM),
    Kind("key with a tab", _word_int, _key("a\tb"), _SUM),
    Kind("key with LF and CR", _word_int, _key("a\r\nb"), _SUM),
    Kind("key with U+2400", _word_int, _key("a\u2400b"), _SUM),
    Kind("key with a picture", _word_int, _key("a␉b"), _SUM),
    Kind("key with a lone surrogate", _word_int, _key("a\ud800b"), _SUM),
    Kind("key with NUL", _word_int, _key("a\0"), _SUM),
    Kind("empty key", _word_int, _key(""), _SUM),
    Kind("key beyond ASCII", _word_int, _key("語" * 10), _SUM),
    Kind("int key of 2**63", _int_int, _key(2**63), _SUM),
    Kind("int key of -10**30", _int_int, _key(-(10**30)), _SUM),
    Kind("datetime key with fold", _moment_int, _key(datetime(2026, 1, 1, fold=1)), _SUM),
    Kind(
        "datetime key with microseconds", _moment_int, _key(datetime(2026, 1, 1, 0, 0, 0, 1)), _SUM
    ),
    Kind("bytes key with a tab", _bytes_int, _key(b"a\tb\xff"), _SUM),
    Kind("None as a key", _word_int, _key(None), _SUM),
    Kind("None among int keys", _int_int, _key(None), _SUM),
    Kind("tuple key with None", _tuple_int, _key(("a", None)), _SUM),
    Kind("tuple key with a quote", _tuple_int, _key(('"', 1)), _SUM),
    Kind("tuple key with 2**64", _tuple_int, _key(("a", 2**64)), _SUM),
    Kind("tuple key with a lone surrogate", _tuple_int, _key(("\ud800", 1)), _SUM),
    Kind("tuple key of 10 kB", _tuple_int, _key(("k" * _LONG, 1)), _SUM),
    Kind("int of 2**63", _word_int, _value(2**63), _SUM),
    Kind("a sum beyond 2**63", _word_int, _value(2**63 - 1), _SUM),
    Kind("a mean beyond 2**63", _word_int, _value(2**63 - 1), Mean()),
    Kind("float among ints", _word_int, _value(0.5), _SUM),
    Kind("bool among ints", _word_int, _value(True), _SUM),
    Kind("int among floats", _word_float, _value(17), _SUM),
    Kind("NaN among floats", _word_float, _value(nan), _SUM),
    Kind("infinity among floats", _word_float, _value(inf), _SUM),
    Kind("1e300 among floats", _word_float, _value(1e300), _SUM),
    Kind("1e-300 among floats", _word_float, _value(1e-300), _SUM),
    Kind("1e-5 among floats, for Max", _word_float, _value(1e-5), Max()),
    Kind("2**64 among ints, for Max", _word_int, _value(2**64), Max()),
    Kind("float among ints, for Min", _word_int, _value(-0.5), Min()),
    Kind("None among ints, for First", _word_int, _value(None), _FIRST),
    Kind("None among ints, for Count", _word_int, _value(None), Count()),
    Kind("None among texts, for Collect", _word_text, _value(None), _COLLECT),
    Kind("dict among texts, for Collect", _word_text, _value({"a": 1}), _COLLECT),
    Kind("dict among texts, as they are", _word_text, _value({"a": 1}), Identity()),
    Kind("None among texts, as they are", _word_text, _value(None), Identity()),
    Kind("float among ints, as they are", _word_int, _value(0.5), Identity()),
    Kind("tab among texts, as they are", _word_text, _value("a\tb"), Identity()),
    Kind("lone surrogate among texts, as they are", _word_text, _value("\ud800"), Identity()),
    Kind("int among texts, for First", _word_text, _value(1), _FIRST),
    Kind("2**64 among ints, for Top", _word_int, _value(2**64), Top(2)),
    Kind("quote among texts, for Distinct", _word_text, _value('"'), Distinct()),
    Kind("lone surrogate among texts, for Distinct", _word_text, _value("\ud800"), Distinct()),
)

LINE_KINDS = (
    LineKind("a byte that is not UTF-8", b"a\xffb\n"),
    LineKind("CR LF", b"a b\r\n"),
    LineKind("CR within a line", b"a\rb\n"),
    LineKind("control character 1", b"a\x01b\n"),
    LineKind("a white space of three bytes", "a\u2003b\n".encode()),
    LineKind("a byte order mark", b"\xef\xbb\xbfa\n"),
    LineKind("an empty line", b"\n"),
    LineKind("a word of 10 kB", b"k" * _LONG + b"\n"),
    LineKind("words of 200 bytes", b" ".join([b"k" * 200] * 50) + b"\n"),
)

VARIANTS = (
    Variant("tuple keys", _tuple_int, _word_int, _SUM),
    Variant("bytes keys", _bytes_int, _word_int, _SUM),
    Variant("datetime keys", _moment_int, _word_int, _SUM),
    Variant("bool keys", lambda i: (i % 2 == 0, i % 1000), _int_int, _SUM),
    Variant("None for every other key", lambda i: (_word(i) if i % 2 else None, i % 1000),
            _word_int, _SUM),
    Variant("float values", _word_float, _word_int, _SUM),
    Variant("float values, as they are", _word_float, _word_int, Identity()),
    Variant("ints and floats in turn", lambda i: (_word(i), i if i % 2 else i / 2), _word_int,
            _SUM),
    Variant("None for every other", lambda i: (_word(i), i if i % 2 else None), _word_int, _FIRST),
    Variant("None, as it is", lambda i: (_word(i), None), _word_int, Identity()),
    Variant("dates, as they are", lambda i: (_word(i), date.fromordinal(730_000 + i % 9_999)),
            _word_int, Identity()),
    Variant("texts with tabs, as they are", lambda i: (_word(i), f"a\tb {i}"), _word_text,
            Identity()),
    Variant("texts of 1 kB, as they are", lambda i: (_word(i), f"{i:01000}"), _word_text,
            Identity()),
    Variant("lists of ints", lambda i: (_word(i), i % 1000), _word_int, _COLLECT),
)  # fmt: skip
