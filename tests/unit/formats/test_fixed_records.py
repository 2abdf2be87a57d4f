"""Records of one size: cut at their multiples, and none shorter."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reading import cut, in_pieces, read, read_batches

from zmr import BadRecord, FixedRecords
from zmr.messages import Split

CUTS = st.lists(st.integers(1, 60))


@given(st.integers(1, 7), st.integers(0, 9), CUTS, st.integers(1, 20))
def test_records_of_one_size_are_cut_at_their_multiples(
    path: Path, size: int, n: int, cuts: list[int], piece_bytes: int
) -> None:
    expected = [bytes([i]) * size for i in range(n)]
    path.write_bytes(b"".join(expected))
    for how in (read, read_batches):
        found = how(in_pieces(FixedRecords(size), piece_bytes), *cut(path, cuts))
        assert (found.records, found.size_bytes) == (expected, n * size)


def test_a_file_that_ends_within_a_record_is_an_error_that_says_which(path: Path) -> None:
    path.write_bytes(bytes(207))
    for how in (read, read_batches):
        for split in (Split(str(path)), Split(str(path), 150, 57)):
            with pytest.raises(BadRecord, match=r"record 3: has only 7 of 100 bytes"):
                how(FixedRecords(100), split)


def test_a_record_is_located_by_its_number_in_the_file(path: Path) -> None:
    path.write_text("line\n" * 10)
    assert FixedRecords(10).locate(Split(str(path), 5, 25), 1) == "record 3"
