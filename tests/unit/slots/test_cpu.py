"""Zen 4 is told apart from other processors."""

from __future__ import annotations

from zmr.slots.cpu import sorts_badly


def test_the_processor_that_sorts_badly_is_recognized() -> None:
    zen_4 = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t\t: fpu avx2 avx512f\n"
    assert sorts_badly(zen_4)
    assert not sorts_badly(zen_4.replace("25", "26"))
    assert not sorts_badly(zen_4.replace(" avx512f", ""))
    assert not sorts_badly(zen_4.replace("AuthenticAMD", "GenuineIntel"))
    assert not sorts_badly("")
