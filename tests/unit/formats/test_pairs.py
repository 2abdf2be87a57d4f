"""Files of pairs: whatever is put out is read again as it was, wherever the file is cut."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.columns import blocks
from zmr.errors import PickleError
from zmr.formats.base import BadRecord
from zmr.formats.pairs import Pairs, PairsOutput
from zmr.messages import Split

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
    | st.text() | st.binary() | st.dates() | st.datetimes()
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v) | st.tuples(v, v) | st.dictionaries(st.text(), v)
)


def uncounted(name: str, n: int) -> None:
    raise AssertionError(f"{n} {name}")


def write(path: Path, *blocks: bytes) -> bytes:
    """Make the file of these blocks, and return what is in it."""
    whole = b"".join(blocks) + PairsOutput().footer(path.name)
    path.write_bytes(whole)
    return whole


def read(path: Path, offset: int = 0, length: int = -1) -> list[Any]:
    chunks = Pairs().read(Split(str(path), offset, length), uncounted)
    return [pair for pairs, _ in chunks for pair in pairs]


def typed(value: Any) -> Any:
    """The value with the types of all of its parts: 1 is not True, nor 0.0 what -0.0 is."""
    if isinstance(value, (list, tuple)):
        return type(value), [typed(part) for part in value]
    return type(value), repr(value)


@given(st.lists(st.tuples(VALUES, VALUES)), st.integers(1, 4))
def test_pairs_of_any_kind_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[Any, Any]], at_once: int
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "p"
    parts = [pairs[i : i + at_once] for i in range(0, len(pairs), at_once)]
    write(path, *map(PairsOutput().encode_pairs, parts))
    assert typed(read(path)) == typed(pairs)


@pytest.mark.parametrize(
    "key",
    ["ä", b"\0", 1, 2**70, True, 1.5, None, date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC),
     ("a", 1), ("a",), (), ("a", ("b", 2)), frozenset({1}), "\ud800"],
)  # fmt: skip
def test_keys_keep_their_type(tmp_path: Path, key: Any) -> None:
    pairs = [(key, 1), (key, 2)]
    write(tmp_path / "p", PairsOutput().encode_pairs(pairs))
    assert typed(read(tmp_path / "p")) == typed(pairs)


def test_wherever_a_file_is_cut_each_pair_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 3)
    keys = pa.record_batch({"key": pa.array([f"k{i}" for i in range(10)], pa.large_string())})
    path = tmp_path / "p"
    write(path, bytes(PairsOutput().encode_columns(keys, pa.array(range(10), pa.int64()))))
    size_bytes = path.stat().st_size
    pairs = [(f"k{i}", i) for i in range(10)]
    assert read(path) == pairs
    for cut in range(0, size_bytes + 1, 7):
        assert read(path, 0, cut) + read(path, cut, size_bytes - cut) == pairs
    (first, *rest) = Pairs().read(Split(str(path), 0, size_bytes), uncounted)
    assert first[0] == pairs[:3]
    assert first[1] + sum(n for _, n in rest) == size_bytes - len(PairsOutput().footer("p"))


def test_map_batch_gets_columns(tmp_path: Path) -> None:
    output = PairsOutput()
    pairs: list[tuple[Any, Any]] = [(("a", 1), 0.5), (("b", 2), None)]
    write(tmp_path / "p", output.encode_pairs(pairs))
    ((batch, _),) = Pairs().read_batches(Split(str(tmp_path / "p")), uncounted)
    assert batch.to_pydict() == {"key.0": ["a", "b"], "key.1": [1, 2], "value": [0.5, None]}

    write(tmp_path / "p", output.encode_pairs([("a", 1), ("b", "two")]))
    with pytest.raises(BadRecord, match=r"the column 'value' holds .* write map"):
        next(Pairs().read_batches(Split(str(tmp_path / "p")), uncounted))


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "p"
    blocks = [PairsOutput().encode_pairs([("a", 1)]), PairsOutput().encode_pairs([("b", 2)])]
    whole = write(path, *blocks)
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(OSError, match="damaged at byte"):
            read(path)
    for size_bytes in (0, 1, len(blocks[0]), len(whole) // 2, len(whole) - 8, len(whole) - 1):
        path.write_bytes(whole[:size_bytes])
        with pytest.raises(OSError, match="damaged at byte"):
            read(path)


def test_a_file_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    whole = write(tmp_path / "p", PairsOutput().encode_pairs([("a", 1)]))
    (tmp_path / "q").write_bytes(whole)
    with pytest.raises(OSError, match="damaged at byte"):
        read(tmp_path / "q")


def test_a_pair_is_found_again_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "p"
    blocks = [PairsOutput().encode_pairs([(f"k{i}", i)]) for i in range(3)]
    write(path, *blocks)
    assert Pairs().locate(Split(str(path)), 1) == "pair 2, key 'k1'"
    offset = len(blocks[0])
    wanted = f"pair 2 from byte {offset} on, key 'k2'"
    assert Pairs().locate(Split(str(path), offset, -1), 1) == wanted


def test_what_can_not_be_kept_is_told_with_its_key() -> None:
    with pytest.raises(PickleError, match=r"can't be kept.*\(under the key 'k'\)"):
        PairsOutput().encode_pairs([("k", lambda: None)])
