"""The group of all commands. One file a command; each is imported only when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from zmr.cli.base import Command
from zmr.version import __version__

COMMANDS = {
    "run": "Run a job on this machine.",
    "master": "Start a master.",
    "worker": "Work for a master.",
    "submit": "Hand a job to a running master and follow it.",
    "tail": "Print events as they happen.",
    "status": "Show jobs and workers.",
    "cancel": "End a job.",
    "key": "Print, make or change keys.",
    "replay": "Run a failed task again, in this process.",
    "check": "Find out whether a job's answer depends on how it is run.",
}


class Commands(Command, click.Group):
    """Knows the names of the commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"zmr.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, or say which there are."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {name!r}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them all."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        ("zmr run wordcount input/", "count words, print the result"),
        ("zmr run job.py data/ -o out/", "a job of your own, into a folder"),
        ("zmr COMMAND --help", "all about a command"),
    ),
)
@click.version_option(__version__, prog_name="zmr")
def zmr() -> None:
    """MapReduce for Python, on one machine or on many.

    Options can also be set by environment variables, ZMR_ and their name: ZMR_TASK_TIMEOUT=60 is
    --task-timeout 60. That of a port ends in _NUMBER; --insecure has none.

    Exit status: 0 done, 1 the job failed, 2 usage, 3 not enough workers in time, 4 master
    unreachable or lost, 5 done with bad records or files skipped, 130 or 143 ended by SIGINT or
    SIGTERM.
    """
