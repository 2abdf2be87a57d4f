"""Keys of every type, in which ties and shared beginnings are likely; and columns of them."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
from hypothesis import strategies as st

from zmr.columns.values import encode

# Short alphabets make ties, shared beginnings and trailing zeros likely.
_LONG = "a" * 1000
_TEXTS = st.text(alphabet="ab\0é", max_size=40) | st.sampled_from(
    ["", "abababab", "a" * 30, _LONG, _LONG + "b", _LONG + "\0", _LONG + "bcdefghi"]
)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "str": _TEXTS,
    "bytes": _TEXTS.map(str.encode),
    "int": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "float": st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0]),
    "bool": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes().map(lambda moment: moment.replace(fold=0)),
    "int beyond 64 bits": st.integers()
    | st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1]),
    "str with surrogates": _TEXTS | st.text(alphabet="a\ud800\udfff\ue000\U00010000", max_size=20),
    "datetime with fold": st.datetimes()
    | st.datetimes().map(lambda moment: moment.replace(fold=1)),
    "tuple with odd ones": st.tuples(
        st.text(alphabet="a\ud800", max_size=2), st.integers(2**63 - 1, 2**63 + 1), _TEXTS
    ),
    "tuple": st.tuples(_TEXTS, st.integers(-2, 2), _TEXTS),
    "tuple of one": st.tuples(_TEXTS),
}
KEYS |= {f"{kind} or None": st.none() | KEYS[kind] for kind in list(KEYS) if "tuple" not in kind}
KEYS["tuple with None"] = st.tuples(
    st.none() | _TEXTS, st.none() | st.integers(-2, 2), st.none() | st.integers(2**63 - 1, 2**63)
)
# Those that are pickled, and handled one by one.
OPAQUE_KEYS: dict[str, st.SearchStrategy[Any]] = {
    "Decimal": st.decimals(allow_nan=False)
    | st.sampled_from(list(map(Decimal, ("0", "-0", "1.0", "1.00", "1e2", "100")))),
    "UUID": st.uuids() | st.sampled_from([UUID(int=0), UUID(int=1)]),
    "zoned": st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))])),
}
OPAQUE_KEYS |= {f"{kind} or None": st.none() | OPAQUE_KEYS[kind] for kind in list(OPAQUE_KEYS)}
OPAQUE_KEYS["tuple with opaque ones"] = st.tuples(
    OPAQUE_KEYS["Decimal or None"], _TEXTS, OPAQUE_KEYS["UUID or None"]
)


def columns_of(keys: list[Any]) -> list[pa.Array]:
    """Return a column for each element of tuples, else one."""
    rows = zip(*keys, strict=True) if keys and type(keys[0]) is tuple else [keys]
    return [encode("key", list(column), is_key=True)[1] for column in rows]
