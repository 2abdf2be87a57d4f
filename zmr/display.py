"""What messages and logs show: a user's value as short text, a growing count now and then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def short_repr(value: Any, to_text: Callable[[Any], str] = repr, most_chars: int = 80) -> str:
    """The value as text of bounded length, whatever its `__repr__` does, and on one line."""
    try:
        text = " ".join(to_text(value).split())
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= most_chars else text[: most_chars - 3] + "..."


def printable(text: str) -> str:
    r"""The text for a terminal: what is no character to be seen is written as an escape (`\x1b`).

    So that who has made it up, on another machine perhaps, can't move the cursor, or hide or change
    what stands beside it. Tabs and line ends stay.
    """
    if text.isprintable():
        return text
    return "".join(map(_printable, text))


def on_one_line(text: str) -> str:
    """The same with line ends as escapes, too: nobody can make up a line of its own."""
    return printable(text).replace("\n", "\\n")


def _printable(char: str) -> str:
    return char if char.isprintable() or char in "\t\n" else ascii(char)[1:-1]


def is_power_of_ten(count: int) -> bool:
    """Whether the count is 1, 10, 100, ...: then it is worth a line in the log."""
    return str(count).strip("0") == "1"


def counted(n: int, what: str) -> str:
    """For people: "1 slot", "2 slots"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def megabytes(size_bytes: int) -> str:
    """For people: "310 MB"."""
    return f"{size_bytes / 1e6:,.0f} MB"
