"""One table of types serves the columns between map and reduce, and those that users name."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from zmr.columns.types import arrow_type, arrow_types
from zmr.columns.values import encode
from zmr.key_types import COLUMN_TYPES


def test_every_type_of_keys_has_an_arrow_type() -> None:
    for kind in COLUMN_TYPES:
        assert isinstance(arrow_type(kind), pa.DataType)
    assert arrow_type(type(None)) == pa.null()
    assert arrow_type(complex) is None
    assert encode("value", ["a"])[0].type == arrow_type(str) == pa.large_string()


def test_users_may_name_pythons_types_and_arrows() -> None:
    found = arrow_types({"a": str, "b": int, "c": pa.int8()})
    assert found == {"a": pa.string(), "b": pa.int64(), "c": pa.int8()}
    assert arrow_types(None) == arrow_types({}) == {}


@pytest.mark.parametrize("wrong", [3, "int64", type(None), complex, [int]], ids=repr)
def test_other_types_are_refused_by_the_name_of_their_column(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"types\['a'\] must be str, .* or an Arrow type, not"):
        arrow_types({"a": wrong})
