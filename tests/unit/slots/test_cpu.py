"""Zen 4 is told apart from other processors."""

from __future__ import annotations

from zmr.slots.cpu import is_zen_4


def test_the_processor_that_is_zen_4_is_recognized() -> None:
    zen_4 = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t\t: fpu avx2 avx512f\n"
    assert is_zen_4(zen_4)
    assert not is_zen_4(zen_4.replace("25", "26"))
    assert not is_zen_4(zen_4.replace(" avx512f", ""))
    assert not is_zen_4(zen_4.replace("AuthenticAMD", "GenuineIntel"))
    assert not is_zen_4("")
