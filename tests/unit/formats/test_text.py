from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zmr.formats.text import encode_pairs, unescape
from zmr.formats.text_values import pairs_of

ANY_TEXT = st.text(st.characters(codec=None) | st.sampled_from("\t\n\r␉␊␍␛\\\ud800"))


def line(key: Any, value: Any) -> str:
    return encode_pairs([(key, value)]).decode()


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT | st.integers())))
def test_any_text_is_one_line_a_pair_and_comes_back(pairs: list[tuple[str, Any]]) -> None:
    data = encode_pairs(pairs)
    lines = data.splitlines(keepends=True)
    assert [row.count(b"\t") for row in lines] == [1] * len(pairs)
    assert list(pairs_of(lines, "str", "str")) == [(key, str(value)) for key, value in pairs]


@given(st.binary())
@example(b"\xed\xa0\x80")  # how a lone surrogate is written
def test_any_bytes_come_back(data: bytes) -> None:
    ((_, value),) = pairs_of([encode_pairs([("key", data)])], "str", "str")
    found = []
    for errors in ("surrogateescape", "surrogatepass"):
        with suppress(UnicodeEncodeError):
            found.append(value.encode("utf-8", errors))
    assert data in found


def test_ordinary_text_is_untouched() -> None:
    for text in (r"C:\new\table", 'say "a;b,c"', "naïve 語 🙂", "", " ", "\x00\x85\u2028"):
        assert line(text, text) == f"{text}\t{text}\n"


def test_what_would_break_a_line_is_shown_by_its_picture() -> None:
    assert line("a\tb", "c\r\nd") == "a␉b\tc␍␊d\n"
    assert line("␉", "␛") == "␛␉\t␛␛\n"
    assert unescape("a␉b␛␉c␛␛d␊") == "a\tb␉c␛d\n"


class Point:
    def __str__(self) -> str:
        return "1\t2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17, "17"),
        (10**5000, "1" + "0" * 5000),
        (0.1, "0.1"),
        (1e100, "1e+100"),
        (float("nan"), "nan"),
        (True, "true"),
        (None, "null"),
        (b"\xff\t", b"\xff\xe2\x90\x89"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00+00:00"),
        (["ü", 1, None, True], '["ü",1,null,true]'),
        (("a", (1, 2.5)), '["a",[1,2.5]]'),
        ({"n": {"m": []}}, '{"n":{"m":[]}}'),
        ({(1, "a"): {3, 1, 2}}, "{\"[1, 'a']\":[1,2,3]}"),
        ([date(2026, 1, 31), b"a", Point()], r'["2026-01-31","a","1\t2"]'),
        ([10**5000], "[1" + "0" * 5000 + "]"),
        ({"b", "a"}, '["a","b"]'),
        (frozenset([2, "b", 1]), '[1,2,"b"]'),
        ({frozenset([2, 1]), frozenset([3])}, "[[1,2],[3]]"),
        (Point(), "1␉2"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_how_values_are_written(value: Any, text: str | bytes) -> None:
    expected = text if isinstance(text, bytes) else text.encode()
    assert encode_pairs([(1, value)]) == b"1\t" + expected + b"\n"
    assert encode_pairs([(1, value), (1, "x")]) == b"1\t" + expected + b"\n1\tx\n"


@pytest.mark.parametrize("wrong", [[1], ["abc"], [("a", 1), ("b", 1, 2)], [("a", 1, 2)], [None]])
def test_what_is_no_pair_is_named(wrong: list[Any]) -> None:
    with pytest.raises(TypeError, match=r"not a \(key, value\) pair: "):
        encode_pairs(wrong)
