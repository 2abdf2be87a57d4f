from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.errors import YieldError
from zmr.partitioners import Hash, canonical, checked_partition, hash_key

# Written once and for all: other values would tear the outputs of two versions apart.
GOLDEN: list[tuple[Any, int]] = [
    ("", 0x0000000000000000),
    ("a", 0xEEF08ED19C32945E),
    ("word", 0xE226F3C18387D94C),
    ("naïve 語", 0x34807B8E91D3066D),
    ("exactly8", 0x252B9720F489CD4F),
    ("nine chars", 0x315CBACEC4E461D2),
    ("\ud800", 0x148C00D3E56D28F4),
    (b"", 0x0000000000000000),
    (b"a", 0xEEF08ED19C32945E),
    (b"\x00\x00", 0xA559650848DC2883),
    (0, 0x888BF34FDF06208B),
    (1, 0xD4C9F7231575C736),
    (-1, 0x1D4423D530AA091A),
    (2**63 - 1, 0xEEC0024D334C8D35),
    (2**63, 0x3112274C878F20B0),
    (-(2**100), 0xBDE8C8AD266D6CC8),
    (True, 0xD4C9F7231575C736),
    (0.0, 0x888BF34FDF06208B),
    (0.5, 0x5D9564D0301D3BC1),
    (-1e300, 0xD45B26D6736FBBD6),
    (date(1970, 1, 1), 0x888BF34FDF06208B),
    (date(2026, 1, 31), 0x5535E23B070AFF3D),
    (datetime(2026, 1, 31, 12, 30, 15, 7), 0x158E545CB29CC4DD),
    (datetime(2026, 1, 31, 12, tzinfo=UTC), 0x9F67CBDBDE116451),
    ((), 0x0000000000000000),
    (("a",), 0xF780D07E27D12E85),
    (("a", 1), 0xBDC19B05A1731672),
    (("b", "a"), 0x10070D08D90F0BA0),
    (None, 0x941DF2A4E6B2EB7B),
    (("a", None), 0x78EE970849C05C01),
    (Decimal("1.50"), 0x9F0E7E1D9455033B),
    (Decimal("1E+3"), 0xAD4B289480C268EB),
    (Decimal("-Infinity"), 0x1CE3E236DE7B4B13),
    (UUID(int=5), 0xD037DB7BB903352E),
]
KEYS = (
    st.text() | st.binary() | st.integers() | st.floats(allow_nan=False) | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC)) | st.decimals(allow_nan=False) | st.uuids()
)  # fmt: skip


@pytest.mark.parametrize(("key", "expected"), GOLDEN, ids=repr)
def test_a_key_has_the_same_hash_for_ever(key: Any, expected: int) -> None:
    assert hash_key(key) == expected


def test_the_hash_does_not_depend_on_the_process() -> None:
    program = "from zmr.partitioners import hash_key; print(hash_key('word'), hash_key(('a', 1)))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {f"{hash_key('word')} {hash_key(('a', 1))}\n".encode()}


@given(KEYS, KEYS)
def test_keys_of_one_type_are_equal_exactly_if_their_bytes_are(one: Any, other: Any) -> None:
    if type(one) is type(other):
        aware = [isinstance(k, datetime) and k.tzinfo is not None for k in (one, other)]
        if aware[0] == aware[1]:
            assert (one == other) == (canonical(one) == canonical(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (Decimal("0.00"), Decimal("-0")),
        (Decimal("1.50"), Decimal("1.5")),
        (Decimal("1E+3"), Decimal("1000")),
        (Decimal("0.010"), Decimal("1E-2")),
        (
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        ),
        (datetime(2026, 10, 25, 2, fold=0), datetime(2026, 10, 25, 2, fold=1)),
    ],
)
def test_equal_keys_that_look_different_meet_in_one_partition(one: Any, other: Any) -> None:
    assert one == other
    assert hash_key(one) == hash_key(other)
    assert hash_key((one, "x")) == hash_key((other, "x"))


@pytest.mark.parametrize(
    "keys",
    [
        [f"word{i}" for i in range(20_000)],
        [f"{i:08}" * 3 for i in range(20_000)],
        list(range(20_000)),
        [i * 0.5 for i in range(20_000)],
        [(f"user{i % 100}", i // 100) for i in range(20_000)],
    ],
    ids=["words", "long", "ints", "floats", "tuples"],
)
def test_keys_spread_evenly(keys: list[Any]) -> None:
    for n in (2, 7, 16):
        sizes = Counter(Hash()(key, n) for key in keys)
        expected = len(keys) / n
        # Chi-squared: 60 is far out for up to 15 degrees of freedom.
        assert sum((sizes[i] - expected) ** 2 / expected for i in range(n)) < 60


def test_a_jobs_own_partition_must_stay_within_bounds() -> None:
    assert checked_partition(lambda key, n: len(key) % n, "abc", 2) == 1
    for wrong in (2, -1, 1.0, None, True):
        with pytest.raises(YieldError, match=r"partition must be an int from 0 to 1, not .*'abc'"):
            checked_partition(lambda key, n, wrong=wrong: wrong, "abc", 2)  # type: ignore[misc]


def test_one_partition_takes_all() -> None:
    assert {Hash()(key, 1) for key in ("a", 1, date(2026, 1, 1))} == {0}
