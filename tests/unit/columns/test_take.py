"""Rows are taken out of a batch as Arrow takes them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from zmr.columns import rows
from zmr.columns.take import Taker


@pytest.mark.parametrize("sizes", [[4] * 9, [0] * 9, [4, 5, 0, 1, 9, 4, 4, 4, 4]], ids=repr)
def test_rows_are_taken_whatever_their_size(sizes: list[int]) -> None:
    for kind in (str, bytes):
        texts = [f"{i:09}"[-size:] if size else "" for i, size in enumerate(sizes)]
        keys = [text.encode() if kind is bytes else text for text in texts]
        whole = rows.from_lists(keys, list(range(9)), kind.__name__)
        for batch in (whole, whole.slice(2, 6)):
            places = [3, 0, 0, 5, 1]
            taken = Taker(batch).take(pa.array(places))
            taken.validate(full=True)
            assert taken.equals(batch.take(pa.array(places)), check_metadata=True)
