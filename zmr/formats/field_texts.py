"""Columns as the texts that `zmr.formats.text` writes, without a Python object for each value.

Texts are large binaries here, as bytes are written as they are. What few values of a column need
more than the others (a tab, a number in another notation) is made for these alone and put in their
place; so a column's time is that of its bytes, whatever stands in one row. None is returned for a
column of a type that has to be written value by value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zmr.columns.arrays import Bytes, Floats, Index, as_arrow
from zmr.columns.bytes_view import BytesView
from zmr.columns.mixed import (
    PICKLES,
    Part,
    children_of,
    has_value,
    is_mixed,
    put_together,
    to_pylist,
)
from zmr.formats.text import ESCAPED_BYTES, encode_field, encode_json

BINARY = pa.large_binary()

_STRINGS = (pa.string(), pa.large_string())
_BINARIES = (pa.binary(), pa.large_binary())
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # of the years 1 to 9999, from 1970-01-01
_DAY_US = 86_400_000_000
_SINGLE_BYTES = [mark for mark, _ in ESCAPED_BYTES if len(mark) == 1]
_PICTURES_BEGIN = b"\xe2\x90"  # three bytes all of them
_PICTURES_END = [mark[2] for mark, _ in ESCAPED_BYTES if len(mark) == 3]
_NO_ROWS = np.zeros(0, np.int64)
_SLICE_COST = 64  # how many rows are taken one by one in the time for one slice of them


def field_texts(column: pa.Array) -> pa.Array | None:
    """Each value as it stands in a line, escaped."""
    kind = column.type
    if is_mixed(kind):
        return _mixed_texts(column, field_texts, encode_field)
    if kind in _STRINGS or kind in _BINARIES:
        return _with_nulls(column, escaped(column.cast(BINARY)))
    if pa.types.is_large_list(kind):
        texts = _list_texts(column)
        return None if texts is None else escaped(texts)
    return _with_nulls(column, _plain_texts(column))


def tuple_texts(columns: Sequence[pa.Array]) -> pa.Array | None:
    """The JSON of the tuples of which these are the elements, escaped."""
    elements = []
    for column in columns:
        texts = _json_texts(column)
        if texts is None:
            return None
        elements.append(texts)
    return escaped(joined(_scalar(b"["), joined(*elements, _scalar(b",")), _scalar(b"]"), _NOTHING))


def joined(*columns: pa.Array | pa.Scalar) -> pa.Array:
    """The columns as one, row by row; what is last stands between them."""
    return pc.call_function("binary_join_element_wise", list(columns))


def replaced(texts: pa.Array, rows: Index, others: pa.Array) -> pa.Array:
    """The texts, with the `others` in place of those of these rows, which ascend."""
    if not len(rows):
        return texts
    if len(rows) * _SLICE_COST < len(texts):  # what is between them is copied as a whole
        edges = [-1, *rows.tolist(), len(texts)]
        parts = []
        for n, (before, row) in enumerate(pairwise(edges)):
            parts += [texts.slice(before + 1, row - before - 1), others.slice(n, 1)]
        return pa.concat_arrays(parts)
    places = np.arange(len(texts))
    places[rows] = np.arange(len(texts), len(texts) + len(rows))
    return pa.concat_arrays([texts, others]).take(as_arrow(places))


def escaped(texts: pa.Array) -> pa.Array:
    """The texts with pictures in place of what would break a line, and marks before pictures."""
    rows = _rows_at(texts, _breaking(_bytes_of(texts))[0])
    if not len(rows):
        return texts
    some = texts.take(as_arrow(rows))
    data = _bytes_of(some)
    places, growths = _breaking(data)
    text = data.tobytes()
    for char, picture in ESCAPED_BYTES:
        text = text.replace(char, picture)
    grown = np.concatenate([np.zeros(1, np.int64), np.cumsum(growths)])
    offsets = np.concatenate([np.zeros(1, np.int64), BytesView(some).ends])
    offsets += grown[np.searchsorted(places, offsets)]
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    return replaced(texts, rows, pa.Array.from_buffers(BINARY, len(some), buffers, 0))


def _breaking(data: Bytes) -> tuple[Index, Index]:
    """Where what is to be escaped begins, in order, and how much longer each gets."""
    text = data.tobytes()
    places = [np.flatnonzero(data == char[0]) for char in _SINGLE_BYTES if char in text]
    growths = [np.full(len(some), 2) for some in places]
    if _PICTURES_BEGIN in text:
        begins = np.flatnonzero(data == _PICTURES_BEGIN[0])
        begins = begins[begins < len(data) - 2]
        is_it = data[begins + 1] == _PICTURES_BEGIN[1]
        is_it &= np.isin(data[begins + 2], _PICTURES_END)
        places.append(begins[is_it])
        growths.append(np.full(len(places[-1]), 3))
    if not places:
        return _NO_ROWS, _NO_ROWS
    found = np.concatenate(places)
    order = np.argsort(found, kind="stable")
    return found[order], np.concatenate(growths)[order]


def _scalar(text: bytes) -> pa.Scalar:
    return pa.scalar(text, BINARY)


_NOTHING = _scalar(b"")


def _with_nulls(column: pa.Array, texts: pa.Array | None) -> pa.Array | None:
    if texts is None or not column.null_count or pa.types.is_null(column.type):
        return texts
    nulls = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
    return replaced(texts, nulls, pa.repeat(_scalar(b"null"), len(nulls)))


def _mixed_texts(
    column: pa.Array,
    of_column: Callable[[pa.Array], pa.Array | None],
    of_value: Callable[[Any], bytes],
) -> pa.Array:
    """The texts of a mixed column: those of each child, and of each value that has no column."""
    parts: list[Part] = []
    left = np.ones(len(column), np.bool_)
    for name, child in children_of(column).items():
        places = has_value(child)
        if name == PICKLES or not len(places):
            continue
        texts = of_column(child.take(as_arrow(places)))
        if texts is not None:
            parts.append((places, texts))
            left[places] = False
    others = np.flatnonzero(left)
    values = to_pylist(column.take(as_arrow(others)))
    parts.append((others, pa.array(list(map(of_value, values)), BINARY)))
    return put_together(len(column), parts).cast(BINARY)


def _plain_texts(column: pa.Array) -> pa.Array | None:
    """Numbers, booleans, dates and nothing: texts that need no escaping."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return _as_text(column)
    if pa.types.is_null(kind):
        return pa.repeat(_scalar(b"null"), len(column))
    if kind == pa.float64():
        return _float_texts(column)
    if kind == pa.date32():
        return _date_texts(column)
    if kind == pa.timestamp("us"):
        return _moment_texts(column)
    return None


def _float_texts(column: pa.Array) -> pa.Array:
    """As `repr` writes them. Arrow writes the same digits, but not always in the same notation."""
    if column.null_count:
        column = column.fill_null(0.0)
    floats: Floats = column.to_numpy(zero_copy_only=False)
    sizes = np.abs(floats)
    is_whole = sizes < 1e16
    is_whole &= floats == np.floor(floats)
    is_whole &= (floats != 0) | ~np.signbit(floats)
    is_other = (sizes < 1e-4) | ((sizes >= 1e10) & (sizes < 1e16))
    is_other &= ~is_whole
    wholes, others = np.flatnonzero(is_whole), np.flatnonzero(is_other)
    as_others = pa.array(list(map(repr, floats[others].tolist())), pa.string()).cast(BINARY)
    if len(wholes) == len(floats):
        return _as_wholes(floats)
    texts = _as_text(column)
    return replaced(replaced(texts, wholes, _as_wholes(floats[wholes])), others, as_others)


def _as_wholes(floats: Floats) -> pa.Array:
    return joined(_as_text(as_arrow(floats.astype(np.int64))), _scalar(b".0"), _NOTHING)


def _as_text(column: pa.Array) -> pa.Array:
    return column.cast(pa.large_string()).cast(BINARY)


def _date_texts(column: pa.Array) -> pa.Array | None:
    days = column.drop_null().view(pa.int32()).to_numpy()
    if len(days) and (days.min() < _FIRST_DAY or days.max() > _LAST_DAY):
        return None
    return _as_text(column)


def _moment_texts(column: pa.Array) -> pa.Array | None:
    if column.null_count:
        column = column.fill_null(0)
    moments = column.view(pa.int64()).to_numpy()
    if len(moments) and (
        moments.min() < _FIRST_DAY * _DAY_US or moments.max() >= (_LAST_DAY + 1) * _DAY_US
    ):
        return None
    options = pc.ReplaceSubstringOptions(" ", "T")
    texts = pc.call_function("replace_substring", [column.cast(pa.large_string())], options)
    texts = texts.cast(BINARY)
    whole = np.flatnonzero(moments % 1_000_000 == 0)
    if not len(whole):
        return texts
    some = texts.take(as_arrow(whole))
    without = pc.call_function(
        "binary_slice", [some], pc.SliceOptions(0, len("2026-01-31T12:00:00"))
    )
    return replaced(texts, whole, without)


# --- JSON --------------------------------------------------------------------------------------


def _list_texts(column: pa.Array) -> pa.Array | None:
    """The JSON of lists, of which some may be null."""
    elements = _json_texts(column.flatten())
    if elements is None:
        return None
    offsets = column.offsets
    if column.null_count:  # what is behind a null does not count
        sizes = column.value_lengths().fill_null(0).to_numpy()
        offsets = as_arrow(np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]))
    else:
        offsets = as_arrow(offsets.to_numpy() - offsets[0].as_py())
    lists = pa.LargeListArray.from_arrays(offsets, elements)
    inner = pc.call_function("binary_join", [lists, _scalar(b",")])
    return _with_nulls(column, joined(_scalar(b"["), inner, _scalar(b"]"), _NOTHING))


def _json_texts(column: pa.Array) -> pa.Array | None:
    """Each value as JSON, not yet escaped."""
    kind = column.type
    if is_mixed(kind):
        return _mixed_texts(column, _json_texts, encode_json)
    texts: pa.Array | None
    if kind in _STRINGS:
        texts = _quoted(_json_escaped(column.cast(BINARY)))
    elif kind in _BINARIES:
        return None
    else:
        texts = _plain_texts(column)
        if texts is not None and kind == pa.float64():
            texts = _named(column, texts)
        elif kind in (pa.date32(), pa.timestamp("us")) and texts is not None:
            texts = _quoted(texts)
    return _with_nulls(column, texts)


def _named(column: pa.Array, texts: pa.Array) -> pa.Array:
    """The texts of floats, with NaN and Infinity as JSON writes them in Python."""
    floats = column.to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(~np.isfinite(floats))
    if not len(rows):
        return texts
    names = [json.dumps(number).encode() for number in floats[rows].tolist()]
    return replaced(texts, rows, pa.array(names, BINARY))


def _quoted(texts: pa.Array) -> pa.Array:
    return joined(_scalar(b'"'), texts, _scalar(b'"'), _NOTHING)


def _json_escaped(texts: pa.Array) -> pa.Array:
    data = _bytes_of(texts)
    special = (data < ord(" ")) | (data == ord('"')) | (data == ord("\\"))
    rows = _rows_at(texts, np.flatnonzero(special))
    if not len(rows):
        return texts
    some = texts.take(as_arrow(rows)).cast(pa.large_string()).to_pylist()
    quoted = [json.dumps(text, ensure_ascii=False)[1:-1].encode() for text in some]
    return replaced(texts, rows, pa.array(quoted, BINARY))


# --- where in a column -------------------------------------------------------------------------


def _bytes_of(texts: pa.Array) -> Bytes:
    """The bytes of all texts, one text's after the other's."""
    data = texts.buffers()[2]
    if data is None or not len(texts):
        return np.zeros(0, np.uint8)
    view = BytesView(texts)
    return np.frombuffer(data, np.uint8)[view.start : view.end]


def _rows_at(texts: pa.Array, places: Index) -> Index:
    """The rows, each once, in whose texts these bytes are."""
    if not len(places):
        return _NO_ROWS
    view = BytesView(texts)
    found: Index = np.unique(np.searchsorted(view.ends - view.start, places, side="right"))
    return found
