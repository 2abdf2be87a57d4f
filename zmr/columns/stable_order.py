"""The stable order of 64-bit numbers, by sorting other numbers.

numpy sorts numbers with vector instructions, in a fraction of the time in which it finds an order
of them. So each number gives its low bits to the row where it stands, and these are sorted: the
rows are then in order, but for those whose high bits are the same. Where such rows are out of
order, a second sort mends it, of numbers made of the run of equal high bits, the low bits that were
given away, and the row. Rows of equal numbers stay in their order, for the row is always compared
last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from zmr.columns.arrays import Flags, Index, Words

# The second sort needs the bits of a row three times.
_MOST_ROW_BITS = 21

_LOW_HALF = np.uint64(0xFFFFFFFF)


def stable_order(words: Words) -> tuple[Index, Words]:
    """`order[i]` is the row that comes i-th; and the numbers in order."""
    row_bits = max(1, (len(words) - 1).bit_length())
    if row_bits > _MOST_ROW_BITS:
        order = np.argsort(words, kind="stable")
        return order, words[order]
    shift, row_mask = np.uint64(row_bits), np.uint64((1 << row_bits) - 1)
    packed = words & ~row_mask
    packed |= np.arange(len(words), dtype=np.uint64)
    packed.sort()
    order = (packed & row_mask).view(np.int64)
    within = words[order]
    packed >>= shift
    is_tied = packed[1:] == packed[:-1]
    del packed  # it makes room for the rest
    falls = np.flatnonzero((within[1:] < within[:-1]) & is_tied)
    if falls.size:
        among, run = _runs_with(falls, is_tied)
        mixed = (run << (shift + shift)) | ((within[among] & row_mask) << shift)
        mixed |= np.arange(len(among), dtype=np.uint64)
        mixed.sort()
        mended = among[(mixed & row_mask).view(np.int64)]
        order[among] = order[mended]
        within[among] = within[mended]
    return order, within


def stable_order_within(words: npt.NDArray[Any], group: Index) -> Index:
    """The order by group, and by `words` within each. Groups are numbered from 0, below 2**32."""
    by_word, _ = stable_order(words.astype(np.uint64, copy=False))
    shift = np.uint64(32)
    packed = group[by_word].astype(np.uint64) << shift
    packed |= np.arange(len(words), dtype=np.uint64)
    packed.sort()
    return by_word[(packed & _LOW_HALF).view(np.int64)]


def _runs_with(falls: Index, is_tied: Flags) -> tuple[Index, Words]:
    """The places in the runs of ties that have a fall, and the number of each one's run."""
    run = np.zeros(len(is_tied) + 1, np.uint64)
    np.cumsum(~is_tied, out=run[1:])
    places = run.view(np.int64)
    has_fall = np.zeros(int(places[-1]) + 1, np.bool_)
    has_fall[places[falls]] = True
    among = np.flatnonzero(has_fall[places])
    return among, run[among]
