"""Sizes as people write them. Decimal: 1K is 1,000 bytes, as in the names of disks and records."""

from __future__ import annotations

import argparse

_UNITS = ("", "K", "M", "G", "T")


def parse_size(text: str) -> int:
    """The number of bytes that "600M" or "1.5G" means. Raises ArgumentTypeError."""
    number, unit = text.upper().removesuffix("B"), ""
    if number[-1:] in _UNITS[1:]:
        number, unit = number[:-1], number[-1]
    try:
        size_bytes = int(float(number) * 1000 ** _UNITS.index(unit))
    except (ValueError, OverflowError):
        size_bytes = 0
    if size_bytes <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write something like 600M or 1G")
    return size_bytes


def show_size(size_bytes: float) -> str:
    """A size in three digits: "640 MB", "1.02 GB"."""
    power = 0
    while abs(size_bytes) >= 999.5 and power < len(_UNITS) - 1:
        size_bytes /= 1000
        power += 1
    return f"{size_bytes:.3g} {_UNITS[power]}B"
