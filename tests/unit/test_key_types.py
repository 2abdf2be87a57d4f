from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from zmr.key_types import KeyTypeError, of_one_type, type_of_keys

NOON = datetime(2026, 1, 1, 12)


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
        ([("a", 1), ("b", 2)], "(str, int)"),
        ([()], "()"),
    ],
)
def test_keys_of_one_type_have_its_name(keys: list[Any], name: str) -> None:
    assert type_of_keys(keys) == name


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["a", 1], r"str \('a'\) and int \(1\)"),
        ([1, 1.0], r"int \(1\) and float \(1.0\)"),
        ([NOON, date(2026, 1, 1)], r"datetime \(.*\) and date \("),
        ([NOON, NOON.replace(tzinfo=UTC)], r"datetime \(.*\) and datetime with time zone \("),
        ([("a", 1), ("a",)], r"\(str, int\) \(\('a', 1\)\) and \(str\) \(\('a',\)\)"),
        ([("a", 1), ("a", 2.5)], r"\(str, float\) \(\('a', 2.5\)\)"),
        ([("a", NOON), ("a", NOON.replace(tzinfo=UTC))], "datetime with time zone"),
        ([None], r"a key can't be NoneType \(None\): it is str, bytes"),
        ([["a"]], r"a key can't be list \(\['a'\]\)"),
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
