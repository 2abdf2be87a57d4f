"""What is common to all commands: help with examples, and a stdout that may be full or gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from zmr.cli.streams import to_stdout

Example = tuple[str, str]  # what to type, and what it does


class Command(click.Command):
    """A command whose help shows examples, to be copied as they are."""

    def __init__(self, *args: Any, examples: Sequence[Example] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = tuple(examples)

    def make_context(self, *args: Any, **attributes: Any) -> click.Context:
        """Parse the arguments; `--help` and the like are answered here."""
        with to_stdout():
            return super().make_context(*args, **attributes)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help text and the examples."""
        super().format_help_text(ctx, formatter)
        if not self.examples:
            return
        with formatter.section("Examples"):
            for typed, does in self.examples:
                # Never wrapped, so that all of it can be copied.
                formatter.write((f"  # {does}\n" if does else "") + f"  {typed}\n")
