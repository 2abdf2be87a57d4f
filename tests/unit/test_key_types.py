from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from zmr.key_types import KeyTypeError, of_one_type, plain_key, type_of_keys

NOON = datetime(2026, 1, 1, 12)
TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ([], ""),
        (["a", "b"], "str"),
        ([b"a"], "bytes"),
        ([True, False], "bool"),
        ([0, 10**30], "int"),
        ([date(2026, 1, 1)], "date"),
        ([NOON], "datetime"),
        ([NOON.replace(tzinfo=UTC)], "datetime with time zone"),
        ([TWICE.replace(hour=4), NOON.replace(tzinfo=UTC)], "datetime with time zone"),
        ([("a", 1), ("b", 2)], "(str, int)"),
        ([()], "()"),
    ],
)
def test_keys_of_one_type_have_its_name(keys: list[Any], name: str) -> None:
    assert type_of_keys(keys) == name


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([NOON.replace(tzinfo=UTC), TWICE], "2026-10-25T02:30:00.02:00 in Europe/Berlin, .*twice"),
        ([("a", TWICE.replace(fold=1))], "2026-10-25T02:30:00.01:00 in Europe/Berlin, .*twice"),
        ([TWICE.replace(month=3, day=29)], "or not at all; yield key.astimezone"),
        (["a", 1], r"str \('a'\) and int \(1\)"),
        ([1, 1.0], r"int \(1\) and float \(1.0\)"),
        ([NOON, date(2026, 1, 1)], r"datetime \(.*\) and date \("),
        ([NOON, NOON.replace(tzinfo=UTC)], r"datetime \(.*\) and datetime with time zone \("),
        ([("a", 1), ("a",)], r"\(str, int\) \(\('a', 1\)\) and \(str\) \(\('a',\)\)"),
        ([("a", 1), ("a", 2.5)], r"\(str, float\) \(\('a', 2.5\)\)"),
        ([("a", NOON), ("a", NOON.replace(tzinfo=UTC))], "datetime with time zone"),
        ([None], r"a key can't be NoneType \(None\): it is str, bytes"),
        ([None], r"yield a key of its own for what is missing, such as ''$"),
        ([["a"]], r"a key can't be list \(\['a'\]\).*; yield tuple\(key\)$"),
        (
            [Decimal("1.0")],
            r"Decimal .*; yield str\(key\), or a whole number of the smallest unit$",
        ),
        ([UUID(int=5)], r"UUID .*; yield str\(key\), or key.bytes$"),
        ([np.datetime64(1, "ns")], r"datetime64 .*; yield key.item\(\)$"),
        ([object()], r"or a tuple of them$"),
        ([("a", ("b",))], "tuple in a tuple"),
        ([1.5, float("nan")], "NaN"),
        ([("a", float("nan"))], "NaN"),
    ],
)
def test_others_are_refused_with_an_example(keys: list[Any], told: str) -> None:
    with pytest.raises(KeyTypeError, match=told):
        type_of_keys(keys)


@pytest.mark.parametrize("keys", [[1, 1.0], [True, 1], [0.0, False], [(1, "a"), (True, "a")]])
def test_a_mixture_that_a_dict_would_take_for_one_key_is_found(keys: list[Any]) -> None:
    assert len(set(keys)) == 1
    with pytest.raises(KeyTypeError, match="must be of one type"):
        dict(of_one_type([(key, None) for key in keys], keys[0]))


class Odd(bytes):
    def __bytes__(self) -> bytes:
        return b"not what it is"


@pytest.mark.parametrize(
    ("key", "plain"),
    [
        *(
            (np.int8(-5), -5),
            (np.uint64(2**64 - 1), 2**64 - 1),
            (np.float32(0.1), float(np.float32(0.1))),
        ),
        *((np.bytes_(b"a"), b"a"), (Odd(b"a"), b"a"), ((np.str_("a"), 1), ("a", 1))),
    ],
)
def test_a_key_of_a_derived_type_is_plain(key: Any, plain: Any) -> None:
    assert plain_key(key) == plain
    assert type(plain_key(key)) is type(plain)
    assert type_of_keys([plain_key(key)]) == type_of_keys([plain])


@pytest.mark.parametrize(
    "key", [None, np.datetime64(1, "ns"), np.longdouble(1), np.array([1]), np.complex128(1), [1]]
)
def test_what_is_no_plain_key_stays_what_it_is(key: Any) -> None:
    assert plain_key(key) is key
    with pytest.raises(KeyTypeError):
        type_of_keys([key])
