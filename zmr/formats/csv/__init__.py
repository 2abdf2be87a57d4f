"""Comma-separated values: `Csv` in `format`, and what it reads with, which loads pyarrow."""

from __future__ import annotations

from zmr.formats.csv.format import Csv

__all__ = ["Csv"]
