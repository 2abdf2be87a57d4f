"""A user's value as it is shown in a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def shown(value: Any, to_text: Callable[[Any], str] = repr, most_chars: int = 80) -> str:
    """The value as text of bounded length, whatever its `__repr__` does, and on one line."""
    try:
        text = " ".join(to_text(value).split())
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= most_chars else text[: most_chars - 3] + "..."
