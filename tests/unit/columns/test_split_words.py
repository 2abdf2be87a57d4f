from __future__ import annotations

import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.kernels import both_kernels as both_kernels

from zmr import split_words
from zmr.columns import split_words as words

EVERY_CHARACTER = [chr(i) for i in range(sys.maxunicode + 1) if not 0xD800 <= i < 0xE000]
SPACES = [char for char in EVERY_CHARACTER if char.isspace()]
TEXT = st.text(st.sampled_from([*"abü’…語ぁ\0\x1b ", *SPACES]))


def test_every_character_parts_words_or_does_not_as_it_does_for_str() -> None:
    text = "x".join(EVERY_CHARACTER)
    assert split_words(text).to_pylist() == text.split()
    assert len(split_words("".join(SPACES))) == 0


@given(st.lists(st.none() | TEXT))
@example(["ends here", "begins here", "", " ", None])
def test_the_words_of_strings_are_those_of_one_after_another(texts: list[str | None]) -> None:
    expected = [word for text in texts if text is not None for word in text.split()]
    for kind in (pa.string(), pa.large_string()):
        strings = pa.array(texts, kind)
        found = split_words(strings)
        found.validate(full=True)
        assert found.type == pa.string()
        assert found.to_pylist() == expected
        assert split_words(strings[1:]).to_pylist() == [
            word for text in texts[1:] if text is not None for word in text.split()
        ]
        chunked = pa.chunked_array([strings[:1], strings[1:]])
        assert split_words(chunked).to_pylist() == expected


@given(TEXT)
def test_text_may_come_as_what_it_comes_as(text: str) -> None:
    data = text.encode()
    forms: list[Any] = [
        data,
        bytearray(data),
        memoryview(data),
        pa.py_buffer(data),
        pa.scalar(text),
    ]
    for form in forms:
        assert split_words(form).to_pylist() == text.split()


@pytest.mark.parametrize("text", ["ab ", "a\u2003b", "\x1b ab\x1f", "語 "])
def test_words_may_lie_across_the_pieces_that_are_worked_on(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text *= 50
    for piece_bytes in range(1, 40):
        monkeypatch.setattr(words, "_PIECE_BYTES", piece_bytes)
        assert split_words(text).to_pylist() == text.split()


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="UTF8"):
        split_words(b"\xff")
    for wrong in (pa.array([1]), pa.array([1, 2]), pa.scalar(1), pa.array([b"a"]), 1, ["a"]):
        with pytest.raises(TypeError):
            split_words(wrong)
