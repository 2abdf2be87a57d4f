"""The engines, in the order of the tables: zmr first."""

from __future__ import annotations

from benchmarks.engine import Engine
from benchmarks.engines import frameworks, native, python, zmr

ENGINES: tuple[Engine, ...] = (
    *zmr.ENGINES,
    *python.ENGINES,
    *native.ENGINES,
    *frameworks.ENGINES,
)
