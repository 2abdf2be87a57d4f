"""Figures in words, for logs and reasons."""

from __future__ import annotations


def counted(n: int, what: str) -> str:
    """For people: "1 slot", "2 slots"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def megabytes(size_bytes: int) -> str:
    """For people: "310 MB"."""
    return f"{size_bytes / 1e6:,.0f} MB"
