"""Work around slow AVX-512 sorting on AMD Zen 4.

With AVX-512, numpy sorts by compressing registers straight into memory. On AMD's Zen 4 that
instruction is microcode, and a sort takes several times as long as with AVX2, which numpy has, too.

To be deleted when numpy itself avoids the instruction there, or when Zen 4 matters no more. On such
a machine `python -m benchmarks --only sort-records --engines zmr` shows what it is worth, against
the same with `NPY_DISABLE_CPU_FEATURES=` (empty) before it, which leaves the choice to numpy.
"""

from __future__ import annotations

import os
import warnings
from contextlib import suppress

_SETTING = "NPY_DISABLE_CPU_FEATURES"
# By the names that they have in one version of numpy or another.
_AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V4"

_CPUINFO = "/proc/cpuinfo"
_CPUINFO_BYTES = 4096  # the first processor, whose flags are the others'
_ZEN_3_AND_4 = "25"


def import_numpy() -> None:
    """Import numpy for the first time in this process, set up for the processor.

    What the user has chosen stays. Processes that the user's code starts are left alone.
    """
    if _SETTING in os.environ or not is_zen_4(_cpuinfo()):
        return
    os.environ[_SETTING] = _AVX512
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # that it does not know some of the names
        import numpy as np  # noqa: F401
    del os.environ[_SETTING]


def is_zen_4(cpuinfo: str) -> bool:
    """Whether this, which /proc/cpuinfo says of a processor, is a Zen 4."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    said = {name.strip(): value.strip() for name, _, value in lines}
    is_family = said.get("vendor_id") == "AuthenticAMD" and said.get("cpu family") == _ZEN_3_AND_4
    return is_family and "avx512f" in said.get("flags", "").split()


def _cpuinfo() -> str:
    """The beginning of /proc/cpuinfo; empty where there is none, as on macOS."""
    with suppress(OSError), open(_CPUINFO, "rb") as file:
        return file.read(_CPUINFO_BYTES).decode(errors="replace").partition("\n\n")[0]
    return ""
