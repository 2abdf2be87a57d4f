from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from zmr.key_types import (
    KeyTypeError,
    check_maps,
    common_type,
    of_one_type,
    plain_key,
    sortable,
    type_of_keys,
)

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
        ([None], "None"),
        ([None, "a"], "str or None"),
        ([("a", None), ("b", 1), (None, 2)], "(str or None, int or None)"),
        ([Decimal("1.0"), Decimal("Infinity")], "Decimal"),
        ([UUID(int=5), None], "UUID or None"),
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
        ([None, ("a",)], r"None \(None\) and \(str\)"),
        ([None, "a", 1], r"str \('a'\) and int \(1\)"),
        ([("a", None), (None, 1), (2, 3)], r"\(str, None\) .* and \(int, int\)"),
        ([Decimal(1), 1], r"Decimal .* and int"),
        ([Decimal(1), Decimal("sNaN")], "NaN can't be a key"),
        ([["a"]], r"a key can't be list \(\['a'\]\).*; yield tuple\(key\)$"),
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


@pytest.mark.parametrize(
    "keys",
    [
        *([1, 1.0], [True, 1], [0.0, False], [(1, "a"), (True, "a")]),
        *([Decimal(1), 1], [None, 1, None, 1.0], [("a", None), ("a", 1), ("a", None), ("a", 1.0)]),
    ],
)
def test_a_mixture_that_a_dict_would_take_for_one_key_is_found(keys: list[Any]) -> None:
    assert len(set(keys)) < len(keys)
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
    "key", [np.datetime64(1, "ns"), np.longdouble(1), np.array([1]), np.complex128(1), [1]]
)
def test_what_is_no_plain_key_stays_what_it_is(key: Any) -> None:
    assert plain_key(key) is key
    with pytest.raises(KeyTypeError):
        type_of_keys([key])


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("str", "str", "str"),
        ("str", "None", "str or None"),
        ("str or None", "str", "str or None"),
        ("None", "None", "None"),
        ("(str, None)", "(None, int)", "(str or None, int or None)"),
        ("()", "()", "()"),
        ("datetime with time zone", "None", "datetime with time zone or None"),
        ("str", "int", None),
        ("str or None", "int or None", None),
        ("(str)", "str", None),
        ("(str)", "None", None),
        ("(str)", "(str, str)", None),
    ],
)
def test_types_that_differ_in_none_have_a_common_one(
    one: str, other: str, common: str | None
) -> None:
    assert common_type(one, other) == common_type(other, one) == common


def test_none_comes_before_all_other_keys() -> None:
    for keys in (["", None], [-1.0, None], [("a", 1), ("a", None)], [UUID(int=0), None]):
        first, second = sorted(map(sortable, keys))
        assert first < second
        assert not second < first
        assert second > first
        assert not first < first


def test_maps_may_differ_in_none() -> None:
    check_maps([(0, "str"), (1, ""), (2, "None"), (3, "str or None")])
    with pytest.raises(KeyTypeError, match=r"map 1 put out str or None and map 3 int$"):
        check_maps([(0, "None"), (1, "str or None"), (2, "None"), (3, "int")])
