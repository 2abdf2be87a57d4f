"""Columns of keys are hashed as single keys are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.keys import KEYS, columns_of

from zmr.columns import bytes_view
from zmr.columns.hash import hash_rows
from zmr.partitioners import hash_key


@pytest.mark.parametrize("words_at_once", [1, 7, 1 << 14])
@pytest.mark.parametrize("kind", KEYS)
def test_columns_hash_as_their_keys_do(
    kind: str, words_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytes_view, "_WORDS_AT_ONCE", words_at_once)

    @given(st.lists(KEYS[kind], min_size=1, max_size=60))
    def check(keys: list[Any]) -> None:
        found = hash_rows(columns_of(keys), kind.startswith("tuple"))
        assert found.tolist() == [hash_key(key) for key in keys]

    check()


def test_slices_and_both_widths_of_offsets_are_the_same_keys() -> None:
    keys = ["", "b", "a" * 17, "a" * 16, "ab", "é", "a" * 17 + "\0"]
    for kind in (pa.string(), pa.large_string()):
        column = pa.array(["zz", *keys, "yyyyyyyyyyyy"], kind).slice(1, len(keys))
        assert hash_rows([column], are_tuples=False).tolist() == [hash_key(key) for key in keys]


def test_keys_of_megabytes_take_no_round_for_every_8_bytes() -> None:
    """Else it is a minute for these, and the test times out."""
    keys = ["a" * (8 << 20)] * 2 + ["a" * (8 << 20) + "b"]
    found = hash_rows([pa.array(keys, pa.large_string())], False).tolist()
    assert found[0] == found[1] != found[2]
