"""What a terminal shows in the end of all that was written to it."""

from __future__ import annotations

import re

_STEP = re.compile(
    r"\x1b\[(?P<value>\?\d+|[\d;]*)(?P<command>[A-Za-z])|(?P<control>[\r\n])|(?P<text>[^\x1b\r\n]+)"
)


class Screen:
    """A terminal that is tall enough, and knows the few sequences that programs here use.

    Raises ValueError for others.
    """

    def __init__(self, written: str) -> None:
        self.rows: list[str] = [""]
        self.cursor_is_visible = True
        self._row = self._column = 0
        end = 0
        for step in _STEP.finditer(written):
            if step.start() != end:
                break
            end = step.end()
            self._do(step)
        if end != len(written):
            raise ValueError(f"unknown sequence {written[end : end + 10]!r}")

    @property
    def lines(self) -> list[str]:
        """The rows, but for spaces at the end of each and empty rows at the end of all."""
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n").split("\n")

    def _do(self, step: re.Match[str]) -> None:
        text, control = step["text"], step["control"]
        if text is not None:
            row = self.rows[self._row].ljust(self._column)
            self.rows[self._row] = row[: self._column] + text + row[self._column + len(text) :]
            self._column += len(text)
        elif control == "\r":
            self._column = 0
        elif control == "\n":
            self._row += 1
            if self._row == len(self.rows):
                self.rows.append("")
        else:
            self._obey(step["command"], step["value"])

    def _obey(self, command: str, value: str) -> None:
        if command == "A":
            self._row = max(0, self._row - int(value or 1))
        elif command == "K" and value == "2":
            self.rows[self._row] = ""
        elif command in "hl" and value == "?25":
            self.cursor_is_visible = command == "h"
        elif command != "m":  # colours
            raise ValueError(f"unknown sequence: CSI {value} {command}")
